"""Turns an Airflow connection of type `alibaba_ims` into source settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from pydantic import SecretStr, ValidationError

from transforms.airflow_provider.provider import CONNECTION_TYPE
from transforms.errors import ConfigurationError
from transforms.settings import SourceSettings

if TYPE_CHECKING:
    from airflow.sdk import Connection

DEFAULT_CONNECTION = "alibaba_ims_default"


class AlibabaImsHook(BaseHook):
    """Reads a connection of type `alibaba_ims`.

    Login and password are the key pair, host and port the endpoint; every other source setting
    may stand in the extra under its own name. What a connection leaves out comes from the
    environment (`COGNITION_*`).

    Args:
        conn_id: The connection to read.
    """

    conn_name_attr = "conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = CONNECTION_TYPE
    hook_name = "Alibaba Cloud IMS"

    def __init__(self, conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> SourceSettings:
        """Returns the connection as source settings, its secrets registered for masking.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: A field of the connection is not valid.
        """
        given = _fields(self.get_connection(self.conn_id))
        try:
            settings = SourceSettings(**given)
        except ValidationError as error:
            # Pydantic quotes the input, which may be a secret: only names and reasons go on.
            wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(f"connection {self.conn_id}: {wrong}: correct it") from None
        _mask(settings)
        return settings


def source_settings(conn_id: str = DEFAULT_CONNECTION) -> SourceSettings:
    """Returns the settings of the connection if it exists, else those of the environment.

    Without a key pair in either, the SDK's default credential chain is asked.
    """
    try:
        return AlibabaImsHook(conn_id).get_conn()
    except AirflowNotFoundException:
        settings = SourceSettings()
        _mask(settings)
        return settings


def _fields(connection: Connection) -> dict[str, Any]:
    extra = connection.extra_dejson
    host, port = connection.host, connection.port
    given = {name: extra.get(name) for name in SourceSettings.model_fields} | {
        "access_key_id": connection.login or None,
        "access_key_secret": connection.password or None,
        "endpoint": f"{host}:{port}" if host and port else host,
    }
    return {name: value for name, value in given.items() if value not in (None, "")}


def _mask(settings: SourceSettings) -> None:
    for name in SourceSettings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            mask_secret(value.get_secret_value(), name)
