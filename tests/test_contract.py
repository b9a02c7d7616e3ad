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

from transforms.contract import (
    RESERVED_TABLES,
    SYSTEM_TABLES,
    compile_gate,
    follow,
    load_contracts,
)
from transforms.errors import ConfigurationError
from transforms.paths import schemas_dir, sql_dir
from transforms.warehouse.ddl import OWN_TABLES

TEXT = {"type": ["string", "null"], "description": "Text."}


def test_shipped_schemas_load_once() -> None:
    """The shipped folder gives the eleven Types and the system tables, and is read once."""
    contracts = load_contracts()
    assert {c.type for c in contracts.distinct} == set(TYPES)
    aliases = {
        "Metadata": "Meta",
        **dict.fromkeys(("SubTitle", "subtitle", "Subtitles", "SubtitleExtraction"), "Subtitle"),
        "process": "Process",
        **dict.fromkeys(("eventSplit", "EventSplits"), "EventSplit"),
    }
    assert set(contracts.types) == {*TYPES, *aliases}
    assert {name: contracts.types[name].type for name in aliases} == aliases
    assert len(TYPES) == len(contracts.distinct) == 11
    assert set(contracts.system) == {
        "batches",
        "jobs",
        "path_counts",
        "quarantine",
        "results",
        "source_forms",
        "subtitle_lines",
        "unknown_results",
        "unmapped_fields",
        "usages",
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
        "examples": [2.96],
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
    node = load_contracts(base=folder).types["Meta"].gate.schema["properties"]["note"]
    assert node == {
        "description": "Again.",
        "examples": ["SUCCESS"],
        "type": ["string", "null"],
    }


def test_a_whole_folder_stands_in_for_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy gives the same tables and digest, by relative path too; a change another digest."""
    folder = copy_schemas(tmp_path)
    shipped, copied = load_contracts(), load_contracts(base=folder)
    assert copied.tables == shipped.tables
    assert copied.digest == shipped.digest
    monkeypatch.chdir(tmp_path)
    assert load_contracts(base=Path("schemas/../schemas")).digest == shipped.digest
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    edit(changed / "results/meta.schema.json", **{"x-version": 2})
    assert load_contracts(base=changed).digest != shipped.digest
    assert load_contracts(base=changed).types["Meta"].version == 2


def test_a_folder_needs_no_metaschema_of_its_own(tmp_path: Path) -> None:
    """Schemas are held to the shipped metaschema, whatever folder they lie in."""
    folder = copy_schemas(tmp_path)
    (folder / "annotations.metaschema.json").unlink()
    assert load_contracts(base=folder).digest == load_contracts().digest


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


def test_the_closed_variant_minds_numbers_a_double_may_not_hold() -> None:
    """Beyond 2^53 a number asks for a second look; bounds of the schema itself stand."""
    properties = {
        "free": {"type": ["number", "null"]},
        "low": {"type": "number", "minimum": 2**60},
        "whole": {"type": "integer"},
    }
    gate = compile_gate({"type": "object", "properties": properties})
    for number in (2**53, -(2**53), 0.5, None):
        assert gate.accepts_known.is_valid({"free": number})
    for number in (2**53 + 1, -(2**53) - 1, 1e300):
        assert gate.accepts.is_valid({"free": number})
        assert not gate.accepts_known.is_valid({"free": number})
    assert gate.accepts.is_valid({"low": 2**61})
    assert not gate.accepts_known.is_valid({"low": 2**61})
    assert gate.accepts_known.is_valid({"whole": 2**60})


def test_only_a_tree_keeps_its_reference() -> None:
    """A part that holds itself refers to the root's definitions; both engines go down by it."""
    gate = load_contracts().types["NLP"].gate
    top = gate.schema["properties"]["summarization"]["properties"]["mindMapSummary"]
    below = top["items"]["properties"]["topic"]
    assert below == {"$ref": "#/$defs/topics"}
    assert json.dumps(gate.schema).count("$ref") == 2
    found = follow({**below, "description": "Beside."}, gate.schema)
    assert found["x-tree"] == "topic"
    assert found["description"] == "Beside."
    assert follow(top, gate.schema) is top

    def blob(title: object) -> dict[str, Any]:
        node: dict[str, Any] = {"title": title}
        for _ in range(20):
            node = {"topic": [node]}
        return {"summarization": {"mindMapSummary": [node]}}

    for engine in (gate.accepts, gate.accepts_known, gate.reference):
        assert engine.is_valid(blob("a"))
        assert not engine.is_valid(blob(7))
    assert gate.accepts.is_valid(blob("a") | {"x": 1})
    unknown = {"summarization": {"mindMapSummary": [{"topic": [{"x": 1}]}]}}
    assert gate.accepts.is_valid(unknown)
    assert not gate.accepts_known.is_valid(unknown)


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
    "a table the warehouse makes": (
        edit_asr(**{"x-table": "drift"}),
        "the warehouse makes drift itself: give the schema another x-table",
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
        r"asr\.schema\.json: \$ref #/properties/a leads back to itself",
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
        load_contracts(base=folder)


def test_tables_the_code_fills_are_all_asked_for() -> None:
    """Every shipped table of our own is filled by name, so a folder without it is refused."""
    assert load_contracts().system.keys() == SYSTEM_TABLES


def test_names_the_warehouse_takes_are_all_reserved() -> None:
    """No schema may claim a table or view that the warehouse makes of its own."""
    views = {file.stem for file in (sql_dir() / "system").glob("*.sql")}
    assert {table.name for table in OWN_TABLES} | views == RESERVED_TABLES


def test_a_file_without_the_ending_is_no_schema(tmp_path: Path) -> None:
    """Only `*.schema.json` is read: notes and the metaschema may lie beside."""
    folder = copy_schemas(tmp_path)
    put(folder / "results/notes.json", "not JSON")
    put(folder / "results/a.metaschema.json", "not JSON")
    assert load_contracts(base=folder).digest == load_contracts().digest


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
    after = flatten(body, contracts=load_contracts(base=folder))
    assert after.rows("asr_segments", "content", "speaker_id") == [("a", "1"), ("b", None)]
    assert after.rows("unmapped_fields") == []
    field = after.made.tables["asr_segments"].schema.field("speaker_id")
    assert (field.type, field.metadata) == (pa.string(), {b"description": b"Who spoke."})


def test_adding_a_type_is_adding_a_file(tmp_path: Path) -> None:
    """A schema file for a new Type gives its tables and rows without a change of code."""
    folder = copy_schemas(tmp_path)
    blob = {"url": "u", "parts": [{"size": 3, "box": [1, 2]}, {"size": None}], "more": 1}
    body = success({"Type": "radio", "Data": dumps(blob).decode()})
    assert flatten(body).rows("unknown_results", "type", "data") == [
        (
            "radio",
            '{"url": "u", "parts": [{"size": 3, "box": [1, 2]}, {"size": null}], "more": 1}',
        )
    ]

    number = {"type": "integer", "minimum": 0, "maximum": 100}
    box = {"type": "array", "items": number, "minItems": 2, "maxItems": 2, "description": "Box."}
    part = {
        "size": {**number, "type": ["integer", "null"], "description": "Size.", "x-unit": "bytes"},
        "box": {**box, "x-columns": ["box_left", "box_top"]},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://cognition-warehouse.example/schemas/results/radio.schema.json",
        "x-type": "Radio",
        "x-aliases": ["radio"],
        "x-version": 4,
        "x-table": "radio_outputs",
        "x-grain": "One row per Radio result.",
        "type": "object",
        "required": ["url"],
        "properties": {
            "url": {"$ref": "../common.schema.json#/$defs/text", "description": "Where it lies."},
            "parts": {
                "type": ["array", "null"],
                "description": "One row per part.",
                "x-table": "radio_parts",
                "x-index": "part_index",
                "items": {"type": "object", "properties": part},
            },
        },
    }
    put(folder / "results/radio.schema.json", json.dumps(schema))
    batch = flatten(body, contracts=load_contracts(base=folder))
    assert batch.rows("radio_outputs") == [
        {"job_id": "job-0", "result_index": 0, "url": "u", "parts_count": 2}
    ]
    keys = {"job_id": "job-0", "result_index": 0}
    assert batch.rows("radio_parts") == [
        {**keys, "part_index": 0, "size": 3, "box_left": 1, "box_top": 2},
        {**keys, "part_index": 1, "size": None, "box_left": None, "box_top": None},
    ]
    assert batch.rows("results", "type", "state", "schema_version") == [("radio", "loaded", 4)]
    assert batch.rows("unmapped_fields", "type", "pointer") == [("radio", "/more")]
    assert batch.rows("unknown_results") == []
    assert batch.made.totals["radio_parts"] == {"source": 2, "loaded": 2, "quarantined": 0}


def test_the_shipped_folder_is_beside_the_package() -> None:
    """The default folder is the repository's, or the wheel's bundled copy of it."""
    assert (schemas_dir() / "reply.schema.json").is_file()


def overlay_of(tmp_path: Path, *names: str) -> Path:
    """Returns an overlay with copies of some shipped schemas."""
    for name in names:
        put(tmp_path / "overlay" / name, (schemas_dir() / name).read_text())
    return tmp_path / "overlay"


ASR, META = "results/asr.schema.json", "results/meta.schema.json"


def test_an_overlay_of_shipped_files_changes_nothing(tmp_path: Path) -> None:
    """Copies of shipped schemas, or of the whole folder, give the shipped tables and digest."""
    shipped = load_contracts()
    for overlay in (overlay_of(tmp_path, ASR, "common.schema.json"), copy_schemas(tmp_path)):
        contracts = load_contracts(overlay)
        assert contracts.digest == shipped.digest
        assert contracts.tables == shipped.tables


def test_an_overlay_replaces_one_file_and_adds_another(tmp_path: Path) -> None:
    """An amended file stands in for the shipped one, a new file adds a Type, the rest stays."""
    overlay, shipped = overlay_of(tmp_path, ASR), load_contracts()
    properties = json.loads((overlay / ASR).read_bytes())["properties"]
    edit(overlay / ASR, properties={**properties, "language": TEXT}, **{"x-version": 9})
    text = {"$ref": "../common.schema.json#/$defs/text", "description": "Words."}
    garden = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-type": "Garden",
        "x-aliases": [],
        "x-version": 1,
        "x-table": "garden_results",
        "x-grain": "One row per Garden result.",
        "type": "object",
        "properties": {"sign": text},
    }
    put(overlay / "results/garden.schema.json", json.dumps(garden))
    contracts = load_contracts(overlay)
    assert contracts.digest != shipped.digest
    assert contracts.types["ASR"].version == 9
    assert [c.name for c in contracts.tables["garden_results"].columns] == ["sign"]
    assert set(contracts.types) == {*shipped.types, "Garden"}
    old = [column.name for column in shipped.tables["asr_results"].columns]
    assert [c.name for c in contracts.tables["asr_results"].columns] == [*old, "language"]
    assert contracts.tables["ocr_texts"] == shipped.tables["ocr_texts"]


def test_shared_definitions_of_an_overlay_reach_shipped_schemas(tmp_path: Path) -> None:
    """An overlay's common.schema.json is what shipped schemas refer to, too."""
    overlay = overlay_of(tmp_path, "common.schema.json")
    definitions = json.loads((overlay / "common.schema.json").read_bytes())["$defs"]
    definitions["success"] |= {"description": "Whether it went well."}
    edit(overlay / "common.schema.json", **{"$defs": definitions})
    (column,) = (
        c for c in load_contracts(overlay).tables["asr_results"].columns if c.name == "success"
    )
    assert column.description == "Whether it went well."


def test_what_lies_beside_the_schemas_of_an_overlay(tmp_path: Path) -> None:
    """Hidden files, notes, a copied metaschema and history are passed over."""
    overlay = overlay_of(tmp_path, ASR, "annotations.metaschema.json")
    for name in (".git/config.json", "results/.asr.schema.json", "README.md", "history/asr.json"):
        put(overlay / name, "{")
    assert load_contracts(overlay).digest == load_contracts().digest


STRAYS = (
    "asr.schema.json",
    "result/asr.schema.json",
    "results/asr.json",
    "results/asr.schema.json.bak",
    "results/speech/asr.schema.json",
    "my/results/asr.schema.json",
    "reply.json",
    "annotations.metaschema.json",
    "results.schema.json",
)


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_in_an_overlay_is_refused(tmp_path: Path, name: str) -> None:
    """A file that would be passed over in silence is named, with the places that count."""
    overlay = overlay_of(tmp_path, META)
    put(overlay / name, "{}")
    with pytest.raises(ConfigurationError) as refused:
        load_contracts(overlay)
    assert f"{overlay / name} is no schema of ours" in str(refused.value)
    assert "results/*.schema.json" in str(refused.value)


@pytest.mark.parametrize("made", [True, False])
def test_an_overlay_without_schemas_is_refused(tmp_path: Path, *, made: bool) -> None:
    """A folder that is not there, or has no schema, is refused with what to do."""
    overlay = tmp_path / "overlay"
    if made:
        put(overlay / "README.md", "notes")
    message = rf"no \*\.schema\.json in {overlay}: point COGNITION_SCHEMAS at .*, or unset it"
    with pytest.raises(ConfigurationError, match=message):
        load_contracts(overlay)


def test_a_mistake_in_an_overlay_names_its_file(tmp_path: Path) -> None:
    """An error is told with the overlay's file, not the shipped one it stands in for."""
    overlay = overlay_of(tmp_path, ASR)
    edit(overlay / ASR, **{"x-table": "ocr results"})
    with pytest.raises(ConfigurationError, match=rf"{overlay}/results/asr\.schema\.json is not"):
        load_contracts(overlay)
    other = overlay_of(tmp_path / "other", ASR)
    add_property("a", {"$ref": "../common.schema.json#/$defs/nothing"})(other)
    with pytest.raises(ConfigurationError, match=rf"{other}/results/asr\.schema\.json: \$ref"):
        load_contracts(other)


NUMBER = {"type": ["number", "null"], "description": "A number."}
TAKEN_AWAY: dict[str, tuple[dict[str, Any], str]] = {
    "type flip": (
        {"message": NUMBER, "x-version": 9},
        r"asr_results\.message was string and is now double\. Keep what is there and add",
    ),
    "dropped column": (
        {"message": ..., "x-version": 9},
        r"the column asr_results\.message \(string\) is gone",
    ),
    "dropped table": ({"details": ..., "x-version": 9}, r"the table asr_segments is gone"),
    "renamed table": ({"x-table": "speech", "x-version": 9}, r"the table asr_results is gone"),
    "renamed Type": ({"x-type": "Speech"}, "no schema has the Type ASR any more"),
    "same version": (
        {"language": TEXT},
        r"the tables of ASR changed, so raise its x-version above \d+: the version is kept",
    ),
}


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_an_overlay_may_only_add(tmp_path: Path, name: str) -> None:
    """An overlay that takes away or hides a change is refused, with names, types and remedy."""
    changes, message = TAKEN_AWAY[name]
    overlay = overlay_of(tmp_path, ASR)
    schema = json.loads((overlay / ASR).read_bytes())
    schema |= {key: value for key, value in changes.items() if key.startswith("x-")}
    schema["properties"] |= {k: v for k, v in changes.items() if not k.startswith("x-")}
    schema["properties"] = {k: v for k, v in schema["properties"].items() if v is not ...}
    schema["required"] = []
    put(overlay / ASR, json.dumps(schema))
    with pytest.raises(ConfigurationError, match=message):
        load_contracts(overlay)


def test_an_overlay_of_an_older_version_is_refused(tmp_path: Path) -> None:
    """An overlay that lags behind the base's version is refused though its tables are the same."""
    base = copy_schemas(tmp_path)
    edit(base / ASR, **{"x-version": 5})
    overlay = overlay_of(tmp_path, ASR)
    edit(overlay / ASR, **{"x-version": 4})
    message = (
        "ASR has x-version 4, the shipped schema 5: take over its changes and raise .* above 5"
    )
    with pytest.raises(ConfigurationError, match=message):
        load_contracts(overlay, base=base)


def test_an_overlay_may_loosen_under_one_version(tmp_path: Path) -> None:
    """What leaves the tables as they are needs no raised version."""
    overlay = overlay_of(tmp_path, ASR)
    edit(overlay / ASR, required=...)
    contracts = load_contracts(overlay)
    assert contracts.types["ASR"].gate.accepts.is_valid({})
    assert not load_contracts().types["ASR"].gate.accepts.is_valid({})


Change = Callable[[dict[str, Any]], object]
COMMON = "common.schema.json"
SUBTITLE = "results/subtitle.schema.json"


def overlay_with(tmp_path: Path, name: str, change: Change, **keys: Any) -> Path:  # noqa: ANN401 - any JSON
    """Returns an overlay of one shipped schema, some keys set and its properties changed."""
    overlay = overlay_of(tmp_path, name)
    schema = json.loads((overlay / name).read_bytes())
    change(schema["properties"])
    put(overlay / name, json.dumps(schema | keys))
    return overlay


def segment(properties: dict[str, Any]) -> dict[str, Any]:
    """Returns what an ASR segment has."""
    found: dict[str, Any] = properties["details"]["items"]["properties"]
    return found


def swap_times(properties: dict[str, Any]) -> None:
    """Reads the start of a segment from its end and the other way round."""
    found = segment(properties)
    found["from"], found["to"] = found["to"], found["from"]


MILLISECONDS = {"type": "integer", "minimum": 0, "maximum": 10**9, "x-unit": "ms"}
OTHER_MEANINGS: dict[str, tuple[str, Change, str]] = {
    "source": (
        ASR,
        swap_times,
        "the source of asr_segments.start_seconds was /details/from and is now /details/to; ",
    ),
    "unit": (
        ASR,
        lambda properties: segment(properties)["from"].update({"x-unit": "Hz", "type": "number"}),
        "the unit of asr_segments.start_seconds was s and is now Hz: add a new column beside it",
    ),
    "scale": (
        ASR,
        lambda properties: segment(properties)["from"].update(MILLISECONDS),
        "the scale of asr_segments.start_seconds was 1 and is now 1000: add a new column",
    ),
    "source of a table": (
        ASR,
        lambda properties: properties.update(parts=properties.pop("details")),
        "the source of asr_segments.content was /details/content and is now /parts/content",
    ),
}


@pytest.mark.parametrize("name", OTHER_MEANINGS)
def test_a_column_means_one_thing_under_one_version(tmp_path: Path, name: str) -> None:
    """Another unit, scale or source is refused under the shipped version, taken under a raised."""
    file, change, message = OTHER_MEANINGS[name]
    with pytest.raises(ConfigurationError) as refused:
        load_contracts(overlay_with(tmp_path / "same", file, change, required=[]))
    assert message in str(refused.value)
    assert "or raise the x-version of ASR above 1" in str(refused.value)
    raised = overlay_with(tmp_path / "raised", file, change, required=[], **{"x-version": 2})
    assert load_contracts(raised).types["ASR"].version == 2


def test_columns_of_our_own_tables_mean_what_they_meant(tmp_path: Path) -> None:
    """The tables the code fills have no version, so that none of their units may change."""
    jobs = "tables/jobs.schema.json"
    overlay = overlay_with(tmp_path, jobs, lambda own: own["body_bytes"].update({"x-unit": "px"}))
    message = r"the unit of jobs\.body_bytes was bytes and is now px: our own tables have no x-ver"
    with pytest.raises(ConfigurationError, match=message):
        load_contracts(overlay)


@pytest.mark.parametrize("now", [..., "links"])
def test_what_is_private_stays_private(tmp_path: Path, now: Any) -> None:  # noqa: ANN401 - `...` stands for none
    """A column that stays out of the warehouse is not brought in, whatever the version."""
    overlay = overlay_of(tmp_path, COMMON, SUBTITLE)
    edit(overlay / SUBTITLE, **{"x-version": 9})
    definitions = json.loads((overlay / COMMON).read_bytes())["$defs"]
    for node in definitions.values():
        if node.get("x-private") == "all":
            node["x-private"] = now
    kept = {
        name: {key: value for key, value in node.items() if value is not ...}
        for name, node in definitions.items()
    }
    edit(overlay / COMMON, **{"$defs": kept})
    with pytest.raises(ConfigurationError) as refused:
        load_contracts(overlay)
    would = "none" if now is ... else '"links"'
    assert f'has x-private "all" and would have {would}' in str(refused.value)
    assert "Keep x-private as it is in the shipped schemas" in str(refused.value)


def test_what_is_public_may_become_private(tmp_path: Path) -> None:
    """An overlay may keep more out of the warehouse than the shipped schema, under one version."""
    overlay = overlay_with(
        tmp_path,
        ASR,
        lambda properties: segment(properties)["content"].update({"x-private": "all"}),
    )
    columns = load_contracts(overlay).tables["asr_segments"].columns
    assert [c.name for c in columns if c.private == "all"] == ["content"]
