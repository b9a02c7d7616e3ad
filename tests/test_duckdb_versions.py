"""DuckDB 1.5 and 2.0: the same promises on both, and files that go back and forth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from warehouse_lake import commit, new_lake, speech_job

from transforms.contract import load_contracts
from transforms.warehouse import load_batches, query_published
from transforms.warehouse.checks import run_checks
from transforms.warehouse.publish import publish
from transforms.warehouse.views import read_views

TESTS = Path(__file__).parent
OLDEST = "1.5.6"
OLD_DUCKDB = Path(sys.prefix) / "duckdb-1.5"
FILES = {
    "checks": ("test_checks.py",),
    "warehouse": ("test_warehouse.py",),
    "publish": ("test_publish.py", "test_sql.py"),
    "aliases": ("test_aliases.py", "test_ddl.py"),
    "answers": ("test_sql_cases.py", "test_sample_answers.py", "test_query.py"),
}
"""The tests that read or write through DuckDB, in processes that take equally long."""
LENGTHY = (
    "test_a_batch_made_again_counts_as_new",
    "test_a_crash_leaves_a_whole_file",
    "test_a_load_killed_at_any_statement_leaves_what_is_published",
    "test_a_publish_killed_at_any_step_leaves_a_whole_file",
    "test_absurd_values_fail_no_query",
    "test_content_that_is_kept_already_is_not_copied",
    "test_what_is_published_does_not_hide_a_spoilt_delivery",
)
"""Those that do step by step, or value by value, what others of these files do once."""


def _run_on_oldest(code: str, *arguments: object) -> str:
    """Runs code in a process whose DuckDB is the oldest supported; returns what it prints."""
    assert OLD_DUCKDB.is_dir(), f"{OLD_DUCKDB} is missing: run `make setup`"
    guard = f"import duckdb; assert duckdb.__version__ == '{OLDEST}', duckdb.__version__\n"
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV"))}
    done = subprocess.run(
        [sys.executable, "-c", guard + code, *map(str, arguments)],
        env={**ours, "PYTHONPATH": str(OLD_DUCKDB)},
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_this_process_runs_the_locked_version() -> None:
    """Both versions are really under test: here it is 2, in the other process 1.5."""
    assert duckdb.__version__.startswith("2.")
    assert _run_on_oldest("print(duckdb.__version__)") == f"{OLDEST}\n"


def _pass_on_oldest(folder: Path, chosen: str, *files: str) -> None:
    """Runs the chosen tests of some files in one process with the oldest DuckDB."""
    code = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    options = ("-p", "no:cacheprovider", "--basetemp", folder / "inner", "-k", chosen)
    said = _run_on_oldest(code, *options, *(TESTS / file for file in files))
    assert " passed" in said
    assert "skipped" not in said


@pytest.mark.slow
@pytest.mark.parametrize("group", FILES)
def test_the_same_tests_pass_on_the_oldest_version(group: str, tmp_path: Path) -> None:
    """Every test of the warehouse but the lengthy ones passes with DuckDB 1.5, too."""
    left = ("linter", *LENGTHY)  # the linter does not use DuckDB
    _pass_on_oldest(tmp_path, f"not ({' or '.join(left)})", *FILES[group])


@pytest.mark.proof
def test_the_lengthy_tests_pass_on_the_oldest_version(tmp_path: Path) -> None:
    """What the test above leaves out passes with DuckDB 1.5 as well."""
    files = [file for group in FILES.values() for file in group]
    written = "".join((TESTS / file).read_text(encoding="utf-8") for file in files)
    assert [name for name in LENGTHY if f"def {name}(" not in written] == []
    _pass_on_oldest(tmp_path, " or ".join(LENGTHY), *files)


def _publish_here(folder: Path, number: int) -> Path:
    commit(new_lake(folder), f"b{number}", speech_job(f"job-{number}", (0.0, 1.0, "word")))
    return _publish(folder)


def _publish(folder: Path) -> Path:
    home = folder / "warehouse"
    load_batches(new_lake(folder), load_contracts(), home)
    run_checks(load_contracts(), home)
    assert publish(home).changed
    return home


LOADS = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
import test_duckdb_versions as here
here._publish_here(Path(sys.argv[1]), int(sys.argv[2]))
"""

ASKS = """
import sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("SELECT job_id FROM asr_segments ORDER BY 1").fetchall())
print(con.execute("SELECT count(*) FROM dictionary WHERE unit = 's' AND kind = 'table'").fetchall())
"""


def test_files_go_back_and_forth(tmp_path: Path) -> None:
    """A warehouse begun by 2.0 is read, continued and published by 1.5, and by 2.0 again."""
    home = _publish_here(tmp_path, 1)
    published = home / "warehouse.duckdb"
    times = sum(c.unit == "s" for t in load_contracts().tables.values() for c in t.columns)
    assert _run_on_oldest(ASKS, published) == f"[('job-1',)]\n[({times},)]\n"
    _run_on_oldest(LOADS, tmp_path, 2)
    answer = query_published(home, "SELECT job_id FROM asr_segments ORDER BY 1")
    assert answer == pa.table({"job_id": ["job-1", "job-2"]})
    _publish_here(tmp_path, 3)
    assert _run_on_oldest(ASKS, published).startswith("[('job-1',), ('job-2',), ('job-3',)]")


ASKS_ALL = """
import sys
con = duckdb.connect(sys.argv[1], read_only=True)
for name, in con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
    con.execute(f"SELECT count(COLUMNS(*)) FROM {name}").fetchall()
    print(name)
for name, parameters in con.execute("SELECT macro_name, parameter_names FROM macros").fetchall():
    arguments = ", ".join("1" if "seconds" in p else "'x'" for p in parameters.split(", "))
    con.execute(f"SELECT count(COLUMNS(*)) FROM {name}({arguments})").fetchall()
    print(name)
"""


def test_the_oldest_answers_from_every_view_and_macro(tmp_path: Path) -> None:
    """What 2.0 wrote down of a view or macro, 1.5 understands; `if(...)` it would not, for one."""
    home = _publish_here(tmp_path, 1)
    asked = _run_on_oldest(ASKS_ALL, home / "warehouse.duckdb").split()
    assert sorted(asked) == sorted(file.name for file in read_views())


def test_a_warehouse_begun_by_the_oldest_is_continued(tmp_path: Path) -> None:
    """After an upgrade of DuckDB the build goes on, and old readers can still open it."""
    _run_on_oldest(LOADS, tmp_path, 1)
    home = _publish_here(tmp_path, 2)
    assert _run_on_oldest(ASKS, home / "warehouse.duckdb").startswith("[('job-1',), ('job-2',)]")


def test_a_missing_oldest_version_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the second DuckDB these tests fail and say what to run; they do not skip."""
    monkeypatch.setattr(f"{__name__}.OLD_DUCKDB", tmp_path / "nowhere")
    with pytest.raises(AssertionError, match="is missing: run `make setup`"):
        _run_on_oldest("")
