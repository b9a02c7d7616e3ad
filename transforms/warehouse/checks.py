"""Checks of the build before it is published: each returns failing rows, none when all is well.

Some are SQL files in `sql/checks/`; those that hold for every table are derived from the layouts.
Severity `fail` stops the publish, `warn` only tells. Two checks have their limit from the settings:
the share of jobs in quarantine, of all and of those not yet published, and the newest reply's age.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from transforms import paths
from transforms.contract import Contracts
from transforms.errors import CognitionError, ConfigurationError
from transforms.plain import plain
from transforms.warehouse.build import content_digest, open_build
from transforms.warehouse.check import Check, Severity
from transforms.warehouse.ddl import CHECK_FAILURES, HAND_ROWS
from transforms.warehouse.derived import derive_checks
from transforms.warehouse.duck import (
    LIMITS,
    META,
    Connection,
    Limits,
    QueryError,
    fetch,
    first_lines,
    registered,
    transaction,
)
from transforms.warehouse.query import PUBLISHED, published_batches

KEPT_ROWS = 100
EXAMPLE_CHARACTERS = 300
QUARANTINE_SHARE = "quarantine_share"
"""Name of the check that the settings give a limit."""
ALIAS_KEYS = "alias_keys"
"""Name of the check of aliases; those of the lake's files are checked when they are read."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check that found failing rows.

    Attributes:
        name: File stem, or `family:table` of a derived check.
        severity: `fail` or `warn`.
        rows: Number of failing rows.
        description: What the check asks.
        example: The first of those rows as JSON, cut to what a line can hold.
    """

    name: str
    severity: Severity
    rows: int
    description: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How many checks passed, and those that did not."""

    passed: int
    failed: tuple[CheckResult, ...]


class ChecksFailedError(CognitionError):
    """A check of severity `fail` found rows; what is published stays as it was.

    Attributes:
        report: All results, warnings included.
    """

    def __init__(self, report: CheckReport) -> None:
        failed = [result for result in report.failed if result.severity == "fail"]
        said = "; ".join(
            f"{r.name} ({r.rows} rows): {r.description}{f' {r.example}' if r.example else ''}"
            for r in failed
        )
        rebuild = (
            f"; if the lake is right, delete build.duckdb and run `cognition load`. {HAND_ROWS}"
        )
        if all(result.name in {QUARANTINE_SHARE, ALIAS_KEYS} for result in failed):
            rebuild = ""  # a new build would hold the same jobs; rows put in by hand are corrected
        super().__init__(
            f"{len(failed)} checks failed, nothing was published. {said} "
            f"The rows are in {CHECK_FAILURES} of build.duckdb{rebuild}"
        )
        self.report = report


def run_checks(  # noqa: PLR0913 - two limits, and what they are measured with
    contracts: Contracts,
    warehouse_dir: Path,
    *,
    max_quarantine_share: float | None = None,
    stale_after_hours: float | None = None,
    limits: Limits = LIMITS,
    now: datetime | None = None,
) -> CheckReport:
    """Runs every check on the build, keeps failing rows in it, and marks it as checked.

    Args:
        contracts: The tables of the build.
        warehouse_dir: Folder of the DuckDB files.
        max_quarantine_share: Share of jobs, 0 to 1, that may be in quarantine in part or whole, of
            all and of those that are not published yet; None: any.
        stale_after_hours: Age of the newest reply, in hours, from which it is told of; None: never.
        limits: What DuckDB may use of the machine.
        now: Time that ages are counted to; default: the present.

    Raises:
        ChecksFailedError: A check of severity `fail` found rows.
        ConfigurationError: There is no build, or a check is not valid SQL.
        WarehouseLockedError: Another process holds the build, or has the published file open for
            writing.
    """
    checks = [*read_checks(), *derive_checks(contracts)]
    with open_build(warehouse_dir, limits=limits) as connection, transaction(connection):
        fetch(connection, f"DELETE FROM {CHECK_FAILURES}")  # noqa: S608 - a constant
        _set_variables(connection, stale_after_hours, now or datetime.now(UTC))
        if max_quarantine_share is not None:
            checks.append(_check_share(connection, warehouse_dir, max_quarantine_share))
        results = [_run_check(connection, check) for check in checks]
        failed = tuple(result for result in results if result.rows)
        sound = all(result.severity != "fail" for result in failed)
        fetch(
            connection,
            f"UPDATE {META} SET checked_digest = $digest",  # noqa: S608 - a constant
            {"digest": content_digest(connection) if sound else None},
        )
    report = CheckReport(len(checks) - len(failed), failed)
    if not sound:
        raise ChecksFailedError(report)
    return report


def read_checks(folder: Path | None = None) -> list[Check]:
    """Reads the checks of `sql/checks/`.

    Raises:
        ConfigurationError: A file does not begin with `-- severity: fail` or `warn`.
    """
    folder = folder or paths.sql_dir() / "checks"
    return [_parse_check(file) for file in sorted(folder.glob("*.sql"))]


def _parse_check(file: Path) -> Check:
    text = file.read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    severity = first.removeprefix("-- severity:").strip()
    question = rest.partition("\n")[0].removeprefix("-- Question:").strip()
    if severity == "fail":
        return Check(file.stem, "fail", question, text)
    if severity == "warn":
        return Check(file.stem, "warn", question, text)
    raise ConfigurationError(f"{file} must begin with `-- severity: fail` or `-- severity: warn`")


def _set_variables(connection: Connection, stale_after_hours: float | None, now: datetime) -> None:
    """Gives the SQL of the checks what it cannot know: see `sql/checks/freshness.sql`."""
    at = now.astimezone(UTC).replace(tzinfo=None)
    fetch(connection, "SET VARIABLE checked_at = $at::TIMESTAMP", {"at": at})
    fetch(connection, "SET VARIABLE stale_after_hours = $h::DOUBLE", {"h": stale_after_hours})


def _check_share(connection: Connection, warehouse_dir: Path, limit: float) -> Check:
    """Returns the check of the share of jobs in quarantine; its failing rows are those jobs.

    It holds for all jobs, and for those of batches that the published version does not hold: else
    the jobs of years would hide that a whole delivery is spoilt.
    """
    published = _published_commits(warehouse_dir)
    _count_parts(connection, published)
    affected, jobs, new_affected, new_jobs = fetch(
        connection,
        "SELECT count(*) FILTER (parts > 0), count(*), count(*) FILTER (parts > 0 AND is_new), "
        "count(*) FILTER (is_new) FROM job_parts",
    )[0]
    shares = [("true", "", affected, jobs)]
    if published:  # else all are new
        shares.append(("is_new", " that are not published yet", new_affected, new_jobs))
    above = [share for share in shares if share[3] and share[2] / share[3] > limit]
    said = " and ".join(
        f"{part:,} of {whole:,} jobs ({part / whole:.2%}){which}" for _, which, part, whole in above
    )
    description = (
        f"{said} are in quarantine in part or whole, and {limit:.2%} may be: see why in the table "
        "quarantine, amend the schema and run `cognition replay --quarantined`, or raise "
        "COGNITION_MAX_QUARANTINE_SHARE."
    )
    condition = " OR ".join(["false", *(condition for condition, *_ in above)])
    sql = f"SELECT job_id, parts FROM job_parts WHERE parts > 0 AND ({condition}) ORDER BY 1"  # noqa: S608 - constants
    return Check(QUARANTINE_SHARE, "fail", description, sql)


def _published_commits(warehouse_dir: Path) -> list[str]:
    """Returns the commit id of each published batch; none where the file cannot tell.

    A file that someone altered is not ours to complain of: `publish` mends or refuses it.
    """
    if not (warehouse_dir / PUBLISHED).exists():
        return []
    with suppress(QueryError, ConfigurationError):
        return list(published_batches(warehouse_dir).values())
    return []


def _count_parts(connection: Connection, published: list[str]) -> None:
    """Makes the table `job_parts`: each job, its parts in quarantine, and whether it is new."""
    rows = pa.table({"commit_id": pa.array(published, pa.string())})
    with registered(connection, "published_commits", rows):
        fetch(
            connection,
            """
            CREATE OR REPLACE TEMP TABLE job_parts AS
            SELECT
                j.job_id, coalesce(q.parts, 0) AS parts,
                j.batch_id IN (
                    SELECT b.batch_id FROM batches AS b ANTI JOIN published_commits AS p
                    USING (commit_id)
                ) AS is_new
            FROM jobs AS j
            LEFT JOIN (SELECT job_id, count(*) AS parts FROM quarantine GROUP BY ALL) AS q
            USING (job_id)
            """,
        )


def _run_check(connection: Connection, check: Check) -> CheckResult:
    try:
        fetch(connection, f"CREATE OR REPLACE TEMP TABLE failing AS {check.sql}")
    except duckdb.Error as error:
        raise ConfigurationError(
            f"check {check.name} cannot run: {first_lines(error)}; correct its SQL"
        ) from None
    rows = int(fetch(connection, "SELECT count(*) FROM failing")[0][0])
    example = _keep_rows(connection, check, rows) if rows else ""
    return CheckResult(check.name, check.severity, rows, check.description, example)


def _keep_rows(connection: Connection, check: Check, rows: int) -> str:
    """Keeps the first failing rows, in an order that a rebuild has too; returns one of them."""
    fetch(
        connection,
        f"INSERT INTO {CHECK_FAILURES} BY NAME "  # noqa: S608 - a constant
        "SELECT $name AS check_name, row_number() OVER () - 1 AS failure_index, "
        "$severity AS severity, $rows AS failures_count, to_json(f)::VARCHAR AS failing_row "
        "FROM (FROM failing ORDER BY ALL LIMIT $kept) AS f",
        {"name": check.name, "severity": check.severity, "rows": rows, "kept": KEPT_ROWS},
    )
    [(first,)] = fetch(
        connection,
        f"SELECT failing_row FROM {CHECK_FAILURES} WHERE check_name = $name AND failure_index = 0",  # noqa: S608 - a constant
        {"name": check.name},
    )
    return plain(first, EXAMPLE_CHARACTERS)
