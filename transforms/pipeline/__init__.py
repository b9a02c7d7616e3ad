"""The flow, step by step: what the command line and the DAG tasks call.

`ledger -> source -> raw -> validate -> flatten -> lake -> warehouse`. Each step can be run again at
any time and then finds nothing left to do. `to_raw`, `to_lake` and `to_warehouse` go along it,
`whole` goes all the way, `questions` asks.
"""

from transforms.pipeline.aliases import list_aliases, remove_alias, set_alias
from transforms.pipeline.questions import drift, explain, query, status, verify
from transforms.pipeline.to_lake import (
    fetch_subtitles,
    flatten,
    flatten_batches,
    prepare_flatten,
    stale_batches,
)
from transforms.pipeline.to_raw import (
    add_jobs,
    drain,
    import_replies,
    ingest,
    pending_batches,
    query_batch,
    require_answers,
)
from transforms.pipeline.to_warehouse import (
    WarehouseReport,
    load,
    load_batches,
    publish,
    release,
    rollback,
    run_checks,
    versions,
)
from transforms.pipeline.whole import ReplayedReport, RunReport, replay, run

__all__ = [
    "ReplayedReport",
    "RunReport",
    "WarehouseReport",
    "add_jobs",
    "drain",
    "drift",
    "explain",
    "fetch_subtitles",
    "flatten",
    "flatten_batches",
    "import_replies",
    "ingest",
    "list_aliases",
    "load",
    "load_batches",
    "pending_batches",
    "prepare_flatten",
    "publish",
    "query",
    "query_batch",
    "release",
    "remove_alias",
    "replay",
    "require_answers",
    "rollback",
    "run",
    "run_checks",
    "set_alias",
    "stale_batches",
    "status",
    "verify",
    "versions",
]
