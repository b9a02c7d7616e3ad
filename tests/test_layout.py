"""Compiling schemas into tables: one rule a test, on a schema made for it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from contract_kit import TYPES, contract_of

from transforms.contract import load_contracts
from transforms.errors import ConfigurationError
from transforms.layout import (
    Column,
    Table,
    compile_result,
    compile_table,
    read_type,
    scalar_type,
    snake_case,
)

PREFIXES = {
    "VideoLabel": "video_",
    "ImageLabel": "image_",
    "TextLabel": "text_",
    "CPVLabel": "cpv_",
    "ASR": "asr_",
    "OCR": "ocr_",
    "Meta": "meta_",
}
SMALL = {"type": "integer", "minimum": 0, "maximum": 9, "description": "Small."}
TEXT = {"type": ["string", "null"], "description": "Text."}


def shop(**properties: dict[str, Any]) -> Table:
    """Returns the root table of a Type with these properties."""
    schema = {"x-type": "Shop", "x-table": "shops", "x-grain": "One row per shop."}
    return compile_result({**schema, "type": "object", "properties": properties})


def rows(table: str, index: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """Returns an array of objects that is a table."""
    items = {"type": "object", "properties": properties}
    head = {"description": f"Rows of {table}.", "x-table": table, "x-index": index}
    return {"type": ["array", "null"], **head, "items": items}


def names(table: Table) -> list[str]:
    """Returns the columns that are no keys."""
    return [column.name for column in table.columns]


def keys(table: Table) -> list[str]:
    """Returns the key columns."""
    return [column.name for column in table.keys]


def test_a_scalar_is_a_column_in_source_order() -> None:
    """Scalars become columns named in snake_case, in the order of the schema, with their types."""
    table = shop(
        shopName=TEXT,
        isOpen={"type": "boolean", "description": "Open."},
        area={"type": ["number", "null"], "description": "Area.", "x-unit": "px"},
        floors=SMALL,
        visitors={"type": "integer", "description": "Visitors."},
    )
    assert [(c.name, c.type, c.kind, c.path) for c in table.columns] == [
        ("shop_name", pa.string(), "value", ("shopName",)),
        ("is_open", pa.bool_(), "value", ("isOpen",)),
        ("area", pa.float64(), "value", ("area",)),
        ("floors", pa.int32(), "value", ("floors",)),
        ("visitors", pa.int64(), "value", ("visitors",)),
    ]
    assert [c.unit for c in table.columns] == [None, None, "px", None, None]
    assert (table.name, table.description, table.family) == ("shops", "One row per shop.", "Shop")
    assert keys(table) == ["job_id", "result_index"]


def test_values_of_a_result_are_never_required() -> None:
    """Absent and null are allowed whatever the schema's type says; keys never are."""
    table = shop(a=SMALL, b=TEXT, c=rows("shop_rows", "row_index"))
    assert [c.required for c in table.columns] == [False, False, False]
    assert all(c.required for c in (*table.keys, *table.children[0].keys))


def test_x_column_names_the_column() -> None:
    """`x-column` stands in place of the wire name."""
    assert names(shop(**{"from": {**TEXT, "x-column": "start_seconds"}})) == ["start_seconds"]


def test_a_plain_object_is_inlined() -> None:
    """Columns of objects within objects lie in the row, in place, with their whole path."""
    point = {"type": "object", "properties": {"x": SMALL, "y": SMALL}}
    place = {"type": ["object", "null"], "properties": {"street": TEXT, "point": point}}
    table = shop(before=TEXT, place=place, after=TEXT)
    assert [(c.name, c.path) for c in table.columns] == [
        ("before", ("before",)),
        ("street", ("place", "street")),
        ("x", ("place", "point", "x")),
        ("y", ("place", "point", "y")),
        ("after", ("after",)),
    ]
    assert table.children == ()


def test_an_array_of_objects_is_a_table_and_a_count() -> None:
    """The parent keeps the count, the child gets the parent's keys and its own index."""
    drawers = rows("shop_drawers", "drawer_index", label=TEXT)
    table = shop(
        name=TEXT, shelves=rows("shop_shelves", "shelf_index", drawers=drawers, size=SMALL)
    )
    shelves = table.children[0]
    assert names(table) == ["name", "shelves_count"]
    assert (table.columns[1].kind, table.columns[1].type) == ("count", pa.int32())
    assert (shelves.name, shelves.path, shelves.description) == (
        "shop_shelves",
        ("shelves",),
        "Rows of shop_shelves.",
    )
    assert keys(shelves) == ["job_id", "result_index", "shelf_index"]
    assert names(shelves) == ["drawers_count", "size"]
    assert keys(shelves.children[0]) == ["job_id", "result_index", "shelf_index", "drawer_index"]
    assert [t.name for t in table.walk()] == ["shops", "shop_shelves", "shop_drawers"]
    assert {t.family for t in table.walk()} == {"Shop"}


def test_an_array_inside_a_plain_object_keeps_its_path() -> None:
    """A table's path leads through the plain objects above its array."""
    inner = {"type": "object", "properties": {"shelves": rows("shop_shelves", "shelf_index")}}
    table = shop(hall=inner)
    assert table.children[0].path == ("hall", "shelves")
    assert table.columns[0].path == ("hall", "shelves")


def test_x_column_names_the_count_of_an_array() -> None:
    """`x-column` on an array names its count, without `_count`."""
    array = {**rows("shop_shelves", "shelf_index"), "x-column": "shelves"}
    assert names(shop(detailInfo=array)) == ["shelves_count"]
    assert names(shop(detailInfo=rows("shop_shelves", "shelf_index"))) == ["detail_info_count"]


def test_an_array_of_fixed_length_is_spread_over_columns() -> None:
    """Each item of an `x-columns` array has its own column with type and unit of the items."""
    corner = {
        "type": ["array", "null"],
        "items": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        "description": "A corner.",
        "x-columns": ["box_left", "box_top"],
        "x-unit": "px",
    }
    assert [(c.name, c.item, c.type, c.unit, c.path) for c in shop(leftTop=corner).columns] == [
        ("box_left", 0, pa.int32(), "px", ("leftTop",)),
        ("box_top", 1, pa.int32(), "px", ("leftTop",)),
    ]


def test_fields_of_a_json_text_follow_the_text() -> None:
    """An `x-json` text keeps its own column; its fields follow, prefixed, with their types."""
    fields = {
        "nameEn": {"type": "string", "description": "Name."},
        "lon": {"type": "number", "description": "East.", "x-unit": "deg", "x-column": "longitude"},
    }
    text = {**TEXT, "x-json": {"prefix": "info_", "description": "More.", "properties": fields}}
    table = shop(info=text)
    assert [(c.name, c.kind, c.type, c.json_key, c.unit) for c in table.columns] == [
        ("info", "value", pa.string(), None, None),
        ("info_name_en", "json", pa.string(), "nameEn", None),
        ("info_longitude", "json", pa.float64(), "lon", "deg"),
    ]
    assert {c.path for c in table.columns} == {("info",)}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, pa.string()),
        ({"type": ["string", "null"]}, pa.string()),
        ({"type": ["null", "boolean"]}, pa.bool_()),
        ({"type": "number", "minimum": 0, "maximum": 1}, pa.float64()),
        ({"type": "integer"}, pa.int64()),
        ({"type": "integer", "minimum": 0}, pa.int64()),
        ({"type": "integer", "maximum": 5}, pa.int64()),
        ({"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}, pa.int32()),
        ({"type": "integer", "minimum": -(2**31) - 1, "maximum": 0}, pa.int64()),
        ({"type": "integer", "minimum": 0, "maximum": 2**31}, pa.int64()),
        ({"type": "string", "format": "date-time"}, pa.timestamp("us")),
        ({"type": "string", "format": "uri"}, pa.string()),
    ],
)
def test_scalar_types(schema: dict[str, Any], expected: pa.DataType) -> None:
    """An integer is 32 bits wide only where both its bounds say that is enough."""
    assert scalar_type(schema) == expected


@pytest.mark.parametrize("kind", ["array", "object", "null", ["null"]])
def test_what_is_no_scalar_is_refused(kind: str | list[str]) -> None:
    """A type no column can hold is a configuration error with the remedy."""
    with pytest.raises(ConfigurationError, match="is no scalar; give arrays an x-table"):
        scalar_type({"type": kind})


def test_an_array_without_table_or_columns_is_refused() -> None:
    """Lists of scalars are not put into a column."""
    with pytest.raises(ConfigurationError, match="'array' is no scalar"):
        shop(tags={"type": "array", "description": "Tags.", "items": {"type": "string"}})


def test_blobs_are_read_with_integers_as_doubles() -> None:
    """10 and 10.0 are one value, so integers are read as doubles; nullness makes no difference."""
    point = {"type": ["object", "null"], "properties": {"x": SMALL, "open": {"type": "boolean"}}}
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"]},
            "score": {"type": "number"},
            "points": {"type": ["array", "null"], "items": point},
            "pair": {"type": "array", "items": {"type": "integer"}},
        },
    }
    assert read_type(schema) == pa.struct(
        [
            ("name", pa.string()),
            ("score", pa.float64()),
            ("points", pa.list_(pa.struct([("x", pa.float64()), ("open", pa.bool_())]))),
            ("pair", pa.list_(pa.float64())),
        ]
    )


def test_a_system_table_is_flat_with_a_named_key() -> None:
    """`x-key` names the key of a system table; only what may be null is nullable."""
    table = compile_table(
        {
            "x-table": "visits",
            "x-key": ["shop_id", "visit_index"],
            "description": "One row per visit.",
            "properties": {
                "shop_id": {"type": "string", "description": "Shop."},
                "at": {"type": "string", "format": "date-time", "description": "When."},
                "visit_index": SMALL,
                "size": {"type": ["integer", "null"], "description": "Size.", "x-unit": "bytes"},
            },
        }
    )
    assert (table.name, table.description, table.family) == (
        "visits",
        "One row per visit.",
        "system",
    )
    assert keys(table) == ["shop_id", "visit_index"]
    assert [(c.name, c.type, c.required, c.unit) for c in table.columns] == [
        ("at", pa.timestamp("us"), True, None),
        ("size", pa.int64(), False, "bytes"),
    ]
    assert {c.kind for c in table.keys} == {"key"}


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("name", "name"),
        ("mainTagName", "main_tag_name"),
        ("JobId", "job_id"),
        ("category1", "category1"),
        ("labelLevel2", "label_level2"),
        ("box2Top", "box2_top"),
        ("already_snake", "already_snake"),
    ],
)
def test_wire_names_become_snake_case(wire: str, expected: str) -> None:
    """A capital after a small letter or digit starts a new word."""
    assert snake_case(wire) == expected


def test_description_and_unit_travel_as_field_metadata() -> None:
    """Arrow fields say what the schema says; a column without a unit has none."""
    seconds = Column("at", pa.float64(), "value", "When.", unit="s").to_field()
    assert seconds.metadata == {b"description": b"When.", b"unit": b"s"}
    assert seconds.nullable
    plain = Column("id", pa.string(), "key", "Id.", required=True).to_field()
    assert plain.metadata == {b"description": b"Id."}
    assert not plain.nullable


def test_arrow_schema_starts_with_the_keys() -> None:
    """A table's Arrow schema has its keys first and says which they are."""
    table = shop(name=TEXT, shelves=rows("shop_shelves", "shelf_index", label=TEXT)).children[0]
    schema = table.arrow_schema
    assert schema.names == ["job_id", "result_index", "shelf_index", "label"]
    assert schema.metadata[b"key"] == b"job_id,result_index,shelf_index"
    assert schema.metadata[b"description"] == b"Rows of shop_shelves."
    assert schema.field("shelf_index").type == pa.int32()


@pytest.mark.parametrize("kind", TYPES)
def test_table_names_begin_with_their_family(kind: str) -> None:
    """Every table of a Type is named after its family, and no other Type's table is."""
    assert all(t.name.startswith(PREFIXES[kind]) for t in contract_of(kind).tables)
    others = [t.name for c in load_contracts().distinct if c.type != kind for t in c.tables]
    assert not [name for name in others if name.startswith(PREFIXES[kind])]


@pytest.mark.parametrize("kind", TYPES)
def test_keys_grow_by_one_index_a_level(kind: str) -> None:
    """Each nesting level adds one `<thing>_index` to its parent's key."""
    for parent in contract_of(kind).tables:
        for child in parent.children:
            assert child.keys[:-1] == parent.keys
            assert child.keys[-1].name.endswith("_index")
            assert child.keys[-1].type == pa.int32()


def test_one_quantity_has_one_name_and_unit() -> None:
    """Times end in `_seconds` and nothing else does; boxes are pixels; counts have no unit."""
    for table in load_contracts().tables.values():
        for column in table.columns:
            assert (column.unit == "s") == column.name.endswith("_seconds"), column
            assert column.unit == "px" or not column.name.startswith(("box_", "bbox_")), column
            assert column.unit is None or not column.name.endswith("_count"), column
