"""Loading the schemas: what is found, what is refused, and that a schema alone adds data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from contract_kit import TYPES, copy_schemas, dumps, edit, flatten, result, success

from transforms.contract import compile_gate, load_contracts
from transforms.errors import ConfigurationError
from transforms.paths import schemas_dir

TEXT = {"type": ["string", "null"], "description": "Text."}


def test_shipped_schemas_load_once() -> None:
    """The shipped folder gives the seven Types and six system tables, and is read once."""
    contracts = load_contracts()
    assert {c.type for c in contracts.distinct} == set(TYPES)
    assert set(contracts.types) == {*TYPES, "Metadata"}
    assert contracts.types["Metadata"] is contracts.types["Meta"]
    assert set(contracts.system) == {
        "batches",
        "jobs",
        "quarantine",
        "results",
        "unknown_results",
        "unmapped_fields",
    }
    assert load_contracts() is contracts


def test_tables_are_named_once_with_system_tables_first() -> None:
    """The warehouse's tables are those of the system and of every Type, each once."""
    contracts = load_contracts()
    own = [table.name for contract in contracts.distinct for table in contract.tables]
    assert list(contracts.tables) == [*contracts.system, *own]
    assert len(set(own)) == len(own)


def test_references_are_gone_and_keys_beside_them_win() -> None:
    """A `$ref` is replaced by what it names; a description beside it stands."""
    schema = load_contracts().types["ASR"].gate.schema
    assert "$ref" not in json.dumps(schema)
    start = schema["properties"]["details"]["items"]["properties"]["from"]
    assert start == {
        "description": "Start of the sentence.",
        "type": ["number", "null"],
        "x-unit": "s",
        "x-column": "start_seconds",
        "x-expect": {"minimum": 0},
    }


def test_a_reference_may_lead_to_another_reference(tmp_path: Path) -> None:
    """References are followed from file to file, each relative to the file it stands in."""
    folder = copy_schemas(tmp_path)
    common = json.loads((folder / "common.schema.json").read_bytes())
    common["$defs"]["again"] = {"$ref": "#/$defs/message", "description": "Again."}
    edit(folder / "common.schema.json", **common)
    meta = json.loads((folder / "results/meta.schema.json").read_bytes())
    meta["properties"]["note"] = {"$ref": "../common.schema.json#/$defs/again"}
    edit(folder / "results/meta.schema.json", **meta)
    node = load_contracts(folder).types["Meta"].gate.schema["properties"]["note"]
    assert node == {"description": "Again.", "type": ["string", "null"]}


def test_an_overlay_folder_stands_in_for_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy gives the same tables and digest, by relative path too; a change another digest."""
    folder = copy_schemas(tmp_path)
    shipped, overlay = load_contracts(), load_contracts(folder)
    assert overlay.tables == shipped.tables
    assert overlay.digest == shipped.digest
    monkeypatch.chdir(tmp_path)
    assert load_contracts(Path("schemas/../schemas")).digest == shipped.digest
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    edit(changed / "results/meta.schema.json", **{"x-version": 2})
    assert load_contracts(changed).digest != shipped.digest
    assert load_contracts(changed).types["Meta"].version == 2


def test_an_overlay_needs_no_metaschema_of_its_own(tmp_path: Path) -> None:
    """Schemas are held to the shipped metaschema, whatever folder they lie in."""
    folder = copy_schemas(tmp_path)
    (folder / "annotations.metaschema.json").unlink()
    assert load_contracts(folder).digest == load_contracts().digest


def test_the_closed_variant_minds_unknown_keys_only_where_keys_are_listed() -> None:
    """Unknown keys are told apart at every level, but for objects that may hold anything."""
    gate = compile_gate(
        {
            "type": "object",
            "properties": {
                "rows": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"a": {"type": "string"}}},
                },
                "free": {"type": "object"},
            },
        }
    )
    assert gate.accepts.is_valid({"rows": [{"a": "1", "b": 2}], "c": 3})
    assert gate.accepts_known.is_valid({"rows": [{"a": "1"}, {}], "free": {"any": 1}})
    assert not gate.accepts_known.is_valid({"rows": [{"a": "1", "b": 2}]})
    assert not gate.accepts_known.is_valid({"c": 3})
    assert gate.reference.is_valid({"c": 3})
    assert not gate.accepts.is_valid({"rows": [{"a": 1}]})


def put(file: Path, text: str) -> None:
    """Writes a file and the folder it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def add_property(name: str, node: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    """Returns what adds a property to the ASR schema."""

    def change(folder: Path) -> None:
        file = folder / "results/asr.schema.json"
        properties = json.loads(file.read_bytes())["properties"]
        edit(file, properties={**properties, name: node})

    return change


def edit_asr(**changes: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    """Returns what changes keys of the ASR schema."""
    return lambda folder: edit(folder / "results/asr.schema.json", **changes)


def copy_as(source: str, target: str) -> Callable[[Path], None]:
    """Returns what copies one schema file to another."""
    return lambda folder: put(folder / target, (folder / source).read_text())


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty folder": (
        shutil.rmtree,
        r"no \*\.schema\.json in .*: point COGNITION_SCHEMAS at one",
    ),
    "not JSON": (
        lambda folder: put(folder / "results/asr.schema.json", "{"),
        r"asr\.schema\.json is not JSON",
    ),
    "no object": (
        lambda folder: put(folder / "results/asr.schema.json", "true"),
        r"asr\.schema\.json is not a schema: expected an object",
    ),
    "invalid schema": (
        add_property("a", {"type": "text"}),
        r"asr\.schema\.json is not a schema: .* at /properties/a/type",
    ),
    "unknown annotation": (
        add_property("a", {**TEXT, "x-colum": "b"}),
        r"asr\.schema\.json is not a schema: 'x-colum' is not one of .* at /properties/a",
    ),
    "no annotations on the root": (
        edit_asr(**dict.fromkeys(("x-type", "x-aliases", "x-version", "x-grain"), ...)),
        r"asr\.schema\.json: 'x-type' is missing",
    ),
    "property without a type": (
        add_property("a", {"description": "Any."}),
        r"asr\.schema\.json: 'type' is missing",
    ),
    "list of texts": (
        add_property("a", {"type": "array", "description": "A.", "items": {"type": "string"}}),
        r"asr\.schema\.json: schema type 'array' is no scalar",
    ),
    "same Type twice": (
        copy_as("results/asr.schema.json", "results/speech.schema.json"),
        r"speech\.schema\.json: Type ASR is claimed by another schema",
    ),
    "alias of another Type": (
        edit_asr(**{"x-aliases": ["Meta"]}),
        r"meta\.schema\.json: Type Meta is claimed by another schema",
    ),
    "same table twice": (
        edit_asr(**{"x-table": "ocr_results"}),
        "two schemas claim the table ocr_results: rename one",
    ),
    "same system table twice": (
        copy_as("tables/jobs.schema.json", "tables/tasks.schema.json"),
        "two schemas claim the table jobs: rename one",
    ),
    "no system table": (
        lambda folder: (folder / "tables/quarantine.schema.json").unlink(),
        r"tables has no schema of quarantine: copy it from the shipped schemas",
    ),
    "a system table's name": (
        edit_asr(**{"x-table": "jobs"}),
        "two schemas claim the table jobs: rename one",
    ),
    "same column twice": (
        add_property("Message", TEXT),
        "asr_results has two columns message: give one an x-column",
    ),
    "reference into nothing": (
        add_property("a", {"$ref": "../common.schema.json#/$defs/nothing"}),
        r"asr\.schema\.json: \$ref \.\./common\.schema\.json#/\$defs/nothing in .* names nothing",
    ),
    "reference to no file": (
        add_property("a", {"$ref": "nowhere.schema.json#/$defs/a"}),
        r"\$ref nowhere\.schema\.json#/\$defs/a in asr\.schema\.json names nothing",
    ),
    "reference into a text": (
        add_property("a", {"$ref": "#/title/a"}),
        r"\$ref #/title/a in asr\.schema\.json names nothing",
    ),
    "reference to itself": (
        add_property("a", {"$ref": "#/properties/a"}),
        r"asr\.schema\.json: a \$ref leads back to itself",
    ),
    "no reply schema": (
        lambda folder: (folder / "reply.schema.json").unlink(),
        r"reply\.schema\.json is missing: copy it from the shipped schemas",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_folder_is_refused(name: str, tmp_path: Path) -> None:
    """Every mistake in a schemas folder is one configuration error that names the place."""
    folder = copy_schemas(tmp_path)
    spoil, message = REFUSED[name]
    spoil(folder)
    with pytest.raises(ConfigurationError, match=message):
        load_contracts(folder)


def test_a_file_without_the_ending_is_no_schema(tmp_path: Path) -> None:
    """Only `*.schema.json` is read: notes and the metaschema may lie beside."""
    folder = copy_schemas(tmp_path)
    put(folder / "results/notes.json", "not JSON")
    put(folder / "results/a.metaschema.json", "not JSON")
    assert load_contracts(folder).digest == load_contracts().digest


def test_adding_a_property_adds_a_column(tmp_path: Path) -> None:
    """One property more in a schema is one column more with its values, and no unmapped key."""
    folder = copy_schemas(tmp_path)
    file = folder / "results/asr.schema.json"
    details = json.loads(file.read_bytes())["properties"]["details"]
    details["items"]["properties"]["speakerId"] = {**TEXT, "description": "Who spoke."}
    properties = json.loads(file.read_bytes())["properties"] | {"details": details}
    blob = {"details": [{"content": "a", "speakerId": "1"}, {"content": "b"}]}
    body = success(result("ASR", blob))

    before = flatten(body)
    assert before.rows("unmapped_fields", "pointer", "value") == [("/details/0/speakerId", '"1"')]
    assert "speaker_id" not in before.made.tables["asr_segments"].column_names

    edit(file, properties=properties)
    after = flatten(body, contracts=load_contracts(folder))
    assert after.rows("asr_segments", "content", "speaker_id") == [("a", "1"), ("b", None)]
    assert after.rows("unmapped_fields") == []
    field = after.made.tables["asr_segments"].schema.field("speaker_id")
    assert (field.type, field.metadata) == (pa.string(), {b"description": b"Who spoke."})


def test_adding_a_type_is_adding_a_file(tmp_path: Path) -> None:
    """A schema file for a new Type gives its tables and rows without a change of code."""
    folder = copy_schemas(tmp_path)
    blob = {"url": "u", "parts": [{"size": 3, "box": [1, 2]}, {"size": None}], "more": 1}
    body = success({"Type": "process", "Data": dumps(blob).decode()})
    assert flatten(body).rows("unknown_results", "type", "data") == [
        (
            "process",
            '{"url": "u", "parts": [{"size": 3, "box": [1, 2]}, {"size": null}], "more": 1}',
        )
    ]

    number = {"type": "integer", "minimum": 0, "maximum": 100}
    box = {"type": "array", "items": number, "minItems": 2, "maxItems": 2, "description": "Box."}
    part = {
        "size": {"type": ["integer", "null"], "description": "Size.", "x-unit": "bytes"},
        "box": {**box, "x-columns": ["box_left", "box_top"]},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://cognition-warehouse.example/schemas/results/process.schema.json",
        "x-type": "Process",
        "x-aliases": ["process"],
        "x-version": 4,
        "x-table": "process_outputs",
        "x-grain": "One row per Process result.",
        "type": "object",
        "required": ["url"],
        "properties": {
            "url": {"$ref": "../common.schema.json#/$defs/text", "description": "Where it lies."},
            "parts": {
                "type": ["array", "null"],
                "description": "One row per part.",
                "x-table": "process_parts",
                "x-index": "part_index",
                "items": {"type": "object", "properties": part},
            },
        },
    }
    put(folder / "results/process.schema.json", json.dumps(schema))
    batch = flatten(body, contracts=load_contracts(folder))
    assert batch.rows("process_outputs") == [
        {"job_id": "job-0", "result_index": 0, "url": "u", "parts_count": 2}
    ]
    keys = {"job_id": "job-0", "result_index": 0}
    assert batch.rows("process_parts") == [
        {**keys, "part_index": 0, "size": 3, "box_left": 1, "box_top": 2},
        {**keys, "part_index": 1, "size": None, "box_left": None, "box_top": None},
    ]
    assert batch.rows("results", "type", "state", "schema_version") == [("process", "loaded", 4)]
    assert batch.rows("unmapped_fields", "type", "pointer") == [("process", "/more")]
    assert batch.rows("unknown_results") == []
    assert batch.made.totals["process_parts"] == {"source": 2, "loaded": 2, "quarantined": 0}


def test_the_shipped_folder_is_beside_the_package() -> None:
    """The default folder is the repository's, or the wheel's bundled copy of it."""
    assert (schemas_dir() / "reply.schema.json").is_file()
