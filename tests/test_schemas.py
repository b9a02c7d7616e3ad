"""The schemas as data: valid, described, named once, and held to their examples by two engines."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from contract_kit import TYPES, Example, Json, by_pointer, contract_of, read_examples, walk_schema
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource

from transforms.contract import load_contracts
from transforms.json_text import to_pointer
from transforms.paths import schemas_dir

BASE = "https://cognition-warehouse.example/schemas/"
FOLDER = schemas_dir()
FILES = sorted(FOLDER.rglob("*.schema.json"))
RESULT_FILES = [file for file in FILES if file.parent.name == "results"]
METASCHEMA = FOLDER / "annotations.metaschema.json"
ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = read_examples("examples")
COUNTEREXAMPLES = read_examples("counterexamples")


@cache
def read(file: Path) -> Json:
    """Returns a JSON file."""
    return json.loads(file.read_bytes())


@cache
def plain_validators() -> dict[str, Validator]:
    """Returns validators of the files as they are, `$ref` looked up by `$id`: not our inlining."""
    registry: Registry[Any] = Registry().with_resources(
        (read(file)["$id"], Resource.from_contents(read(file))) for file in FILES
    )
    return {
        read(file)["x-type"]: Draft202012Validator(read(file), registry=registry)
        for file in RESULT_FILES
    }


def name_of(value: object) -> str | None:
    """Returns the test id of a file or an example."""
    if isinstance(value, Example):
        return value.id
    return value.name if isinstance(value, Path) else None


@pytest.mark.parametrize("file", [*FILES, METASCHEMA], ids=name_of)
def test_schema_files_are_valid_draft_2020_12(file: Path) -> None:
    """Every file says it is draft 2020-12, and is."""
    assert read(file)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(read(file))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_schema_files_keep_the_metaschema(file: Path) -> None:
    """Both engines find every annotation of every file in order."""
    metaschema = read(METASCHEMA)
    assert [e.message for e in Draft202012Validator(metaschema).iter_errors(read(file))] == []
    assert jsonschema_rs.Draft202012Validator(metaschema).is_valid(read(file))


ROWS = {"type": "object", "properties": {}}
TABLE = {
    "type": "array",
    "description": "Rows.",
    "x-table": "a_rows",
    "x-index": "row_index",
    "items": ROWS,
}
RESULT = {
    "type": "object",
    "properties": {},
    "x-type": "A",
    "x-aliases": [],
    "x-version": 1,
    "x-table": "a_results",
    "x-grain": "One row per A.",
}
JSON_TEXT: dict[str, Json] = {
    "type": "string",
    "x-json": {
        "prefix": "k_",
        "description": "Fields.",
        "properties": {"a": {"type": "number", "description": "A.", "x-unit": "deg"}},
    },
}
PAIR = {
    "type": ["array", "null"],
    "items": {"type": "integer"},
    "minItems": 2,
    "maxItems": 2,
    "x-columns": ["at_x", "at_y"],
    "x-unit": "px",
}
PAIR_TOLD = {**PAIR, "x-descriptions": ["x.", "y."]}


TREE: dict[str, Json] = {
    **TABLE,
    "x-tree": "rows",
    "items": {"type": "object", "properties": {"rows": {"$ref": "#/$defs/rows"}}},
}
SPLIT: dict[str, Json] = {
    "type": ["string", "null"],
    "x-split": {
        "separator": ",",
        "x-table": "a_values",
        "x-index": "value_index",
        "description": "Values.",
        "items": {"type": "string", "x-column": "value", "description": "A value."},
    },
}
OBJECT = {"type": "object", "x-table": "a_things", "description": "A thing.", "properties": {}}


def split_with(**changes: Json) -> dict[str, Any]:
    """Returns a split text with some keys of its annotation changed; `...` removes one."""
    split = {key: value for key, value in (SPLIT["x-split"] | changes).items() if value is not ...}
    return {**SPLIT, "x-split": split}


def without(schema: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Returns a schema without some of its keys."""
    return {key: value for key, value in schema.items() if key not in keys}


def json_field(**field: Json) -> dict[str, Any]:
    """Returns a schema with one field in its `x-json`."""
    return {**JSON_TEXT, "x-json": {**JSON_TEXT["x-json"], "properties": {"a": field}}}


@pytest.mark.parametrize(
    "schema",
    [
        TABLE,
        RESULT,
        JSON_TEXT,
        PAIR,
        TREE,
        SPLIT,
        OBJECT,
        {**TABLE, "items": {"type": "string", "x-column": "value", "description": "A value."}},
        {**TABLE, "items": PAIR},
        {**RESULT, "x-bare": "a"},
        {**OBJECT, "x-wrapped": True, "x-spellings": ["thing", "Thing"]},
        {**TABLE, "x-single": True},
        {**PAIR, "x-unit": "ms"},
        PAIR_TOLD,
        {"type": "string", "x-private": "links"},
        True,
        {},
    ],
)
def test_metaschema_accepts_what_counterexamples_start_from(schema: Json) -> None:
    """The counterexamples below fail by what is changed in them, not by what they start from."""
    assert Draft202012Validator(read(METASCHEMA)).is_valid(schema)


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        ({"type": "text"}, "/type", "anyOf"),
        ({"x-colour": "red"}, "", "enum"),
        ({"x-tree": {}}, "/x-tree", "type"),
        (without(TREE, "x-index"), "", "dependentRequired"),
        ({**TREE, "type": "object"}, "/type", "enum"),
        ({**TREE, "x-tree": ""}, "/x-tree", "minLength"),
        *((split_with(**{key: ...}), "/x-split", "required") for key in SPLIT["x-split"]),
        (split_with(more=1), "/x-split", "additionalProperties"),
        (split_with(separator=""), "/x-split/separator", "minLength"),
        (split_with(**{"x-table": "aValues"}), "/x-split/x-table", "pattern"),
        (split_with(**{"x-index": "value"}), "/x-split/x-index", "pattern"),
        (split_with(description="Values"), "/x-split/description", "pattern"),
        (
            split_with(items={"type": "integer", "x-column": "a", "description": "A."}),
            "/x-split/items/type",
            "const",
        ),
        (split_with(items={"type": "string", "x-column": "a"}), "/x-split/items", "required"),
        ({**SPLIT, "type": "array"}, "/type", "enum"),
        ({**OBJECT, "x-wrapped": False}, "/x-wrapped", "const"),
        ({"x-spellings": []}, "/x-spellings", "minItems"),
        ({"x-spellings": ["a", "a"]}, "/x-spellings", "uniqueItems"),
        ({"x-spellings": [""]}, "/x-spellings/0", "minLength"),
        ({**TABLE, "x-single": "yes"}, "/x-single", "const"),
        ({**OBJECT, "x-single": True}, "/type", "enum"),
        ({"x-bare": "a"}, "", "dependentRequired"),
        ({**RESULT, "x-bare": ""}, "/x-bare", "minLength"),
        ({"type": "string", "x-private": True}, "/x-private", "enum"),
        ({"properties": {"a": {"items": {"x-foo": 1}}}}, "/properties/a/items", "enum"),
        ({"$defs": {"a": {"anyOf": [{"x-foo": 1}]}}}, "/$defs/a/anyOf/0", "enum"),
        (without(TABLE, "x-table"), "", "dependentRequired"),
        (without(TABLE, "x-table"), "", "required"),
        (without(TABLE, "x-index"), "", "required"),
        (without(TABLE, "description"), "", "dependentRequired"),
        ({**TABLE, "type": "object"}, "/type", "enum"),
        ({**TABLE, "x-table": "aRows"}, "/x-table", "pattern"),
        ({**TABLE, "x-table": "a__rows"}, "/x-table", "pattern"),
        ({**TABLE, "x-index": "row"}, "/x-index", "pattern"),
        ({**TABLE, "x-index": "Row_index"}, "/x-index", "pattern"),
        ({**TABLE, "x-column": "1st"}, "/x-column", "pattern"),
        *((without(RESULT, key), "", "dependentRequired") for key in RESULT),
        ({**RESULT, "type": ["object", "null"]}, "/type", "const"),
        ({**RESULT, "x-type": "A B"}, "/x-type", "pattern"),
        ({**RESULT, "x-aliases": "B"}, "/x-aliases", "type"),
        ({**RESULT, "x-aliases": ["B", "B"]}, "/x-aliases", "uniqueItems"),
        ({**RESULT, "x-aliases": ["b-c"]}, "/x-aliases/0", "pattern"),
        ({**RESULT, "x-version": 0}, "/x-version", "minimum"),
        ({**RESULT, "x-version": "1"}, "/x-version", "type"),
        ({**RESULT, "x-grain": "One row"}, "/x-grain", "pattern"),
        ({"x-key": ["a_id"]}, "", "dependentRequired"),
        ({"x-key": []}, "/x-key", "minItems"),
        ({"x-key": ["aId"]}, "/x-key/0", "pattern"),
        ({"type": "number", "x-unit": "seconds"}, "/x-unit", "enum"),
        ({"type": ["string", "null"], "x-unit": "s"}, "/type", "anyOf"),
        (without(PAIR, "minItems"), "", "dependentRequired"),
        (without(PAIR, "maxItems"), "", "dependentRequired"),
        ({**PAIR, "x-columns": []}, "/x-columns", "minItems"),
        ({**PAIR, "x-columns": ["a", "a"]}, "/x-columns", "uniqueItems"),
        ({**PAIR, "x-columns": ["atX"]}, "/x-columns/0", "pattern"),
        ({**PAIR, "x-column": "at"}, "", "not"),
        (without(PAIR_TOLD, "x-columns"), "", "dependentRequired"),
        ({**PAIR, "x-descriptions": "x."}, "/x-descriptions", "type"),
        ({**PAIR, "x-descriptions": []}, "/x-descriptions", "minItems"),
        ({**PAIR, "x-descriptions": ["x.", "x."]}, "/x-descriptions", "uniqueItems"),
        ({**PAIR, "x-descriptions": ["x.", "y"]}, "/x-descriptions/1", "pattern"),
        ({**PAIR, "type": "object"}, "/type", "enum"),
        ({"x-expect": {"minimum": "0"}}, "/x-expect/minimum", "type"),
        ({"x-expect": {"x-foo": 0}}, "/x-expect", "enum"),
        ({**JSON_TEXT, "type": "object"}, "/type", "enum"),
        ({"x-json": {"prefix": "k_", "description": "A."}}, "/x-json", "required"),
        ({"x-json": {**JSON_TEXT["x-json"], "prefix": "k"}}, "/x-json/prefix", "pattern"),
        ({"x-json": {**JSON_TEXT["x-json"], "more": 1}}, "/x-json", "additionalProperties"),
        (
            {"x-json": {**JSON_TEXT["x-json"], "properties": {}}},
            "/x-json/properties",
            "minProperties",
        ),
        (json_field(type="integer", description="A."), "/x-json/properties/a/type", "enum"),
        (json_field(type="string"), "/x-json/properties/a", "required"),
        (
            json_field(type="string", description="A.", **{"x-foo": 1}),
            "/x-json/properties/a",
            "enum",
        ),
    ],
)
def test_metaschema_refuses_a_wrong_annotation(
    schema: dict[str, Any], pointer: str, keyword: str
) -> None:
    """A wrong annotation is found where it stands, however deep, by both engines."""
    metaschema = read(METASCHEMA)
    found = Draft202012Validator(metaschema).iter_errors(schema)
    assert (pointer, keyword) in {(to_pointer(tuple(e.absolute_path)), e.validator) for e in found}
    assert not jsonschema_rs.Draft202012Validator(metaschema).is_valid(schema)


def test_metaschema_lists_each_annotation_once() -> None:
    """The annotations allowed are those described, and each is used by a schema."""
    metaschema = read(METASCHEMA)
    allowed = metaschema["propertyNames"]["then"]["enum"]
    assert sorted(allowed) == sorted(metaschema["properties"])
    used = set(re.findall(r'"(x-[a-z]+)":', "".join(file.read_text() for file in FILES)))
    assert used == set(allowed)


def test_annotations_and_code_know_each_other() -> None:
    """Each annotation is read by the code, and the code reads no other."""
    allowed = set(read(METASCHEMA)["properties"])
    names = ("compile", "contract", "cutting", "forms", "layout", "trees", "validate")
    contract = {f"transforms/{name}.py" for name in names}
    read_by: dict[str, set[str]] = {}
    for file in (*ROOT.glob("transforms/**/*.py"), *ROOT.glob("sandbox/**/*.py")):
        literals = set(texts_in(file))
        for name in literals & allowed:
            read_by.setdefault(name, set()).add(file.relative_to(ROOT).as_posix())
        if file.relative_to(ROOT).as_posix() in contract:
            found = {text for text in literals if re.fullmatch(r"x-[a-z]+", text)}
            assert found - {"x-exact"} <= allowed  # told as a keyword, stands in no schema
    assert set(read_by) == allowed


def texts_in(file: Path) -> Iterator[str]:
    """Yields the text literals of a Python file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_metaschema_is_no_schema_of_ours_to_the_loader() -> None:
    """The loader's pattern for schemas does not match the metaschema."""
    assert METASCHEMA not in FILES
    assert METASCHEMA.is_file()


def test_ids_are_unique_and_say_where_the_file_lies() -> None:
    """Each `$id` is the file's place below one base."""
    ids = {file: read(file)["$id"] for file in (*FILES, METASCHEMA)}
    assert ids == {file: BASE + file.relative_to(FOLDER).as_posix() for file in ids}
    assert max(Counter(ids.values()).values()) == 1


def test_schemas_hold_data_only() -> None:
    """Nothing but JSON lies in the schemas folder: no Python, so it can never be imported."""
    suffixes = {file.suffix for file in FOLDER.rglob("*") if file.is_file()}
    assert suffixes == {".json"}


@pytest.mark.parametrize("file", RESULT_FILES, ids=name_of)
def test_everything_in_a_result_schema_is_described(file: Path) -> None:
    """Every property, whichever file its definition lies in, has a description with a full stop."""
    contract = contract_of(read(file)["x-type"])
    poor = [
        path
        for path, node in walk_schema(contract.gate.schema)
        if not path.endswith("[]") and not node.get("description", "").endswith((".", ")."))
    ]
    assert poor == []


@pytest.mark.parametrize("file", RESULT_FILES, ids=name_of)
def test_result_schemas_give_each_field_one_type(file: Path) -> None:
    """A field has one type beside null, so that one column holds it; a row is never null."""
    nodes = walk_schema(contract_of(read(file)["x-type"]).gate.schema)
    kinds = {path: node["type"] for path, node in nodes}
    several = {p: k for p, k in kinds.items() if isinstance(k, list) and len(set(k) - {"null"}) > 1}
    assert several == {}
    rows = {"object", "array", "string", "integer"}
    assert {kind for path, kind in kinds.items() if path.endswith("[]")} <= rows


@pytest.mark.parametrize("file", RESULT_FILES, ids=name_of)
def test_arrays_of_fixed_length_name_all_their_columns(file: Path) -> None:
    """An array of numbers has exactly as many items as it has columns, and tells of each."""
    for path, node in walk_schema(contract_of(read(file)["x-type"]).gate.schema):
        if "x-columns" in node:
            lists = node["x-columns"], node["x-descriptions"]
            assert len({node["minItems"], node["maxItems"], *map(len, lists)}) == 1, path


def test_every_type_has_examples_and_counterexamples() -> None:
    """Each Type has at least three of each, and there are none of other Types."""
    for found in (EXAMPLES, COUNTEREXAMPLES):
        by_type = Counter(example.type for example in found)
        assert set(by_type) == set(TYPES) == {c.type for c in load_contracts().distinct}
        assert min(by_type.values()) >= 3


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_examples_are_accepted(example: Example) -> None:
    """Both engines accept an example, and so do the files with their `$ref` left in."""
    gate = contract_of(example.type).gate
    assert plain_validators()[example.type].is_valid(example.blob), example.description
    assert gate.reference.is_valid(example.blob)
    assert gate.accepts.is_valid(example.blob)


@pytest.mark.parametrize("example", COUNTEREXAMPLES, ids=name_of)
def test_counterexamples_fail_where_they_should(example: Example) -> None:
    """Both engines find exactly the violations written down, by pointer and keyword."""
    gate = contract_of(example.type).gate
    expected = by_pointer(example.errors)
    plain = plain_validators()[example.type].iter_errors(example.blob)
    slow = gate.reference.iter_errors(example.blob)
    fast = gate.accepts.iter_errors(example.blob)
    assert expected, "a counterexample must fail"
    assert (
        by_pointer([(to_pointer(tuple(e.absolute_path)), e.validator) for e in plain]) == expected
    )
    assert by_pointer([(to_pointer(tuple(e.absolute_path)), e.validator) for e in slow]) == expected
    assert by_pointer([(to_pointer(e.instance_path), e.kind.name) for e in fast]) == expected
    assert not gate.accepts.is_valid(example.blob)


@pytest.mark.parametrize("kind", TYPES)
def test_unknown_keys_are_told_apart_by_the_closed_variant(kind: str) -> None:
    """Each Type has an example whose unknown keys only the closed variant minds."""
    gate = contract_of(kind).gate
    open_only = [e for e in EXAMPLES if e.type == kind and not gate.accepts_known.is_valid(e.blob)]
    named = [e.name for e in open_only]
    assert "unknown_keys" in named
    assert len(named) < sum(e.type == kind for e in EXAMPLES)
