"""Lineage: where each column comes from, held against documents, Parquet files and DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from contract_kit import TYPES, Json, flatten, golden_blob, result, success
from lake_kit import Landing, lake_of, new_home, titled
from sandbox_blobs import in_schema_form

from transforms import lake, pipeline
from transforms.contract import load_contracts
from transforms.lineage import (
    Dataset,
    Origin,
    Place,
    lake_place,
    lake_sources,
    lake_tables,
    sources,
    warehouse_place,
    warehouse_tables,
)
from transforms.settings import Settings

RAW = Place("file", "/data/lake/raw")
ARRAY, TEXT = "position in the array", "read from a JSON text as best it can be"


def traced(table: str) -> dict[str, Origin | None]:
    """Returns the origins of a Parquet table's columns."""
    [dataset] = lake_tables(load_contracts(), "/data/lake", [table])
    return {field.name: field.origin for field in dataset.fields}


OCCURRENCE = "VideoLabel#/persons/*/occurrences"
TRACK = "CPVLabel#/entities/*/detailInfo/*/trackData"
TREE = "NLP#/summarization/mindMapSummary"


@pytest.mark.parametrize(
    ("column", "field", "change", "how"),
    [
        ("video_persons.job_id", "job_id", "IDENTITY", ""),
        (
            "video_persons.result_index",
            "body",
            "TRANSFORMATION",
            "position of the result in the reply",
        ),
        ("video_persons.name", "VideoLabel#/persons/*/name", "IDENTITY", ""),
        ("video_persons.occurrences_count", OCCURRENCE, "AGGREGATION", "number of elements"),
        ("video_person_occurrences.person_index", "VideoLabel#/persons", "TRANSFORMATION", ARRAY),
        ("video_person_occurrences.occurrence_index", OCCURRENCE, "TRANSFORMATION", ARRAY),
        ("video_person_occurrences.start_seconds", f"{OCCURRENCE}/*/from", "IDENTITY", ""),
        ("video_person_occurrences.box_top", f"{OCCURRENCE}/*/position/leftTop/1", "IDENTITY", ""),
        ("cpv_entity_tracks.bbox_1", f"{TRACK}/*/bbox/0", "IDENTITY", ""),
        ("cpv_entity_tracks.bbox_4", f"{TRACK}/*/bbox/3", "IDENTITY", ""),
        ("cpv_entities.knowledge_info", "CPVLabel#/entities/*/knowledgeInfo", "IDENTITY", ""),
        (
            "cpv_entities.knowledge_name_en",
            "CPVLabel#/entities/*/knowledgeInfo#/nameEn",
            "TRANSFORMATION",
            TEXT,
        ),
        (
            "nlp_words.start_seconds",
            "NLP#/transcription/paragraphs/*/words/*/start",
            "TRANSFORMATION",
            "divided by 1000: seconds",
        ),
        (
            "nlp_audio.duration_seconds",
            "NLP#/transcription/audioInfo/duration",
            "TRANSFORMATION",
            "divided by 1000: seconds",
        ),
        ("text_tags.value", "TextLabel#/tags/*/value", "IDENTITY", ""),
        (
            "text_tag_values.value",
            "TextLabel#/tags/*/value",
            "TRANSFORMATION",
            "one part of the text, which is split at ','",
        ),
        (
            "text_tag_values.value_index",
            "TextLabel#/tags/*/value",
            "TRANSFORMATION",
            "position in the text",
        ),
        ("nlp_mind_map_nodes.title", f"{TREE}/*/title", "IDENTITY", ""),
        (
            "nlp_mind_map_nodes.node_index",
            TREE,
            "TRANSFORMATION",
            "number of the node, counted from the top down",
        ),
        (
            "nlp_mind_map_nodes.depth",
            TREE,
            "TRANSFORMATION",
            "Levels above it; 0 at the top.",
        ),
        (
            "nlp_mind_map_nodes.topics_count",
            f"{TREE}/*/topic",
            "AGGREGATION",
            "number of elements",
        ),
        (
            "nlp_question_sentences.sentence_id",
            "NLP#/summarization/questionsAnsweringSummary/*/sentenceIdsOfQuestion/*",
            "IDENTITY",
            "",
        ),
        ("jobs.body_sha256", "body_sha256", "IDENTITY", ""),
        ("jobs.user_data", "body", "TRANSFORMATION", "read from the reply"),
        (
            "path_counts.jobs_count",
            "body",
            "AGGREGATION",
            "counted over the replies of a batch",
        ),
    ],
)
def test_column_leads_to_its_place_in_the_source(
    column: str, field: str, change: str, how: str
) -> None:
    """A column of the lake names the field it is made of, the kind of change, and how."""
    table, _, name = column.partition(".")
    assert traced(table)[name] == Origin(RAW, field, change, how)  # type: ignore[arg-type]


def test_sentences_of_subtitle_files_come_from_the_archive() -> None:
    """Subtitle lines are made of the archived file, whose keys they keep."""
    found = traced("subtitle_lines")
    archive = Place("file", "/data/lake/subtitles")
    assert found["language"] == Origin(archive, "language")
    assert found["text"] == Origin(archive, "body", "TRANSFORMATION", "read from the archived file")


def test_every_column_has_an_origin_but_the_name_of_its_batch() -> None:
    """No column of any table is left out, and what we name ourselves comes from nowhere."""
    contracts = load_contracts()
    made = lake_tables(contracts, "/data/lake", contracts.tables)
    assert {each.table for each in made} == contracts.tables.keys() - {"batches"}
    missing = {f"{d.table}.{f.name}" for d in made for f in d.fields if f.origin is None}
    assert missing == {"jobs.batch_id", "path_counts.batch_id"}


@pytest.mark.parametrize("kind", TYPES)
def test_pointers_lead_to_the_values_of_the_columns(kind: str) -> None:
    """What lies at a column's pointer in a result is what the column holds, value by value."""
    sent = json.loads(golden_blob(kind))
    batch = flatten(success(result(kind, sent)))
    document, seen = in_schema_form(kind, sent), 0
    for dataset in lake_tables(load_contracts(), "/data/lake", batch.made.tables):
        for field in dataset.fields:
            origin = field.origin
            if origin is None or "#" not in origin.field or origin.change == "AGGREGATION":
                continue
            scale = 1000 if origin.how == "divided by 1000: seconds" else 1
            if origin.change == "IDENTITY" or scale != 1:
                _, _, pointer = origin.field.partition("#")
                found = [v / scale if scale != 1 else v for v in at(document, pointer)]
                rows = [row[field.name] for row in batch.rows(dataset.table)]
                assert sorted(found, key=str) == sorted(
                    (type(found[0])(v) for v in rows if v is not None), key=str
                ), (dataset.table, field.name)
                seen += len(found)
    assert seen


def at(document: Json, pointer: str) -> list[Json]:
    """Returns what is not null at a pointer with `*` for every element, or node of a mind map."""
    found = [document]
    for part in pointer.split("/")[1:]:
        found = [each for value in found for each in step(value, part)]
    return [value for value in found if value is not None]


def step(value: Json, part: str) -> Iterator[Json]:
    """Yields what one part of a pointer leads to; the topics of a mind map with those below."""
    if isinstance(value, list) and part == "*":
        for element in value:
            yield element
            if isinstance(element, dict):
                yield from step(element.get("topic"), "*")
    elif isinstance(value, list):
        yield value[int(part)]
    elif isinstance(value, dict):
        yield value.get(part)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published warehouse with one small job."""
    settings = new_home(tmp_path_factory.mktemp("home"), [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


def test_lake_datasets_are_the_parquet_files(home: Settings) -> None:
    """Columns and types are those of the Parquet files, and the place is their folder."""
    storage = lake_of(home)
    [commit] = lake.read_commits(storage).values()
    made = lake_tables(load_contracts(), home.lake_root, [file.table for file in commit.files])
    assert sorted(d.table for d in made) == sorted(file.table for file in commit.files)
    for dataset, file in zip(made, sorted(commit.files, key=lambda f: f.table), strict=True):
        path = Path(home.lake_root, file.path)
        assert dataset.place == Place("file", str(path.parents[1]))
        schema = pq.read_schema(path)
        assert [(f.name, f.type) for f in dataset.fields] == [(f.name, str(f.type)) for f in schema]


def test_warehouse_datasets_are_the_published_tables(home: Settings) -> None:
    """Columns, types and comments are those of the published file, so private ones are left out."""
    contracts = load_contracts()
    made = warehouse_tables(contracts, home.lake_root, home.warehouse_dir, contracts.tables)
    with duckdb.connect(home.warehouse_dir / "warehouse.duckdb", read_only=True) as connection:
        found = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE table_name IN (SELECT table_name FROM duckdb_tables()) "
            "AND table_name NOT IN ('cognition_meta', 'check_failures', 'face_aliases', "
            "'tag_aliases')"
        ).fetchall()
    told = {(d.table, f.name, f.type, f.description) for d in made for f in d.fields}
    assert told == {(table, name, kind, text or "") for table, name, kind, text in found}
    assert "all_url" in traced("subtitle_files")
    assert ("subtitle_files", "all_url") not in {(table, name) for table, name, _, _ in told}


def warehouse_table(name: str) -> Dataset:
    """Returns a table of the warehouse in /data."""
    [dataset] = warehouse_tables(load_contracts(), "/data/lake", Path("/data/warehouse"), [name])
    return dataset


def test_warehouse_columns_are_those_of_the_lake() -> None:
    """A column comes as it is from the Parquet column of its name; links are told to be masked."""
    jobs = warehouse_table("jobs")
    assert jobs.place == warehouse_place(Path("/data/warehouse"), "jobs")
    assert jobs.place == Place("duckdb:///data/warehouse/warehouse.duckdb", "warehouse.main.jobs")
    found = {field.name: field.origin for field in jobs.fields}
    source = Place("file", "/data/lake/tables/jobs")
    assert found["batch_id"] == Origin(source, "batch_id")
    masked = found["user_data"]
    assert masked is not None
    assert (masked.field, masked.change, masked.masked) == ("user_data", "TRANSFORMATION", True)
    assert sources([warehouse_table("batches")]).keys() == {Place("file", "/data/lake/batches")}


@pytest.mark.parametrize(
    ("root", "namespace", "name"),
    [
        ("/data/lake", "file", "/data/lake/raw"),
        ("file:///data/lake", "file", "/data/lake/raw"),
        ("s3://media", "s3://media", "raw"),
        ("s3://media/lake/", "s3://media", "lake/raw"),
        ("s3://KEY:s3cr3t@media/lake?region=cn-shanghai", "s3://media", "lake/raw"),
    ],
)
def test_places_have_the_standard_names_and_no_secrets(
    root: str, namespace: str, name: str
) -> None:
    """A dataset is named by bucket and path as other tools name it; keys and options are gone."""
    assert lake_place(root, "raw") == Place(namespace, name)


def test_a_relative_lake_has_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake given by a relative path is named as any other process would name it."""
    monkeypatch.chdir(tmp_path)
    assert lake_place("lake", "raw") == Place("file", str(tmp_path / "lake" / "raw"))


def test_replies_have_the_fields_that_columns_lead_to() -> None:
    """The dataset of the replies lists its columns, then every place a column is made of."""
    replies, archive = lake_sources(load_contracts(), "/data/lake")
    names = [field.name for field in replies.fields]
    assert replies.place == RAW
    assert names[:8] == [
        "job_id",
        "queried_at",
        "origin",
        "http_status",
        "error_code",
        "body_sha256",
        "body_bytes",
        "body",
    ]
    assert f"{OCCURRENCE}/*/from" in names
    assert len(names) == len(set(names))
    assert {name.partition("#")[0] for name in names[8:]} == set(TYPES)
    assert "body" in [field.name for field in archive.fields]
