"""What may change about tables: anything may be added, nothing may go or change its type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from lake_kit import Landing, lake_of, new_home, titled, tree

from transforms import kept_tables, pipeline
from transforms.compatibility import (
    Layout,
    changed_meanings,
    disclosures,
    from_document,
    incompatible_changes,
    layouts_of,
    to_document,
)
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError, LakeFormatError
from transforms.layout import Column, Table

OLD = {
    "talks": Layout(("job_id",), {"job_id": "string", "title": "string", "seconds": "double"}),
    "words": Layout(
        ("job_id", "word_index"), {"job_id": "string", "word_index": "int32", "text": "string"}
    ),
}


def changed(**tables: Layout | None) -> dict[str, Layout]:
    """Returns the old layouts with some tables replaced, or taken out by None."""
    return {name: layout for name, layout in (OLD | tables).items() if layout is not None}


TALKS, WORDS = OLD["talks"], OLD["words"]


def test_additions_are_compatible() -> None:
    """The same, another order, a new column and a new table are no incompatible changes."""
    assert incompatible_changes(OLD, OLD) == []
    turned = Layout(TALKS.keys, dict(reversed(TALKS.columns.items())))
    assert incompatible_changes(OLD, changed(talks=turned)) == []
    wider = Layout(TALKS.keys, {**TALKS.columns, "speaker": "string"})
    more = Layout(("job_id",), {"job_id": "string"})
    assert incompatible_changes(OLD, changed(talks=wider, notes=more)) == []
    assert incompatible_changes({}, OLD) == []


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (changed(words=None), ["the table words is gone"]),
        (
            changed(talks=Layout(("job_id",), {"job_id": "string", "seconds": "double"})),
            ["the column talks.title (string) is gone"],
        ),
        (
            changed(talks=Layout(TALKS.keys, {**TALKS.columns, "seconds": "int64"})),
            ["talks.seconds was double and is now int64"],
        ),
        (
            changed(talks=Layout(("job_id", "title"), TALKS.columns)),
            ["talks.title has become part of the key"],
        ),
        (
            changed(
                words=Layout((*WORDS.keys, "part_index"), {**WORDS.columns, "part_index": "i"})
            ),
            ["words.part_index has become part of the key"],
        ),
        (
            changed(words=Layout(("job_id",), WORDS.columns)),
            ["the key of words was job_id, word_index and is now job_id"],
        ),
        (
            changed(words=Layout(("word_index", "job_id"), WORDS.columns)),
            ["the key of words was job_id, word_index and is now word_index, job_id"],
        ),
        ({}, ["the table talks is gone", "the table words is gone"]),
    ],
)
def test_each_other_change_is_told(new: dict[str, Layout], told: list[str]) -> None:
    """What goes, changes its type or its key is told in words, with the names and types."""
    assert incompatible_changes(OLD, new) == told


def test_layouts_are_those_of_the_parquet_files() -> None:
    """Keys and types of a layout are those of the Arrow schema, for every table."""
    tables = load_contracts().tables
    layouts = layouts_of(tables.values())
    for name, table in tables.items():
        schema = table.arrow_schema
        assert layouts[name].columns == {f.name: str(f.type) for f in schema}
        assert ",".join(layouts[name].keys).encode() == schema.metadata[b"key"]


TONE = Column("tone", pa.string(), "value", "T.", path=("tone",), unit="Hz", private="links")
SONGS = Table("songs", "One row per song.", (), path=("songs",), columns=(TONE,))
ALBUMS = Table("albums", "One row per album.", (), children=(SONGS,))


def albums(songs: Table) -> Table:
    """Returns albums with these songs."""
    return replace(ALBUMS, children=(songs,))


@pytest.mark.parametrize(
    ("songs", "told"),
    [
        (SONGS, []),
        (replace(SONGS, columns=(replace(TONE, description="Other.", private=""),)), []),
        (replace(SONGS, columns=(TONE, replace(TONE, name="new"))), []),
        (
            replace(SONGS, columns=(replace(TONE, unit=None),)),
            ["the unit of songs.tone was Hz and is now none"],
        ),
        (
            replace(SONGS, columns=(replace(TONE, scale=1000),)),
            ["the scale of songs.tone was 1 and is now 1000"],
        ),
        (
            replace(SONGS, columns=(replace(TONE, path=("pitch",)),)),
            ["the source of songs.tone was /songs/tone and is now /songs/pitch"],
        ),
        (
            replace(SONGS, path=("tracks",)),
            ["the source of songs.tone was /songs/tone and is now /tracks/tone"],
        ),
        (
            replace(SONGS, columns=(replace(TONE, item=0),)),
            ["the position in the source of songs.tone was none and is now 0"],
        ),
        (
            replace(SONGS, columns=(replace(TONE, json_key="k"),)),
            ["the key in the JSON text of songs.tone was none and is now k"],
        ),
        (
            replace(SONGS, kind="split", separator=";"),
            [
                "the kind of songs.tone was value of array and is now value of split",
                "the separator of songs.tone was none and is now ;",
            ],
        ),
    ],
)
def test_another_meaning_of_a_column_is_told(songs: Table, told: list[str]) -> None:
    """Unit, scale and source make the meaning; words, privacy and new columns leave it be."""
    assert changed_meanings(ALBUMS, albums(songs)) == told


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("", "all", []),
        ("links", "links", []),
        ("links", "all", []),
        ("links", "", ['songs.tone has x-private "links" and would have none']),
        ("all", "links", ['songs.tone has x-private "all" and would have "links"']),
    ],
)
def test_what_becomes_less_private_is_told(
    was: Literal["", "links", "all"], now: Literal["", "links", "all"], told: list[str]
) -> None:
    """Of `all`, `links` and nothing, each is more private than the next."""
    old, new = (replace(SONGS, columns=(replace(TONE, private=each),)) for each in (was, now))
    assert disclosures([old], {"songs": new}) == told


def test_a_document_holds_layouts_whole() -> None:
    """Layouts come back from their plain form as they were; something else is refused."""
    assert from_document(to_document(OLD)) == OLD
    with pytest.raises(KeyError):
        from_document({"talks": {"keys": []}})
    with pytest.raises(TypeError):
        from_document({"talks": 1})


NOTED = "tables.json"


def test_the_first_flattening_notes_the_tables(tmp_path: Path) -> None:
    """A lake without the note, such as an older one, gets it from the schemas and keeps it."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    assert not (tmp_path / "lake" / NOTED).exists()
    pipeline.flatten(settings)
    noted = (tmp_path / "lake" / NOTED).read_bytes()
    (tmp_path / "lake" / NOTED).unlink()
    pipeline.flatten(settings)
    assert (tmp_path / "lake" / NOTED).read_bytes() == noted
    written = (tmp_path / "lake" / NOTED).stat().st_mtime_ns
    pipeline.flatten(settings)
    assert (tmp_path / "lake" / NOTED).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"tables\.json of .* cannot be read: delete it"),
        (b"[]", r"tables\.json of .* cannot be read: delete it"),
        (b'{"format":1,"tables":{"jobs":{"keys":[]}}}', r"cannot be read: delete it"),
        (b'{"format":1,"tables":[]}', r"cannot be read: delete it"),
        (b'{"format":2,"tables":{}}', r"has format 2, this version reads 1: upgrade"),
    ],
)
def test_a_damaged_note_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A note that cannot be read stops the flattening with the remedy, and nothing is written."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    lake_of(settings).write_bytes(NOTED, content)
    before = tree(tmp_path)
    with pytest.raises(LakeFormatError, match=message):
        pipeline.flatten(settings)
    assert tree(tmp_path) == before


def test_a_lake_with_more_than_the_schemas_is_refused(tmp_path: Path) -> None:
    """Each way to flatten refuses a lake whose tables the schemas lack; nothing is written."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    storage, contracts = lake_of(settings), load_contracts()
    layouts = to_document(layouts_of(contracts.tables.values()))
    layouts["meta_titles"]["columns"]["language"] = "string"
    layouts["gardens"] = {"keys": ["job_id"], "columns": {"job_id": "string"}}
    document = {"format": 1, "tables": layouts}
    storage.write_bytes(NOTED, str(document).replace("'", '"').encode())
    before = tree(tmp_path)
    (raw_file,) = pipeline.stale_batches(settings)
    for attempt in (
        lambda: pipeline.flatten(settings),
        lambda: pipeline.flatten_batches(settings, [raw_file]),
        lambda: kept_tables.keep_tables(storage, contracts),
        lambda: kept_tables.require_compatible(storage, contracts),
    ):
        with pytest.raises(ConfigurationError) as refused:
            attempt()
        told = str(refused.value)
        assert "the column meta_titles.language (string) is gone; the table gardens is gone" in told
        assert "COGNITION_SCHEMAS" in told
        assert "new lake" in told
        assert tree(tmp_path) == before
