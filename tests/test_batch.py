"""A raw file into the tables of a batch: states, counts, numbering, conservation, determinism."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from contract_kit import (
    LIMIT,
    NOON,
    TYPES,
    Batch,
    Json,
    contract_of,
    dumps,
    flatten,
    nested,
    raw_table,
    read_examples,
    result,
    success,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_flatten import flatten_blob
from strategies import ANY_JSON, blobs, mutated, written

from transforms import batch as batch_module
from transforms import lake
from transforms.batch import flatten_raw
from transforms.contract import Contract, Contracts, load_contracts
from transforms.errors import ConservationError
from transforms.flatten import Flattened, flatten_blobs, read_blobs
from transforms.storage import Storage
from transforms.validate import Verdict, check_blob

HERE = Path(__file__).parent
META = result("Meta", {"title": "a"})


def golden(kind: str) -> str:
    """Returns the golden blob of a Type."""
    return (HERE / "golden" / kind / "blob.json").read_text()


def titles(batch: Batch) -> list[tuple[str, int, str | None]]:
    """Returns job, result and title of the Meta results loaded."""
    return batch.rows("meta_titles", "job_id", "result_index", "title")


# ------------------------------------------------------------------ jobs, results, states


def test_a_whole_batch_by_hand() -> None:
    """Two jobs of every kind of result give the rows, states and facts written here."""
    segments = {"details": [{"content": "a"}, {"content": 1}, {"content": "b"}], "lang": "zh"}
    batch = flatten(
        success(META, result("ASR", segments), {"Data": "x"}, result("NLP", [1]), RequestId="r\n"),
        success({"Type": "Meta", "Data": "{"}, {"Type": "Metadata", "Data": {"title": "b"}}),
    )
    assert titles(batch) == [("job-0", 0, "a"), ("job-1", 1, "b")]
    segment = ("result_index", "segment_index", "content")
    assert batch.rows("asr_segments", *segment) == [(1, 0, "a"), (1, 2, "b")]
    assert batch.rows("asr_results", "job_id", "segments_count") == [("job-0", 3)]
    assert batch.rows("results") == [
        result_row(0, "Meta", "loaded", 1, form="string", size=14, rows=1),
        result_row(
            1, "ASR", "partly_loaded", 1, form="string", size=79, rows=3, quarantined=1, unmapped=1
        ),
        result_row(2, None, "quarantined", None, quarantined=1),
        result_row(3, "NLP", "unknown_type", None, size=3),
        result_row(0, "Meta", "quarantined", 1, job=1, form="string", size=1, quarantined=1),
        result_row(1, "Metadata", "loaded", 1, job=1, form="object", size=13, rows=1),
    ]
    place = ("job_id", "quarantine_index", "result_index", "type", "schema_version", "scope")
    assert batch.rows("quarantine", *place, "reason", "pointer", "table_name") == [
        ("job-0", 0, 1, "ASR", 1, "row", "contract", "/details/1/content", "asr_segments"),
        ("job-0", 1, 2, None, None, "result", "contract", "/Results/result/2", None),
        ("job-1", 0, 0, "Meta", 1, "result", "not_json", "", None),
    ]
    assert batch.rows("unmapped_fields") == [
        {
            "job_id": "job-0",
            "unmapped_index": 0,
            "result_index": 1,
            "type": "ASR",
            "pointer": "/lang",
            "value": '"zh"',
        }
    ]
    assert batch.rows("unknown_results") == [
        {"job_id": "job-0", "result_index": 3, "type": "NLP", "data": "[1]", "data_bytes": 3}
    ]
    assert batch.made.facts == {
        "jobs_count": 2,
        "results_count": 6,
        "rows_count": 2 + 6 + 3 + 1 + 1 + 2 + 1 + 2,
        "quarantined_count": 3,
        "queried_from": "2026-01-15T12:00:00",
        "queried_to": "2026-01-15T12:01:00",
    }
    assert batch.made.facts["rows_count"] == sum(batch.counts.values())


def result_row(  # noqa: PLR0913 - one argument a column
    index: int,
    kind: str | None,
    state: str,
    version: int | None,
    *,
    job: int = 0,
    form: str | None = None,
    size: int | None = None,
    rows: int = 0,
    quarantined: int = 0,
    unmapped: int = 0,
) -> dict[str, Json]:
    """Returns a row of `results`."""
    return {
        "job_id": f"job-{job}",
        "result_index": index,
        "type": kind,
        "state": state,
        "schema_version": version,
        "data_form": form,
        "data_bytes": size,
        "rows_count": rows,
        "quarantined_count": quarantined,
        "unmapped_count": unmapped,
    }


def test_every_column_of_a_job_is_filled() -> None:
    """A row of `jobs` holds what raw and the envelope say of the reply."""
    body = success(
        META,
        RequestId="r\n",
        UserData={"a": 1},
        TemplateId="t",
        Params="p",
        Input={"Type": "OSS", "Media": "m"},
    )
    raw = raw_table(body)
    assert flatten(body).rows("jobs") == [
        {
            "job_id": "job-0",
            "state": "loaded",
            "job_status": "Success",
            "reason": None,
            "error_code": None,
            "http_status": 200,
            "request_id": "r",
            "user_data": '{"a":1}',
            "template_id": "t",
            "params": "p",
            "input_type": "OSS",
            "input_media": "m",
            "results_shape": "Results.result",
            "results_count": 1,
            "queried_at": NOON,
            "origin": "api",
            "body_sha256": raw["body_sha256"][0].as_py(),
            "body_bytes": len(body),
            "batch_id": "batch-1",
        }
    ]


def test_jobs_by_state() -> None:
    """Loaded, failed and quarantined jobs each have their row and reason; a bad reply its place."""
    batch = flatten(
        success(),
        dumps({"JobStatus": "Fail", "Results": [{"Type": "ASR", "Data": "no sound"}]}),
        b"<html>",
        dumps({"Code": "Throttling", "Message": "slow down"}),
        dumps({"JobStatus": "Success", "Results": "none"}),
    )
    assert batch.rows("jobs", "job_id", "state", "results_count") == [
        ("job-0", "loaded", 0),
        ("job-1", "failed", None),
        ("job-2", "quarantined", None),
        ("job-3", "quarantined", None),
        ("job-4", "quarantined", None),
    ]
    reasons = [reason for (reason,) in batch.rows("jobs", "reason")]
    assert reasons[:2] == [None, "no sound"]
    assert reasons[3] == "Throttling: slow down"
    found = batch.rows("quarantine", "job_id", "quarantine_index", "result_index", "type", "reason")
    assert found == [
        ("job-2", 0, None, None, "not_json"),
        ("job-3", 0, None, None, "error_reply"),
        ("job-4", 0, None, None, "contract"),
    ]
    messages = [message for (message,) in batch.rows("quarantine", "message")]
    assert messages == [reasons[2], "HTTP 200 with error Code Throttling: slow down", reasons[4]]
    assert set(batch.counts) == {"jobs", "quarantine"}


def test_a_rejected_job_is_a_row_with_its_code() -> None:
    """A job the service does not know is a row in `jobs`, not in `quarantine`."""
    raw = raw_table(b'{"Message":"gone"}', http=404, code="JobNotFound")
    made = Batch(flatten_raw(raw, load_contracts(), "b", max_blob_bytes=LIMIT))
    assert made.rows("jobs", "state", "error_code", "reason", "http_status") == [
        ("rejected", "JobNotFound", "JobNotFound: gone", 404)
    ]
    assert made.counts == {"jobs": 1}


def test_an_empty_raw_file_gives_nothing() -> None:
    """No reply, no table; the totals of every table are zero and no time is known."""
    batch = flatten()
    assert batch.counts == {}
    assert batch.made.facts == {
        "jobs_count": 0,
        "results_count": 0,
        "rows_count": 0,
        "quarantined_count": 0,
        "queried_from": None,
        "queried_to": None,
    }
    zero = {"source": 0, "loaded": 0, "quarantined": 0}
    assert set(batch.made.totals) == {t.name for c in load_contracts().distinct for t in c.tables}
    assert all(total == zero for total in batch.made.totals.values())


def test_tables_are_in_order_and_typed() -> None:
    """Tables come by name, each with the schema of its layout and sorted by its key."""
    bodies = [success(*(result(k, json.loads(golden(k))) for k in TYPES)) for _ in range(3)]
    bodies += [b"{", success(result("Meta", {"title": 1, "x": 1})), success(result("X", 1))]
    batch = flatten(*bodies)
    tables = load_contracts().tables
    assert list(batch.made.tables) == sorted(batch.made.tables)
    for name, rows in batch.made.tables.items():
        assert rows.schema.equals(tables[name].arrow_schema, check_metadata=True)
        keys = [key.name for key in tables[name].keys]
        found = [tuple(row[key] for key in keys) for row in rows.to_pylist()]
        assert found == sorted(set(found)), name
        for field in rows.schema:
            assert field.nullable or rows[field.name].null_count == 0, field


def test_the_same_type_may_come_twice() -> None:
    """Rows are keyed by the place in the reply, not by Type."""
    again = result("Meta", {"title": "b"})
    batch = flatten(success(META, result("ASR", {"details": []}), again))
    assert titles(batch) == [("job-0", 0, "a"), ("job-0", 2, "b")]


def test_an_alias_is_its_type_but_keeps_its_name() -> None:
    """A result under an alias loads into the same tables, in the order of results."""
    batch = flatten(success(META, {"Type": "Metadata", "Data": '{"title":"b"}'}, META))
    assert [index for _, index, _ in titles(batch)] == [0, 1, 2]
    assert batch.rows("results", "type") == [("Meta",), ("Metadata",), ("Meta",)]


# ------------------------------------------------------------------ sizes, forms, unknown Types


@pytest.mark.parametrize(
    ("data", "form", "size"),
    [
        ('{"title":"a"}', "string", 13),
        ('{"title":"标题"}', "string", 18),
        ('"{\\"title\\":\\"a\\"}"', "string in a string", 19),
        ({"title": "标题"}, "object", 18),
    ],
)
def test_data_is_measured_in_bytes(data: Json, form: str, size: int) -> None:
    """`data_bytes` counts bytes as sent, not characters; an object's are those of its JSON."""
    batch = flatten(success({"Type": "Meta", "Data": data}))
    assert batch.rows("results", "state", "data_form", "data_bytes") == [("loaded", form, size)]


@pytest.mark.parametrize("item", [{"Type": "Meta"}, {"Type": "Meta", "Data": None}])
def test_absent_data_is_quarantined(item: Json) -> None:
    """A result of a known Type without Data is set aside, and its neighbour loads."""
    batch = flatten(success(item, META))
    assert batch.rows("results", "state", "data_form", "data_bytes", "quarantined_count") == [
        ("quarantined", "absent", None, 1),
        ("loaded", "string", 14, 0),
    ]
    assert batch.rows("quarantine", "reason", "keyword", "message", "fragment") == [
        ("contract", "required", "Data is absent or null", None)
    ]


@pytest.mark.parametrize(
    ("item", "data", "size"),
    [
        ({"Data": "https://example.com/输出.json"}, "https://example.com/输出.json", 31),
        ({"Data": '{"a": 1}'}, '{"a": 1}', 8),
        ({"Data": ""}, "", 0),
        ({"Data": {"名": [1.5, None]}}, '{"名":[1.5,null]}', 18),
        ({"Data": 0}, "0", 1),
        ({"Data": None}, None, None),
        ({}, None, None),
    ],
)
def test_a_result_of_an_unknown_type_is_kept_whole(
    item: Json, data: str | None, size: int | None
) -> None:
    """Text stays as it is, an object becomes JSON, no Data is NULL; the rest of the job loads."""
    batch = flatten(success({"Type": "EventSplit", **item}, META))
    assert batch.rows("unknown_results") == [
        {
            "job_id": "job-0",
            "result_index": 0,
            "type": "EventSplit",
            "data": data,
            "data_bytes": size,
        }
    ]
    assert batch.rows("results")[0] == result_row(0, "EventSplit", "unknown_type", None, size=size)
    assert titles(batch) == [("job-0", 1, "a")]


def test_types_are_told_apart_by_case() -> None:
    """A Type is known by its exact name or alias only."""
    batch = flatten(success({"Type": "meta", "Data": "{}"}, {"Type": "", "Data": "{}"}))
    assert batch.rows("unknown_results", "type") == [("meta",), ("",)]


def test_an_object_is_measured_as_it_was_sent() -> None:
    """Rows cut out of an object, or all of it set aside, do not change its size."""
    partly, wrong = {"tags": [{"value": 1}, {}]}, {"tags": 1}
    batch = flatten(success(*({"Type": "TextLabel", "Data": data} for data in (partly, wrong))))
    assert batch.rows("results", "state", "data_form", "data_bytes") == [
        ("partly_loaded", "object", len('{"tags":[{"value":1},{}]}')),
        ("quarantined", "object", len('{"tags":1}')),
    ]


@pytest.mark.parametrize("form", ["string", "object"])
def test_a_blob_above_the_limit_is_quarantined_unread(form: str) -> None:
    """The limit counts bytes: one more than it is set aside, its neighbour at the limit loads."""
    blobs_sent = [{"title": "啊" * 10 + "b"}, {"title": "啊" * 10}]
    limit = len(orjson.dumps(blobs_sent[1]))
    sent = [orjson.dumps(b).decode() if form == "string" else b for b in blobs_sent]
    batch = flatten(success(*({"Type": "Meta", "Data": data} for data in sent)), limit=limit)
    assert batch.rows("results") == [
        result_row(0, "Meta", "quarantined", 1, size=limit + 1, quarantined=1),
        result_row(1, "Meta", "loaded", 1, form=form, size=limit, rows=1),
    ]
    assert batch.rows("quarantine", "reason", "message", "fragment", "fragment_bytes") == [
        (
            "too_large",
            f"Data has {limit + 1} bytes; COGNITION_MAX_BLOB_BYTES allows {limit}",
            None,
            limit + 1,
        )
    ]


# ------------------------------------------------------------------ numbering


def test_quarantine_and_unmapped_are_numbered_by_job() -> None:
    """Numbers begin at 0 in each job and follow reply, results and places in them."""
    bad_rows = {"tags": [{"value": 1, "k": 1}, {"k": 2}, {"value": 2}], "k": 3}
    batch = flatten(
        success(
            result("TextLabel", bad_rows), result("Meta", {"title": "a", "k": 4}), {}, Usages=1
        ),
        success(META, result("Meta", {"title": 1}), Usages=2),
    )
    place = ("job_id", "quarantine_index", "result_index", "pointer")
    assert batch.rows("quarantine", *place) == [
        ("job-0", 0, 0, "/tags/0/value"),
        ("job-0", 1, 0, "/tags/2/value"),
        ("job-0", 2, 2, "/Results/result/2"),
        ("job-1", 0, 1, "/title"),
    ]
    fields = ("job_id", "unmapped_index", "result_index", "type", "pointer", "value")
    assert batch.rows("unmapped_fields", *fields) == [
        ("job-0", 0, None, None, "/Usages", "1"),
        ("job-0", 1, 0, "TextLabel", "/tags/1/k", "2"),
        ("job-0", 2, 0, "TextLabel", "/k", "3"),
        ("job-0", 3, 1, "Meta", "/k", "4"),
        ("job-1", 0, None, None, "/Usages", "2"),
    ]
    assert batch.rows("results", "unmapped_count", "quarantined_count") == [
        (2, 2),
        (1, 0),
        (0, 1),
        (0, 0),
        (0, 1),
    ]


def test_totals_balance_by_hand() -> None:
    """Per table, elements of the source are those loaded and those set aside with their parents."""
    blob = {
        "persons": [
            {"occurrences": [{"from": 1}, {"from": "x"}, {"from": 2}]},
            {"name": 1, "occurrences": [{}, {}]},
        ],
        "tags": [None, {"occurrences": [{}]}],
    }
    wrong_root = {"success": 1, "tags": [{}, {}]}
    batch = flatten(success(result("VideoLabel", blob), result("VideoLabel", wrong_root)))
    totals = {
        name: (each["source"], each["loaded"], each["quarantined"])
        for name, each in batch.made.totals.items()
        if name.startswith("video_")
    }
    assert totals == {
        "video_results": (2, 1, 1),
        "video_persons": (2, 1, 1),
        "video_person_occurrences": (5, 2, 3),
        "video_tags": (4, 1, 3),
        "video_tag_occurrences": (1, 1, 0),
        "video_classifications": (0, 0, 0),
    }
    for name, (_, loaded, _) in totals.items():
        assert batch.counts.get(name, 0) == loaded


# ------------------------------------------------------------------ the second parser


def test_a_known_key_given_twice_costs_one_blob() -> None:
    """The second parser refuses it; it alone is set aside, and the whole text is its fragment."""
    twice = '{"title":"one","title":"two","message":"m"}'
    batch = flatten(
        success(META, {"Type": "Meta", "Data": twice}, META),
        success({"Type": "Meta", "Data": twice}),
    )
    assert titles(batch) == [("job-0", 0, "a"), ("job-0", 2, "a")]
    place = ("job_id", "result_index", "scope", "reason", "message", "fragment", "fragment_bytes")
    expected = (
        "result",
        "duplicate_key",
        "the key 'title' is given twice in one object",
        twice,
        len(twice),
    )
    assert batch.rows("quarantine", *place) == [("job-0", 1, *expected), ("job-1", 0, *expected)]
    assert batch.rows("results", "state", "rows_count", "quarantined_count") == [
        ("loaded", 1, 0),
        ("quarantined", 0, 1),
        ("loaded", 1, 0),
        ("quarantined", 0, 1),
    ]
    assert batch.made.totals["meta_titles"] == {"source": 4, "loaded": 2, "quarantined": 2}


def test_a_type_may_lose_all_its_blobs_to_the_second_parser() -> None:
    """Where no blob of a Type is left, its tables are absent and the other Types load."""
    twice = {"Type": "Meta", "Data": '{"title":"a","title":"a"}'}
    batch = flatten(success(twice, result("ASR", {"details": [{}]})))
    assert titles(batch) == []
    assert batch.counts["asr_segments"] == 1
    assert batch.rows("quarantine", "reason") == [("duplicate_key",)]


def test_what_only_the_second_parser_refuses_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blob let through the gate that cannot be read is set aside with the parser's words."""
    wrong = b'{"title":[1]}'

    def let_through(data: Any, contract: Contract) -> Verdict:  # noqa: ANN401 - any JSON
        if data == wrong:
            return Verdict(wrong, "string", (1,), (1,))
        return check_blob(data, contract)

    monkeypatch.setattr(batch_module, "check_blob", let_through)
    batch = flatten(success(META, {"Type": "Meta", "Data": wrong.decode()}, META))
    assert titles(batch) == [("job-0", 0, "a"), ("job-0", 2, "a")]
    (row,) = batch.rows("quarantine")
    assert (row["reason"], row["result_index"], row["fragment"]) == (
        "unreadable",
        1,
        wrong.decode(),
    )
    assert row["message"].startswith("Data: JSON parse error")
    assert row["fragment_bytes"] == len(wrong)


# ------------------------------------------------------------------ conservation

Tamper = Callable[[dict[str, Flattened]], None]
PERSONS = "video_person_occurrences"


def drop_row(name: str) -> Tamper:
    """Returns what loses the last row of a table."""

    def tamper(tables: dict[str, Flattened]) -> None:
        found = tables[name]
        tables[name] = Flattened(found.rows.slice(0, found.rows.num_rows - 1), found.owners[:-1])

    return tamper


def repeat_row(name: str) -> Tamper:
    """Returns what makes the first row of a table up once more."""

    def tamper(tables: dict[str, Flattened]) -> None:
        found = tables[name]
        rows = pa.concat_tables([found.rows.slice(0, 1), found.rows])
        tables[name] = Flattened(rows, np.concatenate([found.owners[:1], found.owners]))

    return tamper


def swap_owner(name: str) -> Tamper:
    """Returns what gives a row of the last blob to the first one: the sum is right."""

    def tamper(tables: dict[str, Flattened]) -> None:
        found = tables[name]
        owners = found.owners.copy()
        owners[-1] = owners[0]
        tables[name] = Flattened(found.rows, owners)

    return tamper


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (drop_row("video_results"), "job job-1: video_results has 0 rows for 1 elements"),
        (drop_row(PERSONS), f"job job-1: {PERSONS} has 1 rows for 2 elements"),
        (repeat_row(PERSONS), f"job job-0: {PERSONS} has 3 rows for 2 elements"),
        (repeat_row("video_tags"), "job job-0: video_tags has 3 rows for 2 elements"),
        (swap_owner(PERSONS), f"job job-0: {PERSONS} has 3 rows for 2 elements"),
    ],
)
def test_a_row_lost_or_made_up_stops_the_batch(
    tamper: Tamper, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conservation is checked per array and blob; the error names both, and nothing is returned."""

    def tampered(
        contract: Contract, array: pa.StructArray, jobs: list[str], indices: list[int]
    ) -> dict[str, Flattened]:
        tables = flatten_blobs(contract, array, jobs, indices)
        tamper(tables)
        return tables

    body = success({"Type": "VideoLabel", "Data": golden("VideoLabel")})
    assert flatten(body, body).counts[PERSONS] == 4
    monkeypatch.setattr(batch_module, "flatten_blobs", tampered)
    with pytest.raises(ConservationError, match=message) as error:
        flatten(body, body)
    assert str(error.value).endswith("nothing was committed, report it with the reply")


# ------------------------------------------------------------------ determinism

DIRTY = [
    success(*(result(kind, json.loads(golden(kind))) for kind in TYPES)),
    success(*(result(e.type, e.blob) for e in read_examples("examples")), Usages={"b": 1, "a": 2}),
    success(*(result(e.type, e.blob) for e in read_examples("counterexamples"))),
    success({"Type": "Meta", "Data": '{"title":"a","title":"b"}'}, result("NLP", {"z": 1, "a": 2})),
    dumps({"JobStatus": "Fail", "Message": "m"}),
    b"not JSON",
]
PROGRAM = """
import sys
import pyarrow.parquet as pq
from pathlib import Path
from transforms import lake
from transforms.batch import flatten_raw
from transforms.contract import load_contracts
from transforms.storage import Storage
raw = pq.read_table(sys.argv[1])
storage = Storage.at(sys.argv[2])
made = flatten_raw(raw, load_contracts(), "batch-1", max_blob_bytes=1 << 20)
for name, table in made.tables.items():
    lake.write_parquet(storage, lake.table_path(name, "2026-01", "batch-1"), table)
"""


def files_below(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder by relative path."""
    files = sorted(path for path in folder.rglob("*.parquet"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_raw_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """Two processes with other hash seeds write byte-identical Parquet for every table."""
    raw_file = tmp_path / "raw.parquet"
    pq.write_table(raw_table(*DIRTY), raw_file)
    found = []
    for seed in ("0", "12345"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM, str(raw_file), str(folder)]
        subprocess.run(command, env=environment, check=True, cwd=HERE.parent)
        found.append(files_below(folder))
    assert found[0] == found[1]
    assert len(found[0]) > 25


def test_row_order_does_not_depend_on_the_size_of_raw_batches() -> None:
    """Rows are those of each reply alone, one after the other, but for the numbers of time."""
    together = flatten(*DIRTY)
    for number, body in enumerate(DIRTY):
        job = f"job-{number}"
        raw = raw_table(*DIRTY[: number + 1]).slice(number, 1)
        alone = Batch(flatten_raw(raw, load_contracts(), "batch-1", max_blob_bytes=LIMIT))
        for name, rows in together.made.tables.items():
            mine = rows.filter(pc.field("job_id") == job)
            assert alone.rows(name) == mine.to_pylist(), (name, body[:40])


@pytest.mark.parametrize("number", [64, 65, 200])
def test_many_jobs_are_read_to_the_last(number: int) -> None:
    """Replies are taken from raw in small groups; none is left out at their edges."""
    bodies = [success(result("Meta", {"title": str(n)})) for n in range(number)]
    rows = titles(flatten(*bodies))
    assert sorted(int(title or -1) for _, _, title in rows) == list(range(number))
    facts = flatten(*bodies).made.facts
    assert facts["queried_to"] == (NOON + timedelta(minutes=number - 1)).isoformat()


# ------------------------------------------------------------------ anything at all


@st.composite
def spoiled_results(draw: st.DrawFn) -> Json:
    """Returns a result whose Data was spoiled in one place."""
    kind = draw(st.sampled_from(TYPES))
    return {"Type": kind, "Data": draw(written(mutated(blobs(kind))))}


@given(
    replies=st.lists(
        st.lists(
            st.one_of(
                spoiled_results(),
                st.fixed_dictionaries({"Type": st.sampled_from([*TYPES, "X"]), "Data": ANY_JSON}),
                ANY_JSON,
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_everything_is_loaded_quarantined_or_kept(replies: list[list[Json]]) -> None:
    """Whatever results a reply holds, the batch is made, and each result is accounted for."""
    batch = flatten(*(success(*items) for items in replies))
    states = batch.rows("results", "job_id", "result_index", "state", "quarantined_count")
    assert [(job, index) for job, index, _, _ in states] == [
        (f"job-{n}", index) for n, items in enumerate(replies) for index in range(len(items))
    ]
    aside = batch.rows("quarantine", "job_id", "result_index")
    unknown = batch.rows("unknown_results", "job_id", "result_index")
    for job, index, state, quarantined in states:
        assert aside.count((job, index)) == quarantined
        assert (state in {"quarantined", "partly_loaded"}) == (quarantined > 0)
        assert ((job, index) in unknown) == (state == "unknown_type")
    for total in batch.made.totals.values():
        assert total["source"] == total["loaded"] + total["quarantined"]
    for name, total in batch.made.totals.items():
        assert batch.counts.get(name, 0) == total["loaded"]


@pytest.mark.parametrize("kind", TYPES)
def test_golden_blobs_go_through_a_whole_batch(kind: str) -> None:
    """The second flattener's rows are in the batch, beside those of other jobs and Types."""
    body = success(META, {"Type": kind, "Data": golden(kind)})
    batch = flatten(success(META), body)
    expected = flatten_blob(kind, json.loads(golden(kind)), "job-1", 1)
    for name, rows in expected.items():
        found = [
            row for row in batch.rows(name) if (row["job_id"], row["result_index"]) == ("job-1", 1)
        ]
        assert found == rows


def test_a_deep_reply_does_not_stop_the_batch() -> None:
    """Replies and blobs nested too deep are set aside, whatever their form; the others load."""
    deep = nested(600)
    batch = flatten(
        success(META, {"Type": "Meta", "Data": f'{{"title":"a","x":{deep}}}'}),
        f'{{"JobStatus":"Success","Results":[{{"Type":"Meta","Data":{{"x":{deep}}}}}]}}'.encode(),
        f'{{"JobStatus":"Fail","UserData":{deep}}}'.encode(),
        success(META),
    )
    assert titles(batch) == [("job-0", 0, "a"), ("job-3", 0, "a")]
    assert batch.rows("quarantine", "job_id", "result_index", "scope", "reason") == [
        ("job-0", 1, "result", "unreadable"),
        ("job-1", None, "reply", "unreadable"),
        ("job-2", None, "reply", "unreadable"),
    ]


def test_rows_of_jobs_do_not_hold_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is collected for `jobs` is small: the items of a reply are let go."""
    held: list[dict[str, Json]] = []
    collect = batch_module._job_row

    def spy(*arguments: Any) -> dict[str, Json]:  # noqa: ANN401 - passed on as they are
        held.append(collect(*arguments))
        return held[-1]

    monkeypatch.setattr(batch_module, "_job_row", spy)
    flatten(success(result("Meta", {"title": "x" * 10_000})))
    assert len(orjson.dumps(held[0], default=str)) < 1_000


def test_conservation_looks_at_every_table_of_every_type() -> None:
    """The check covers each array of each Type: one element too many expected is found in each."""
    for contract in load_contracts().distinct:
        text = golden(contract.type)
        verdict = check_blob(text, contract)
        assert verdict.line is not None
        array = read_blobs(contract, [verdict.line])
        tables = flatten_blobs(contract, array, ["j"], [0])
        batch_module.conserve(contract, tables, [verdict.expected], ["j"])
        for place, table in enumerate(contract.tables):
            expected = list(verdict.expected)
            expected[place] += 1
            with pytest.raises(ConservationError, match=f"job j: {table.name} has"):
                batch_module.conserve(contract, tables, [tuple(expected)], ["j"])


def test_a_type_without_a_schema_is_no_longer_loaded() -> None:
    """Taking a Type out of the contracts keeps its results whole in `unknown_results`."""
    known = load_contracts()
    fewer: Contracts = replace(known, types={"ASR": contract_of("ASR")})
    batch = flatten(success(META), contracts=fewer)
    assert batch.rows("unknown_results", "type", "data") == [("Meta", META["Data"])]


def test_parquet_keeps_rows_and_metadata(tmp_path: Path) -> None:
    """Written to the lake and read back, a table is what it was."""
    storage = Storage.at(str(tmp_path))
    for name, table in flatten(*DIRTY).made.tables.items():
        path = lake.table_path(name, "2026-01", "batch-1")
        lake.write_parquet(storage, path, table)
        back = pq.ParquetFile(tmp_path / path).read()
        assert back.equals(table)
        assert back.schema.metadata[b"key"] == table.schema.metadata[b"key"]
