"""A raw file into the tables of a batch: jobs, results, states, sizes and numbers."""

from __future__ import annotations

import json

import orjson
import pytest
from contract_kit import (
    LIMIT,
    NOON,
    TYPES,
    Batch,
    Json,
    dumps,
    flatten,
    golden_blob,
    raw_table,
    result,
    success,
    titles,
)

from transforms.batch import flatten_raw
from transforms.contract import load_contracts

META = result("Meta", {"title": "a"})


def test_a_whole_batch_by_hand() -> None:
    """Two jobs of every kind of result give the rows, states and facts written here."""
    segments = {"details": [{"content": "a"}, {"content": 1}, {"content": "b"}], "lang": "zh"}
    batch = flatten(
        success(
            META, result("ASR", segments), {"Data": "x"}, result("Music", [1]), RequestId="r\n"
        ),
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
        result_row(3, "Music", "unknown_type", None, size=3),
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
        {"job_id": "job-0", "result_index": 3, "type": "Music", "data": "[1]", "data_bytes": 3}
    ]
    assert batch.rows("path_counts", "type", "path", "kind", "values_count") == [
        ("ASR", "", "given", 1),
        ("ASR", "/details/*/content", "given", 2),
        ("ASR", "/details/*/content", "retyped", 1),
        ("ASR", "/lang", "unmapped", 1),
        ("Meta", "", "given", 2),
        ("Meta", "", "set_aside", 1),
        ("Meta", "/title", "given", 2),
        ("Music", "", "set_aside", 1),
    ]
    assert batch.made.facts == {
        "jobs_count": 2,
        "results_count": 6,
        "rows_count": 2 + 6 + 3 + 1 + 1 + 2 + 1 + 2 + 8,
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
        Message="m",
        TemplateId="t",
        Params="p",
        Usages=[],
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
            "message": "m",
            "request_id": "r",
            "user_data": '{"a":1}',
            "template_id": "t",
            "params": "p",
            "input_type": "OSS",
            "input_media": "m",
            "results_shape": "Results.result",
            "results_count": 1,
            "usages_count": 0,
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
    bodies = [success(*(result(k, json.loads(golden_blob(k))) for k in TYPES)) for _ in range(3)]
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
    batch = flatten(success({"Type": "Music", **item}, META))
    assert batch.rows("unknown_results") == [
        {
            "job_id": "job-0",
            "result_index": 0,
            "type": "Music",
            "data": data,
            "data_bytes": size,
        }
    ]
    assert batch.rows("results")[0] == result_row(0, "Music", "unknown_type", None, size=size)
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


def test_quarantine_and_unmapped_are_numbered_by_job() -> None:
    """Numbers begin at 0 in each job and follow reply, results and places in them."""
    bad_rows = {"tags": [{"value": 1, "k": 1}, {"k": 2}, {"value": 2}], "k": 3}
    batch = flatten(
        success(
            result("TextLabel", bad_rows), result("Meta", {"title": "a", "k": 4}), {}, Charges=1
        ),
        success(META, result("Meta", {"title": 1}), Charges=2),
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
        ("job-0", 0, None, None, "/Charges", "1"),
        ("job-0", 1, 0, "TextLabel", "/tags/1/k", "2"),
        ("job-0", 2, 0, "TextLabel", "/k", "3"),
        ("job-0", 3, 1, "Meta", "/k", "4"),
        ("job-1", 0, None, None, "/Charges", "2"),
    ]
    assert batch.rows("results", "unmapped_count", "quarantined_count") == [
        (2, 2),
        (1, 0),
        (0, 1),
        (0, 0),
        (0, 1),
    ]
