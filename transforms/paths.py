"""Where the schemas, SQL and DAG files lie: bundled in the wheel, else at the repository root."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "_bundled"


def data_dir(name: str) -> Path:
    """Returns the folder `name` (`schemas`, `sql` or `dags`)."""
    return (_BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent) / name


def schemas_dir() -> Path:
    """Returns the folder of JSON Schemas."""
    return data_dir("schemas")


def sql_dir() -> Path:
    """Returns the folder of SQL files."""
    return data_dir("sql")
