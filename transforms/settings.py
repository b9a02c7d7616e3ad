"""Settings: from the environment (`COGNITION_*`), the command line or an Airflow connection.

Times are in seconds, sizes in bytes. Secrets are `SecretStr`: printing settings never shows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from transforms.subtitles.guard import parse_hosts

MIB = 1024 * 1024
HOUR = 3600


def _as_hosts(text: str) -> str:
    """Returns a list of hosts in one form, so that two forms of it are one set of rules."""
    try:
        parse_hosts(text)
    except ValueError as error:
        raise PydanticCustomError("hosts", "{why}", {"why": str(error)}) from None
    return " ".join(sorted({*text.lower().replace(",", " ").split()}))


class SourceSettings(BaseSettings):
    """How to reach the service and how hard to press it."""

    model_config = SettingsConfigDict(
        env_prefix="COGNITION_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    region: str = Field("cn-shanghai", description="Region of the jobs; gives the endpoint.")
    endpoint: str | None = Field(None, description="Host (and port) in place of the region's own.")
    protocol: Literal["https", "http"] = "https"
    access_key_id: SecretStr | None = Field(
        None, description="Key pair in place of the SDK's default credential chain."
    )
    access_key_secret: SecretStr | None = None
    security_token: SecretStr | None = None
    need_asr: bool = Field(default=True, description="Ask for speech recognition results.")
    need_ocr: bool = Field(default=True, description="Ask for on-screen text results.")
    need_process: bool = Field(default=True, description="Ask for the URL of raw algorithm output.")
    queries_per_second: float = Field(20.0, ge=0.001, le=1000, allow_inf_nan=False)
    concurrency: int = Field(8, ge=1, le=128, description="Queries under way at once.")
    connect_timeout_seconds: float = Field(5.0, gt=0, le=HOUR, allow_inf_nan=False)
    read_timeout_seconds: float = Field(60.0, gt=0, le=HOUR, allow_inf_nan=False)
    max_attempts: int = Field(5, ge=1, le=20, description="Calls per job, then left pending.")
    max_backoff_seconds: float = Field(30.0, gt=0, le=HOUR, allow_inf_nan=False)
    failures_to_stop: int = Field(
        50,
        ge=1,
        le=100_000,
        description="So many throttled calls or failing jobs in a row end a run.",
    )
    pace_file: Path | None = Field(
        None,
        description="File by which processes share the rate; default: in a local lake's staging.",
    )


class Settings(BaseSettings):
    """Where things lie and how they are batched."""

    model_config = SettingsConfigDict(
        env_prefix="COGNITION_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(Path("cognition-home"), description="Folder of lake and warehouse.")
    lake: str | None = Field(None, description="Lake root: folder or object store URI.")
    warehouse: Path | None = Field(None, description="Folder of the DuckDB files.")
    schemas: Path | None = Field(None, description="Overlay of amended or added schemas.")
    batch_bytes: int = Field(64 * MIB, ge=1, description="Reply bytes per raw batch.")
    flush_seconds: float = Field(
        60.0,
        ge=0,
        le=HOUR,
        allow_inf_nan=False,
        description="A raw batch is written, full or not, once its oldest reply waits so long.",
    )
    max_blob_bytes: int = Field(256 * MIB, ge=1, description="A longer Data is quarantined.")
    subtitle_hosts: Annotated[str, AfterValidator(_as_hosts)] = Field(
        "*.aliyuncs.com",
        description="Hosts subtitle files are fetched from: name, *.name (below it) or name:port.",
    )
    subtitle_max_bytes: int = Field(20 * MIB, ge=1, description="A longer file is not fetched.")
    subtitle_timeout_seconds: float = Field(
        60.0, gt=0, le=HOUR, allow_inf_nan=False, description="Time for one file, redirects too."
    )
    subtitle_concurrency: int = Field(4, ge=1, le=32, description="Files fetched at once.")
    retention_days: int = Field(
        180, ge=1, le=36_500, description="Days the service keeps a job's results."
    )
    expiry_warning_days: int = Field(
        30, ge=0, le=36_500, description="So many days ahead, jobs about to expire are told of."
    )
    compact_bytes: int = Field(
        128 * MIB, ge=1, description="Size that merged files of the lake grow to."
    )
    memory_bytes: int = Field(
        3072 * MIB,
        ge=256 * MIB,
        description="Memory DuckDB may use to load, check or answer; with more, it works on disk.",
    )
    keep_versions: int = Field(3, ge=1, description="Published warehouse versions to keep.")
    ledger_sql: str | None = Field(
        None, description="Query of new job ids, or a .sql file of it: job_id and watermark."
    )
    ledger_sql_conn_id: str | None = Field(None, description="Airflow connection it is sent to.")
    ledger_sql_start: str | None = Field(
        None, description="Watermark of the first reading; digits are a number, all else is text."
    )
    max_quarantine_share: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="If a greater share is in quarantine of all jobs, or of those not published "
        "yet, nothing is published; 1 of 2 new jobs is half.",
    )
    stale_after_hours: float = Field(
        168.0,
        ge=0,
        le=10 * 365 * 24,
        allow_inf_nan=False,
        description="Hours after which a load warns that no newer reply came; 0: it never does.",
    )

    @property
    def lake_root(self) -> str:
        """Returns the lake's folder or URI."""
        return self.lake or str(self.home / "lake")

    @property
    def warehouse_dir(self) -> Path:
        """Returns the folder that holds `warehouse.duckdb`."""
        return self.warehouse or self.home / "warehouse"


class MessageSettings(BaseSettings):
    """Which completion messages are about cognition jobs."""

    model_config = SettingsConfigDict(
        env_prefix="COGNITION_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    message_types: str = Field(
        "smarttag MediaAiAnalysisComplete",
        description="Type or EventType of messages whose JobId enters the ledger, by space.",
    )

    @property
    def counted_types(self) -> frozenset[str]:
        """Returns the types that count, case-folded."""
        return frozenset(self.message_types.replace(",", " ").casefold().split())


class QueueSettings(MessageSettings):
    """The Message Service queue that completion messages come from."""

    queue_endpoint: str | None = Field(
        None, description="https://<account id>.mns.<region>.aliyuncs.com"
    )
    queue_name: str | None = None
    queue_wait_seconds: int = Field(10, ge=0, le=30, description="Wait for a message to come.")
    queue_timeout_seconds: float = Field(
        10.0, gt=0, le=HOUR, allow_inf_nan=False, description="Silence beyond that wait."
    )

    @property
    def has_queue(self) -> bool:
        """Tells whether a queue is configured, if only by half: that is an error once asked."""
        return bool(self.queue_endpoint or self.queue_name)


class CallbackSettings(MessageSettings):
    """Who may call back over HTTP."""

    callback_url: str | None = Field(
        None, description="Callback address word for word as it is registered."
    )
    callback_key: SecretStr | None = Field(
        None, description="Authentication key of the callback; two, by space, during a change."
    )


class DagSettings(BaseSettings):
    """When the DAGs run and how they are tried again; read while a DAG file is parsed.

    A schedule that is empty means "by hand only", so empty variables are not ignored here.
    """

    model_config = SettingsConfigDict(
        env_prefix="COGNITION_", extra="ignore", frozen=True, str_strip_whitespace=True
    )

    schedule: str = Field("@hourly", description="Cron of `ingest_cognition_jobs`.")
    collect_schedule: str = Field(
        "*/15 * * * *", description="Cron of `collect_job_ids`; where no source is, by hand only."
    )
    maintenance_schedule: str = Field("@daily", description="Cron of `maintain_lake`.")
    watch_seconds: float | None = Field(
        None,
        ge=1,
        le=24 * HOUR,
        allow_inf_nan=False,
        description="Time between two looks of the triggerer for new job ids; empty: never.",
    )
    retry_delay_seconds: float = Field(
        30.0,
        ge=1,
        le=600,
        allow_inf_nan=False,
        description="Wait before the first retry of a task; it doubles up to ten minutes.",
    )

    @field_validator("watch_seconds", "retry_delay_seconds", mode="before")
    @classmethod
    def _ignore_empty(cls, given: object, info: ValidationInfo) -> object:
        empty = isinstance(given, str) and not given.strip()
        return cls.model_fields[str(info.field_name)].default if empty else given
