"""Tables and columns as Arrow has them: order, keys, descriptions and units."""

from __future__ import annotations

import pyarrow as pa

from transforms.layout import Column, Table

JOB = Column("job_id", pa.string(), "key", "Id of the job.", required=True)
SHELF = Column("shelf_index", pa.int32(), "key", "Position.", required=True)
LABEL = Column("label", pa.string(), "value", "Text.", path=("label",))


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
    table = Table("shop_shelves", "One row per shelf.", (JOB, SHELF), columns=(LABEL,))
    schema = table.arrow_schema
    assert schema.names == ["job_id", "shelf_index", "label"]
    assert schema.metadata == {b"key": b"job_id,shelf_index", b"description": b"One row per shelf."}
    assert schema.field("shelf_index").type == pa.int32()
    assert [field.nullable for field in schema] == [False, False, True]


def test_tables_are_walked_parents_first() -> None:
    """A table comes before those inside it, and those in the order of the source."""
    names = {"a": ("b", "d"), "b": ("c",), "c": (), "d": ()}

    def made(name: str) -> Table:
        return Table(name, "", (JOB,), children=tuple(made(child) for child in names[name]))

    assert [table.name for table in made("a").walk()] == ["a", "b", "c", "d"]
