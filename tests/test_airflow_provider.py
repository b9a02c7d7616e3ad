"""The connection type `alibaba_ims`: what its form offers and what its hook makes of it."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from transforms.airflow_provider.provider import get_provider_info
from transforms.errors import ConfigurationError
from transforms.settings import SourceSettings

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

CONNECTION = "AIRFLOW_CONN_ALIBABA_IMS_DEFAULT"
SECRETS = {
    "access_key_id": "key-id-of-the-test",
    "access_key_secret": "secret-of-the-test",
    "security_token": "token-of-the-test",
}


@pytest.fixture
def no_settings(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing of the source."""
    monkeypatch.delenv(CONNECTION, raising=False)
    for name in SourceSettings.model_fields:
        monkeypatch.delenv(f"COGNITION_{name.upper()}", raising=False)
    return monkeypatch


def connection(**fields: object) -> str:
    """Returns a connection as Airflow reads it from the environment."""
    return json.dumps({"conn_type": "alibaba_ims", **fields})


def revealed(settings: SourceSettings) -> dict[str, Any]:
    """Returns the settings that were given, secrets in clear."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        name: value.get_secret_value() if name in SECRETS else value
        for name, value in given.items()
    }


def test_every_field_of_the_connection_reaches_the_source(no_settings: pytest.MonkeyPatch) -> None:
    """Key pair, endpoint and what the form keeps in the extra become source settings."""
    from transforms.airflow_provider.hook import source_settings

    extra = {
        "security_token": SECRETS["security_token"],
        "region": "cn-beijing",
        "protocol": "http",
        "queries_per_second": 12.5,
        "concurrency": 3,
        "not_of_ours": "left alone",
    }
    fields = {"login": SECRETS["access_key_id"], "password": SECRETS["access_key_secret"]}
    no_settings.setenv(CONNECTION, connection(host="ims.test", port=8080, extra=extra, **fields))
    assert revealed(source_settings()) == {
        **SECRETS,
        "endpoint": "ims.test:8080",
        "region": "cn-beijing",
        "protocol": "http",
        "queries_per_second": 12.5,
        "concurrency": 3,
    }


def test_empty_fields_of_the_form_mean_nothing(no_settings: pytest.MonkeyPatch) -> None:
    """What the form leaves empty comes from the environment, and last from the defaults."""
    from transforms.airflow_provider.hook import source_settings

    no_settings.setenv("COGNITION_REGION", "cn-hangzhou")
    no_settings.setenv("COGNITION_CONCURRENCY", "2")
    extra = {"security_token": "", "region": "cn-beijing", "protocol": None}
    no_settings.setenv(CONNECTION, connection(host="ims.test", login="", extra=extra))
    assert revealed(source_settings()) == {
        "endpoint": "ims.test",
        "region": "cn-beijing",
        "concurrency": 2,
    }


def test_environment_stands_in_for_a_missing_connection(no_settings: pytest.MonkeyPatch) -> None:
    """Without the connection the environment speaks, and without both the credential chain."""
    from transforms.airflow_provider.hook import source_settings

    assert revealed(source_settings()) == {}
    no_settings.setenv("COGNITION_ACCESS_KEY_ID", SECRETS["access_key_id"])
    assert revealed(source_settings()) == {"access_key_id": SECRETS["access_key_id"]}


def test_named_connection_must_exist(no_settings: pytest.MonkeyPatch) -> None:
    """The hook itself does not guess: a connection that is not there is an error."""
    from airflow.sdk.exceptions import AirflowNotFoundException

    from transforms.airflow_provider.hook import AlibabaImsHook

    with pytest.raises(AirflowNotFoundException):
        AlibabaImsHook("nobody").get_conn()


def test_wrong_field_is_named_and_no_value_quoted(no_settings: pytest.MonkeyPatch) -> None:
    """A field that cannot be right gives one line with its name, and no secret in it."""
    from transforms.airflow_provider.hook import source_settings

    extra = {"protocol": "ftp", "concurrency": 0, "access_key_secret": SECRETS["access_key_secret"]}
    no_settings.setenv(CONNECTION, connection(host="ims.test", extra=extra))
    with pytest.raises(ConfigurationError) as caught:
        source_settings()
    said = str(caught.value)
    assert said.startswith("connection alibaba_ims_default: protocol: ")
    assert "concurrency: " in said
    assert "ftp" not in said
    assert SECRETS["access_key_secret"] not in said


@pytest.mark.parametrize("place", ["connection", "environment"])
def test_secrets_are_masked_in_logs(no_settings: pytest.MonkeyPatch, place: str) -> None:
    """Once the settings are read, Airflow writes *** for each of the three secrets."""
    from airflow.sdk.log import redact

    from transforms.airflow_provider.hook import source_settings

    secrets = {name: f"{place}-has-this-{name}" for name in SECRETS}
    line = "asked with " + " ".join(secrets.values())
    if place == "connection":
        extra = {"security_token": secrets["security_token"]}
        pair = {"login": secrets["access_key_id"], "password": secrets["access_key_secret"]}
        no_settings.setenv(CONNECTION, connection(extra=extra, **pair))
    else:
        for name, value in secrets.items():
            no_settings.setenv(f"COGNITION_{name.upper()}", value)
    source_settings()
    assert redact(line) == "asked with *** *** ***"


def test_airflow_knows_the_connection_type(airflow_home: Path) -> None:
    """The installed package announces the provider, and Airflow accepts form and hook."""
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    names = [entry.value for entry in entry_points(group="apache_airflow_provider")]
    assert "transforms.airflow_provider.provider:get_provider_info" in names
    manager = ProvidersManagerTaskRuntime()
    hook = manager.hooks["alibaba_ims"]
    assert hook is not None
    assert hook.hook_name == "Alibaba Cloud IMS"
    assert hook.hook_class_name == "transforms.airflow_provider.hook.AlibabaImsHook"


def test_form_offers_source_settings_only() -> None:
    """Every extra field of the form is a source setting, with the same choices and default."""
    [kind] = get_provider_info()["connection-types"]
    fields = kind["conn-fields"]
    assert fields.keys() == {"security_token", "region", "protocol", "queries_per_second"}
    for name, field in fields.items():
        setting = SourceSettings.model_fields[name]
        assert field["label"]
        if "default" in field["schema"]:
            assert field["schema"]["default"] == setting.default
    schema = SourceSettings.model_json_schema()["properties"]
    assert sorted(fields["protocol"]["schema"]["enum"]) == sorted(schema["protocol"]["enum"])
    pace = schema["queries_per_second"]
    shown = fields["queries_per_second"]["schema"]
    assert shown["minimum"] == pace["minimum"]
    assert shown["maximum"] == pace["maximum"]
