"""What Airflow's provider manager reads: the notifier, and the connection type with its form.

Airflow calls `get_provider_info` in every process, so nothing here imports airflow or the SDK.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

CONNECTION_TYPE = "alibaba_ims"


def get_provider_info() -> dict[str, Any]:
    """Returns the provider's description, in the shape Airflow's provider schema asks for."""
    return {
        "package-name": "cognition-warehouse",
        "name": "Alibaba Cloud IMS cognition jobs",
        "description": "Queries IMS cognition jobs and loads their results into a warehouse.",
        "versions": [version("cognition-warehouse")],
        "notifications": ["transforms.airflow_provider.notifier.WebhookNotifier"],
        "connection-types": [
            {
                "hook-class-name": "transforms.airflow_provider.hook.AlibabaImsHook",
                "hook-name": "Alibaba Cloud IMS",
                "connection-type": CONNECTION_TYPE,
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {
                        "login": "Access key ID",
                        "password": "Access key secret",
                        "host": "Endpoint",
                    },
                    "placeholders": {
                        "login": "empty: the SDK's default credential chain",
                        "host": "empty: the region's own endpoint",
                    },
                },
                "conn-fields": _extra_fields(),
            }
        ],
    }


def _extra_fields() -> dict[str, Any]:
    """Returns the form's fields kept in the connection's extra; keys are source settings."""
    return {
        "security_token": {
            "label": "STS token",
            "description": "Belongs to a temporary key pair.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "region": {
            "label": "Region",
            "description": "Region of the jobs; gives the endpoint.",
            "schema": {"type": ["string", "null"], "default": "cn-shanghai"},
        },
        "protocol": {
            "label": "Protocol",
            "description": "http is for a sandbox only.",
            "schema": {"type": ["string", "null"], "enum": ["https", "http"], "default": "https"},
        },
        "queries_per_second": {
            "label": "Queries per second",
            "description": "Of all tasks together; of each where the lake is in a bucket and no "
            "COGNITION_PACE_FILE is given.",
            "schema": {"type": ["number", "null"], "minimum": 0.001, "maximum": 1000},
        },
    }
