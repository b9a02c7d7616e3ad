"""Settings: from the environment (`COGNITION_*`), the command line or an Airflow connection.

Times are in seconds, sizes in bytes. Secrets are `SecretStr`: printing settings never shows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
HOUR = 3600


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


class Settings(BaseSettings):
    """Where things lie and how they are batched."""

    model_config = SettingsConfigDict(
        env_prefix="COGNITION_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(Path("cognition-home"), description="Folder of lake and warehouse.")
    lake: str | None = Field(None, description="Lake root: folder or object store URI.")
    warehouse: Path | None = Field(None, description="Folder of the DuckDB files.")
    schemas: Path | None = Field(None, description="Schemas folder in place of the shipped one.")
    batch_bytes: int = Field(64 * MIB, ge=1, description="Reply bytes per raw batch.")
    flush_seconds: float = Field(
        60.0,
        ge=0,
        le=HOUR,
        allow_inf_nan=False,
        description="A raw batch is written, full or not, once its oldest reply waits so long.",
    )
    max_blob_bytes: int = Field(256 * MIB, ge=1, description="A longer Data is quarantined.")
    keep_versions: int = Field(3, ge=1, description="Published warehouse versions to keep.")

    @property
    def lake_root(self) -> str:
        """Returns the lake's folder or URI."""
        return self.lake or str(self.home / "lake")

    @property
    def warehouse_dir(self) -> Path:
        """Returns the folder that holds `warehouse.duckdb`."""
        return self.warehouse or self.home / "warehouse"
