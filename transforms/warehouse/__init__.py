"""The warehouse: committed batches in DuckDB, checked, and published by an atomic swap.

`build` owns the loader's file, `ddl` its tables, `load` brings the batches, `checks` holds them to
account, `publish` swaps them in, `query` answers. `duck` is the one place that opens DuckDB.
"""

from transforms.warehouse.duck import BuildWriteError
from transforms.warehouse.insert import LoadError
from transforms.warehouse.load import BatchChangedError, LoadReport, load_batches
from transforms.warehouse.query import PUBLISHED, published_batches, query_published

__all__ = [
    "PUBLISHED",
    "BatchChangedError",
    "BuildWriteError",
    "LoadError",
    "LoadReport",
    "load_batches",
    "published_batches",
    "query_published",
]
