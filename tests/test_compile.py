"""Compiling schemas into tables: one rule a test, on a schema made for it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from contract_kit import TYPES, contract_of

from transforms.compile import (
    compile_result,
    compile_table,
    read_type,
    scalar_type,
    snake_case,
)
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError
from transforms.layout import Table

PREFIXES = {
    "VideoLabel": "video_",
    "ImageLabel": "image_",
    "TextLabel": "text_",
    "CPVLabel": "cpv_",
    "ASR": "asr_",
    "OCR": "ocr_",
    "Meta": "meta_",
    "NLP": "nlp_",
    "Subtitle": "subtitle_",
    "Process": "process_",
    "EventSplit": "event_",
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
        visitors={**SMALL, "maximum": 2**53},
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


def test_each_column_of_an_array_has_its_own_description() -> None:
    """`x-descriptions` tells of the columns one by one; without it all have the array's text."""
    corner = {
        "type": ["array", "null"],
        "items": {"type": "integer", "minimum": 0, "maximum": 99},
        "description": "A corner.",
        "x-columns": ["box_left", "box_top"],
    }
    told = {**corner, "x-descriptions": ["x of the corner.", "y of the corner."]}
    for node, texts in ((told, told["x-descriptions"]), (corner, ["A corner.", "A corner."])):
        assert [column.description for column in shop(leftTop=node).columns] == texts


@pytest.mark.parametrize("texts", [["x of it."], ["x of it.", "y of it.", "z of it."]])
def test_each_column_of_an_array_is_described_once(texts: list[str]) -> None:
    """A description too few or too many is refused: it would stand at the wrong column."""
    corner = {
        "type": "array",
        "items": {"type": "number"},
        "description": "A corner.",
        "x-columns": ["box_left", "box_top"],
        "x-descriptions": texts,
    }
    said = f"x-columns names 2 columns, and x-descriptions has {len(texts)}: give each one"
    with pytest.raises(ConfigurationError, match=said):
        shop(leftTop=corner)


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


def test_an_object_with_a_table_is_a_row_of_its_own() -> None:
    """Its columns leave the row around it; its rows have the parent's key and are not counted."""
    owner = {"name": TEXT, "pets": rows("shop_pets", "pet_index", name=TEXT)}
    own = {"description": "One row per owner.", "x-table": "shop_owners"}
    table = shop(
        hall={
            "type": "object",
            "properties": {
                "owner": {"type": ["object", "null"], **own, "properties": owner},
                "height": SMALL,
            },
        },
        name=TEXT,
    )
    assert names(table) == ["height", "name"]
    (owners,) = table.children
    assert (owners.name, owners.kind, owners.path) == ("shop_owners", "object", ("hall", "owner"))
    assert owners.description == "One row per owner."
    assert owners.keys == table.keys
    assert [(c.name, c.path) for c in owners.columns] == [
        ("name", ("name",)),
        ("pets_count", ("pets",)),
    ]
    assert keys(owners.children[0]) == ["job_id", "result_index", "pet_index"]
    assert [t.name for t in table.walk()] == ["shops", "shop_owners", "shop_pets"]


def test_plain_objects_of_a_row_are_known() -> None:
    """A table lists the paths of the objects inlined into its rows, not of those with a table."""
    point = {"type": "object", "properties": {"x": SMALL}}
    place = {"type": "object", "properties": {"point": point, "street": TEXT}}
    own = {"type": "object", "description": "One row per owner.", "x-table": "shop_owners"}
    table = shop(
        place=place,
        owner={**own, "properties": {"home": place}},
        shelves=rows("shop_shelves", "shelf_index", place=point),
    )
    assert [each.objects for each in table.walk()] == [
        (("place",), ("place", "point")),
        (("home",), ("home", "point")),
        (("place",),),
    ]


def test_an_array_of_texts_is_a_table_of_one_column() -> None:
    """Items that are scalars have their column by `x-column`; it lies where the element is."""
    item = {"type": "string", "description": "A tag.", "x-column": "tag"}
    head = {"description": "One row per tag.", "x-table": "shop_tags", "x-index": "tag_index"}
    table = shop(tags={"type": ["array", "null"], **head, "items": item})
    assert names(table) == ["tags_count"]
    (tags,) = table.children
    assert keys(tags) == ["job_id", "result_index", "tag_index"]
    assert [(c.name, c.type, c.path, c.item) for c in tags.columns] == [
        ("tag", pa.string(), (), None)
    ]
    assert tags.kind == "array"


def test_an_array_of_pairs_is_a_table_of_their_columns() -> None:
    """Items that are arrays of fixed length give a row each, a column an item."""
    pair = {
        "type": "array",
        "items": SMALL,
        "minItems": 2,
        "maxItems": 2,
        "description": "Open from and to.",
        "x-columns": ["start_seconds", "end_seconds"],
        "x-unit": "ms",
    }
    head = {"description": "One row per hour.", "x-table": "shop_hours", "x-index": "hour_index"}
    (hours,) = shop(hours={"type": "array", **head, "items": pair}).children
    assert [(c.name, c.path, c.item, c.type, c.unit, c.scale) for c in hours.columns] == [
        ("start_seconds", (), 0, pa.float64(), "s", 1000),
        ("end_seconds", (), 1, pa.float64(), "s", 1000),
    ]


def test_items_that_are_scalars_need_a_name() -> None:
    """An array of texts whose items have no `x-column` is refused with the remedy."""
    head = {"description": "Tags.", "x-table": "shop_tags", "x-index": "tag_index"}
    array = {"type": "array", **head, "items": {"type": "string", "description": "A tag."}}
    with pytest.raises(ConfigurationError, match="items that are scalars need an x-column"):
        shop(tags=array)


TOPICS: dict[str, Any] = {
    "type": ["array", "null"],
    "description": "One row per part.",
    "x-table": "shop_parts",
    "x-index": "part_index",
    "x-tree": "subPart",
    "items": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "subPart": {"$ref": "#/$defs/parts"},
            "size": SMALL,
        },
    },
}


def test_a_tree_is_a_table_of_its_nodes() -> None:
    """Its rows have their place in the tree first; the parent counts the nodes of all levels."""
    table = shop(parts=TOPICS)
    (count,) = table.columns
    assert (count.name, count.kind, count.path) == ("parts_count", "count", ("parts",))
    assert count.description == "Number of nodes in parts, of all levels; NULL when it is absent."
    (parts,) = table.children
    assert (parts.kind, parts.tree_key, parts.children) == ("tree", "subPart", ())
    assert keys(parts) == ["job_id", "result_index", "part_index"]
    assert [(c.name, c.kind, c.type, c.required) for c in parts.columns] == [
        ("parent_part_index", "tree", pa.int32(), False),
        ("depth", "tree", pa.int32(), False),
        ("sibling_index", "tree", pa.int32(), False),
        ("sub_parts_count", "tree", pa.int32(), False),
        ("name", "value", pa.string(), False),
        ("size", "value", pa.int32(), False),
    ]


def test_a_split_text_is_a_column_and_a_table() -> None:
    """The text stays in the row; its parts are a table that is not counted."""
    split = {
        "separator": ";",
        "x-table": "shop_tags",
        "x-index": "tag_index",
        "description": "One row per tag.",
        "items": {"type": "string", "x-column": "tag", "description": "A tag."},
    }
    table = shop(tags={**TEXT, "x-split": split, "x-column": "tag_text"})
    assert names(table) == ["tag_text"]
    (tags,) = table.children
    assert (tags.kind, tags.separator, tags.path) == ("split", ";", ("tags",))
    assert tags.description == "One row per tag."
    assert keys(tags) == ["job_id", "result_index", "tag_index"]
    assert [(c.name, c.type, c.path) for c in tags.columns] == [("tag", pa.string(), ())]


PAIR = {"type": "array", "minItems": 2, "maxItems": 2, "description": "P.", "x-unit": "ms"}


@pytest.mark.parametrize(
    "node",
    [
        {"type": ["number", "null"], "description": "At.", "x-unit": "ms"},
        {"items": {"type": "number"}, "x-columns": ["a", "b"], **PAIR},
    ],
    ids=["scalar", "pair"],
)
def test_milliseconds_are_whole(node: dict[str, Any]) -> None:
    """A number with a fraction would not come back from seconds: the schema is refused."""
    with pytest.raises(ConfigurationError, match="milliseconds need an integer: only whole ones"):
        shop(at=node)


def test_milliseconds_become_a_column_of_seconds() -> None:
    """Whole milliseconds are a DOUBLE in seconds; every other unit stays as it is."""
    late = {**SMALL, "maximum": 10**15, "x-unit": "ms", "x-column": "start_seconds"}
    table = shop(start=late, rate={**SMALL, "x-unit": "Hz"})
    assert [(c.name, c.type, c.unit, c.scale) for c in table.columns] == [
        ("start_seconds", pa.float64(), "s", 1000),
        ("rate", pa.int32(), "Hz", 1),
    ]


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"minimum": 0},
        {"maximum": 0},
        {"minimum": 0, "maximum": 2**53 + 1},
        {"minimum": -(2**53) - 1, "maximum": 0},
        {"minimum": -(2**63), "maximum": 2**63 - 1},
    ],
)
def test_an_integer_of_a_result_is_bounded(bounds: dict[str, int]) -> None:
    """Integers that a double might not hold are refused, in arrays of fixed length too."""
    integer = {"type": "integer", "description": "Many.", **bounds}
    pair = {"type": "array", "items": integer, "description": "Pair.", "x-columns": ["a", "b"]}
    for node in (integer, pair):
        with pytest.raises(ConfigurationError, match="a minimum and a maximum between -2\\^53"):
            shop(many=node)
    assert shop(many={**integer, "minimum": -(2**53), "maximum": 2**53}).columns[0].type == (
        pa.int64()
    )


def test_a_tree_is_read_as_the_rows_it_is_laid_out_as() -> None:
    """Nodes are read without their own nodes, whose number is read in their place."""
    assert read_type({"type": "object", "properties": {"parts": TOPICS}}) == pa.struct(
        [
            (
                "parts",
                pa.list_(
                    pa.struct(
                        [
                            ("name", pa.string()),
                            ("size", pa.float64()),
                            ("subPart", pa.float64()),
                            ("#parent", pa.float64()),
                            ("#depth", pa.float64()),
                            ("#sibling", pa.float64()),
                        ]
                    )
                ),
            )
        ]
    )


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


@pytest.mark.parametrize("kind", TYPES)
def test_table_names_begin_with_their_family(kind: str) -> None:
    """Every table of a Type is named after its family, and no other Type's table is."""
    assert all(t.name.startswith(PREFIXES[kind]) for t in contract_of(kind).tables)
    others = [t.name for c in load_contracts().distinct if c.type != kind for t in c.tables]
    assert not [name for name in others if name.startswith(PREFIXES[kind])]


@pytest.mark.parametrize("kind", TYPES)
def test_keys_grow_by_one_index_a_level(kind: str) -> None:
    """Each nesting level adds one `<thing>_index` to its parent's key, an object none."""
    for parent in contract_of(kind).tables:
        for child in parent.children:
            if child.kind == "object":
                assert child.keys == parent.keys
                continue
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
