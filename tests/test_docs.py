"""What is generated for people and tools says what the schemas and the SQL say, and is current."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from contract_kit import walk_schema
from jsonschema import Draft202012Validator
from sql_kit import empty_warehouse
from warehouse_lake import commit, new_lake, speech_job

from transforms import paths
from transforms.contract import Contracts, load_contracts
from transforms.docs.__main__ import main
from transforms.docs.catalog import View, read_catalog
from transforms.docs.dbt import sources
from transforms.docs.diagram import er_diagram
from transforms.docs.dictionary import data_dictionary
from transforms.docs.picture import draw
from transforms.docs.relations import all_columns
from transforms.errors import ConfigurationError
from transforms.warehouse import load_batches
from transforms.warehouse.checks import run_checks
from transforms.warehouse.ddl import OWN_TABLES, create_table, duckdb_type
from transforms.warehouse.publish import publish
from transforms.warehouse.views import create_views

ROOT = Path(__file__).parent.parent
SQL = paths.sql_dir()
GARDEN: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Garden",
    "description": "What grows | where.",
    "x-type": "Garden",
    "x-aliases": ["garden"],
    "x-version": 3,
    "x-table": "garden_results",
    "x-grain": "One row per Garden result.",
    "x-warning": "Gardens differ.",
    "type": "object",
    "required": ["beds"],
    "properties": {
        "beds": {
            "type": ["array", "null"],
            "description": "One row per bed.",
            "x-warning": "Beds | overlap.",
            "x-table": "garden_beds",
            "x-index": "bed_index",
            "items": {
                "type": "object",
                "properties": {
                    "place": {
                        "type": ["object", "null"],
                        "properties": {
                            "at": {
                                "type": ["array", "null"],
                                "description": "Corner | of the bed.",
                                "examples": [[3, 4], [5, -6]],
                                "items": {
                                    "type": "integer",
                                    "minimum": -2147483648,
                                    "maximum": 2147483647,
                                },
                                "minItems": 2,
                                "maxItems": 2,
                                "x-columns": ["at_x", "at_y"],
                                "x-unit": "px",
                            }
                        },
                    },
                    "watered": {
                        "type": ["integer", "null"],
                        "description": "How long.",
                        "examples": [1250],
                        "x-warning": "Rain is not counted.",
                        "minimum": 0,
                        "maximum": 1000000,
                        "x-unit": "ms",
                        "x-column": "watered_seconds",
                    },
                    "plants": {
                        "type": ["array", "null"],
                        "description": "One row per plant.",
                        "x-table": "garden_plants",
                        "x-index": "plant_index",
                        "items": {
                            "type": "object",
                            "properties": {
                                "facts": {
                                    "type": ["string", "null"],
                                    "description": "Facts as text.",
                                    "examples": [""],
                                    "x-json": {
                                        "prefix": "fact_",
                                        "description": "Facts.",
                                        "properties": {
                                            "tiltDeg": {
                                                "description": "Tilt.",
                                                "examples": [0.5],
                                                "x-warning": "Of the stem.",
                                                "type": "number",
                                                "x-unit": "deg",
                                            }
                                        },
                                    },
                                }
                            },
                        },
                    },
                },
            },
        }
    },
}
BEDS = """\
-- Question: How dry is each bed?
-- Grain: one row per bed
-- Reads: jobs
-- Units: litres
-- Warning: Beds overlap:
--     never add them up.
-- Made up for a test.
-- Columns:
--   job_id: Id of the job. Example: j-1.
--   water_litres [l]: Water it was
--       given. Warning: Rain is not counted. Example: 1.25.
--   plants_count: Plants in it.
--   note [none]: What is | said.
CREATE OR REPLACE VIEW beds AS
SELECT
    job_id,
    1.5::DOUBLE AS water_litres,
    2::INTEGER AS plants_count,
    '' AS note
FROM jobs;
"""
WILTED = """\
-- Question: Which plants wilt?
-- Grain: one row per plant
-- Reads: beds
-- Units: litres
-- Warning: A plant may recover.
-- Parameters:
--   name: Its name.
--   least_litres [l]: Least water it
--       needs; default 3. Warning: Of a day. Example: 2.5.
-- Columns:
--   job_id: Id of the job. Example: j-1.
--   water_litres [l]: Water it was given.
CREATE OR REPLACE MACRO wilted(name, least_litres := 3) AS TABLE
    SELECT
        job_id,
        water_litres
    FROM beds
    WHERE water_litres < least_litres;
"""
SOWN = """\
-- Question: What was sown?
-- Grain: one row per job
-- Reads: jobs
-- Units: none
-- Columns:
--   job_id: Id of the job.
CREATE OR REPLACE MACRO sown() AS TABLE SELECT job_id FROM jobs;
"""
NO_WARNING: dict[str, str] = {}
"""Marts and macros that mislead nobody, each with the reason."""
TABLES = (*load_contracts().tables.values(), *OWN_TABLES)


@pytest.fixture
def garden(tmp_path: Path) -> Contracts:
    """Returns contracts of the shipped system tables and one Type made up here."""
    folder = tmp_path / "schemas"
    shutil.copytree(paths.schemas_dir(), folder, ignore=shutil.ignore_patterns("results"))
    (folder / "results").mkdir()
    (folder / "results/garden.schema.json").write_text(json.dumps(GARDEN))
    return load_contracts(base=folder)


@pytest.fixture
def own_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns a folder of SQL with one mart and two macros made up here, in use."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL / "system", folder / "system")
    for path, text in (("marts/beds", BEDS), ("macros/wilted", WILTED), ("macros/sown", SOWN)):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / f"{path}.sql").write_text(text, "utf-8")
    monkeypatch.setattr(paths, "sql_dir", lambda: folder)
    return folder


@cache
def views() -> tuple[View, ...]:
    """Returns the shipped marts, macros and system views."""
    return read_catalog(load_contracts())


@cache
def page() -> str:
    """Returns the shipped data dictionary."""
    return data_dictionary(load_contracts(), views())


def sections(text: str) -> dict[str, str]:
    """Returns what stands under each heading of a table, mart or macro."""
    return dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))


@cache
def dbt_sources() -> Any:  # noqa: ANN401 - YAML
    """Returns the shipped `sources.yml`, parsed."""
    return yaml.safe_load(sources(load_contracts(), views()))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Returns a reader of a published warehouse."""
    place = tmp_path_factory.mktemp("docs")
    storage, home = new_lake(place), place / "warehouse"
    commit(storage, "b1", speech_job("job-1", (0.0, 1.0, "hello")))
    load_batches(storage, load_contracts(), home)
    run_checks(load_contracts(), home)
    publish(home)
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as connection:
        yield connection


def test_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """What lies in the repository is what the schemas and the SQL give now."""
    assert (main(["--check", "--into", str(ROOT / "docs")]), capsys.readouterr().err) == (0, "")


def test_check_fails_on_any_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--check` is 1 for an absent or edited file, names it and the remedy, and writes nothing."""
    monkeypatch.setattr("transforms.docs.__main__.read_catalog", lambda _: views())
    into = ["--into", str(tmp_path / "pages")]
    assert main(["--check", *into]) == 1
    assert not (tmp_path / "pages").exists()
    assert main(into) == 0
    assert main(["--check", *into]) == 0
    names = {str(p.relative_to(tmp_path / "pages")) for p in (tmp_path / "pages").rglob("*.*")}
    assert names == {"data-dictionary.md", "erd.md", "images/erd.svg", "dbt/sources.yml"}
    edited = tmp_path / "pages/images/erd.svg"
    edited.write_text(edited.read_text("utf-8").replace("jobs", "tasks", 1), "utf-8")
    capsys.readouterr()
    assert main(["--check", *into]) == 1
    told = capsys.readouterr().err
    assert f"{edited} is out of date: run python -m transforms.docs" in told
    assert told.count("is out of date") == 1


def test_every_scalar_column_has_an_example() -> None:
    """Only positions, counts and what the code numbers itself need none."""
    lacking = [
        f"{table.name}.{column.name}"
        for table in TABLES
        for column in all_columns(table)
        if not column.examples
        and not column.name.endswith(("_index", "_count"))
        and column.kind in {"key", "value", "json"}
    ]
    assert lacking == []


def test_every_column_of_a_view_has_an_example() -> None:
    """Positions and counts need none, as in tables; the parameters of macros do not go without."""
    lacking = [
        f"{view.name}.{field.name}"
        for view in views()
        for field in (*view.columns, *view.parameters)
        if not field.example
        and not re.search(r"_(index|count|position)$|^index_[0-9]$", field.name)
    ]
    assert lacking == []


def test_every_mart_and_macro_says_what_misleads() -> None:
    """Each has a warning, in sentences, unless there is a reason why it needs none."""
    wanted = {view.name for view in views() if view.kind != "system view"}
    assert {view.name for view in views() if not view.warning} & wanted == set(NO_WARNING)
    told = [view.warning for view in views() if view.warning]
    assert [text for text in told if not re.fullmatch("[A-Z].*[.]", text)] == []


def schema_nodes() -> Iterator[tuple[str, Any]]:
    """Yields every subschema with examples, those inside `x-json` and `x-split` included."""
    system = (paths.schemas_dir() / "tables").glob("*.schema.json")
    schemas = {c.type: c.gate.schema for c in load_contracts().distinct}
    schemas |= {file.name: json.loads(file.read_bytes()) for file in system}
    for name, schema in schemas.items():
        parts = [schema, *schema.get("$defs", {}).values()]
        for path, node in ((path, node) for part in parts for path, node in walk_schema(part)):
            inner = [*node.get("x-json", {}).get("properties", {}).values()]
            inner += [node["x-split"]["items"]] if "x-split" in node else []
            yield from ((f"{name}{path}", each) for each in (node, *inner) if "examples" in each)


def test_examples_keep_their_own_schema() -> None:
    """An example is accepted where it stands, and the first one, which comments show, expected."""
    wrong, seen = [], 0
    for place, node in schema_nodes():
        seen += 1
        judge = Draft202012Validator(node, format_checker=Draft202012Validator.FORMAT_CHECKER)
        wrong += [(place, example) for example in node["examples"] if not judge.is_valid(example)]
        expected = Draft202012Validator(node.get("x-expect", True))
        wrong += [(place, e) for e in node["examples"][:1] if not expected.is_valid(e)]
    assert wrong == []
    assert seen > 150


@pytest.mark.parametrize("warning", ["no sentence", "", 5, ["Beware."]])
def test_a_warning_is_a_sentence(garden: Contracts, tmp_path: Path, warning: object) -> None:
    """A schema whose warning is anything else is refused, with the place."""
    file = tmp_path / "schemas/results/garden.schema.json"
    file.write_text(json.dumps(GARDEN | {"x-warning": warning}))
    shutil.copytree(tmp_path / "schemas", tmp_path / "again")
    with pytest.raises(ConfigurationError, match=r"is not a schema: .* at /x-warning"):
        load_contracts(base=tmp_path / "again")


def test_comments_can_be_taken_apart() -> None:
    """No text holds the words that stand between description, warning, example and unit."""
    for table in TABLES:
        texts = [table.description, table.warning]
        texts += [t for c in all_columns(table) for t in (c.description, c.warning, c.example)]
        odd = [t for t in texts if re.search(r" (Warning|Example|Unit): |\n|\{[{%#]", t)]
        assert odd == [], table.name
    for view in views():
        texts = [view.question, view.grain, view.warning]
        for f in (*view.columns, *view.parameters):
            texts += [f.description, f.warning, f.example]
        odd = [t for t in texts if re.search(r" (Warning|Example|Unit): |\n|\{[{%#]", t)]
        assert odd == [], view.name


def test_warnings_name_what_is_there() -> None:
    """A table, column, mart or macro that a warning sends its reader to exists."""
    known = {table.name for table in TABLES} | {view.name for view in views()}
    known |= {column.name for table in TABLES for column in all_columns(table)}
    fields = [field for view in views() for field in (*view.columns, *view.parameters)]
    known |= {field.name for field in fields}
    told = [t.warning for t in TABLES] + [c.warning for t in TABLES for c in all_columns(t)]
    told += [view.warning for view in views()] + [field.warning for field in fields]
    named = {word for text in told for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)}
    assert "person_screen_time" in named
    assert named - {"split_part", "last_observation"} <= known


def test_parquet_fields_say_what_is_known(garden: Contracts) -> None:
    """Description, unit, warning and example are in the metadata; milliseconds became seconds."""
    schema = garden.tables["garden_beds"].arrow_schema
    assert schema.metadata[b"warning"] == b"Beds | overlap."
    assert schema.field("watered_seconds").metadata == {
        b"description": b"How long.",
        b"unit": b"s",
        b"warning": b"Rain is not counted.",
        b"example": b"1.25",
    }
    assert [schema.field(name).metadata[b"example"] for name in ("at_x", "at_y")] == [b"3", b"4"]
    assert garden.tables["garden_plants"].arrow_schema.field("facts").metadata == {
        b"description": b"Facts as text.",
        b"example": b"''",
    }


def test_everything_published_has_a_comment(published: duckdb.DuckDBPyConnection) -> None:
    """Each table, view, macro and column of a published warehouse is explained in its catalog."""
    silent = published.execute(
        "SELECT table_name FROM duckdb_tables() WHERE coalesce(comment, '') = '' UNION ALL "
        "SELECT view_name FROM duckdb_views() "
        "WHERE NOT internal AND coalesce(comment, '') = '' UNION ALL "
        "SELECT function_name FROM duckdb_functions() "
        "WHERE NOT internal AND coalesce(comment, '') = '' UNION ALL "
        "SELECT table_name || '.' || column_name FROM duckdb_columns() "
        "WHERE NOT internal AND coalesce(comment, '') = ''"
    ).fetchall()
    assert silent == []


def test_the_dictionary_lists_tables_marts_and_system_views(
    published: duckdb.DuckDBPyConnection,
) -> None:
    """The kind of a relation is where it comes from; each has a grain and described columns."""
    rows = published.execute(
        "SELECT DISTINCT table_name, kind FROM dictionary "
        "WHERE grain <> '' AND description IS NOT NULL"
    ).fetchall()
    marts = {(file.stem, "mart") for file in (SQL / "marts").glob("*.sql")}
    system = {(file.stem, "system view") for file in (SQL / "system").glob("*.sql")}
    assert set(rows) == {(table.name, "table") for table in TABLES} | marts | system


def test_the_macros_are_listed(published: duckdb.DuckDBPyConnection) -> None:
    """Each macro of `sql/macros` is a row of `macros`, with every parameter and column.

    No text is longer than what `cognition query` shows of a cell.
    """
    found = published.execute(
        "SELECT macro_name, parameter_names, parameters, answer_columns FROM macros "
        "WHERE ends_with(question, '?') AND ends_with(grain, '.')"
    ).fetchall()
    assert {name for name, *_ in found} == {p.stem for p in (SQL / "macros").glob("*.sql")}
    for name, names, parameters, columns in found:
        assert re.findall(r"^\w+(?=: )", parameters, re.MULTILINE) == names.split(", ")
        call = f"{name}({', '.join(['NULL'] * len(names.split(', ')))})"
        answer = [row[0] for row in published.execute(f"DESCRIBE FROM {call}").fetchall()]
        assert re.findall(r"^\w+(?=: )", columns, re.MULTILINE) == answer
        assert max(map(len, (parameters, columns))) <= 1000


def test_a_macro_says_all_its_header_says(own_sql: Path) -> None:
    """The view `macros` has question, grain, warning, parameters and columns, line by line.

    What a macro does not have is NULL, and what the file is attached as makes no difference.
    """
    build = own_sql.parent / "garden.duckdb"
    with duckdb.connect(build) as connection:
        for table in (*OWN_TABLES, *load_contracts().tables.values()):
            for statement in create_table(table):
                connection.execute(statement)
        create_views(connection)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{build}' AS \"my garden\" (READ_ONLY)")
        found = connection.execute('FROM "my garden".macros').fetchall()
    sown, wilted = found
    least = "Least water it needs; default 3. Warning: Of a day. Example: 2.5. Unit: l."
    assert wilted == (
        "wilted",
        "name, least_litres",
        "Which plants wilt?",
        "One row per plant.",
        "A plant may recover.",
        f"name: Its name.\nleast_litres: {least}",
        "job_id: Id of the job. Example: j-1.\nwater_litres: Water it was given. Unit: l.",
    )
    job = "job_id: Id of the job."
    assert sown == ("sown", "", "What was sown?", "One row per job.", None, None, job)


@pytest.mark.usefixtures("own_sql")
def test_what_misleads_in_a_view_is_told_everywhere() -> None:
    """A view's warning, and a column's, are in comments, `dictionary` and the generated pages."""
    with empty_warehouse() as connection:
        [(comment,)] = connection.execute(
            "SELECT comment FROM duckdb_views() WHERE view_name = 'beds'"
        ).fetchall()
        told = connection.execute(
            "SELECT column_name, unit, description, warning, example, grain, table_warning "
            "FROM dictionary WHERE table_name = 'beds' ORDER BY column_position"
        ).fetchall()
    whole = ("One row per bed.", "Beds overlap: never add them up.")
    assert comment == "One row per bed. Warning: Beds overlap: never add them up."
    assert told == [
        ("job_id", None, "Id of the job.", None, "j-1", *whole),
        ("water_litres", "l", "Water it was given.", "Rain is not counted.", "1.25", *whole),
        ("plants_count", None, "Plants in it.", None, None, *whole),
        ("note", "none", "What is | said.", None, None, *whole),
    ]
    own = read_catalog(load_contracts())
    text = sections(data_dictionary(load_contracts(), own))
    assert "> **Warning:** Beds overlap: never add them up." in text["beds"]
    rain = "Water it was given. **Warning:** Rain is not counted. | `1.25` |"
    assert f"| `water_litres` | DOUBLE | l | {rain}" in text["beds"]
    assert "| `note` | VARCHAR | none | What is \\| said. |  |" in text["beds"]
    assert "> **Warning:** A plant may recover." in text["wilted"]
    assert "`FROM wilted(name, least_litres)`" in text["wilted"]
    least = "Least water it needs; default 3. **Warning:** Of a day. | `2.5` |"
    assert f"| `least_litres` | l | {least}" in text["wilted"]
    [beds, *_] = yaml.safe_load(sources(load_contracts(), own))["sources"][1]["tables"]
    assert (
        beds["description"] == "How dry is each bed? One row per bed. "
        "Warning: Beds overlap: never add them up."
    )
    assert beds["columns"][1]["description"] == (
        "Water it was given. Warning: Rain is not counted. Example: 1.25. Unit: l."
    )


@pytest.mark.parametrize(
    "text", ["Example: 1. Warning: Beware.", "Warning: Beware. Example: no full stop", "Unit: l."]
)
def test_a_text_nobody_can_take_apart_is_refused(own_sql: Path, text: str) -> None:
    """Warning and example stand in this order, with a full stop; the unit is in brackets."""
    file = own_sql / "marts/beds.sql"
    file.write_text(BEDS.replace("Plants in it.", f"Plants in it. {text}"), "utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(f"'Plants in it. {text}' is no `desc")):
        read_catalog(load_contracts())


def test_dictionary_has_every_table_and_column() -> None:
    """No table and no column is missing from the page, nor named twice."""
    for table in TABLES:
        listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", sections(page())[table.name], re.MULTILINE)
        assert listed == [(c.name, duckdb_type(c.type)) for c in all_columns(table)]


def test_dictionary_has_every_mart_and_macro(published: duckdb.DuckDBPyConnection) -> None:
    """Columns and types of marts are those a reader gets; a macro's call has its parameters."""
    for folder, chapter in (("marts", "Marts"), ("macros", "Table macros")):
        assert re.search(rf"^## {chapter}$", page(), re.MULTILINE)
        for file in (SQL / folder).glob("*.sql"):
            section = sections(page())[file.stem]
            call = re.search(rf"`FROM ({file.stem}\(.*\))`", section)
            source = re.sub(r"\w+(?=[,)])", "NULL", call[1]) if call else file.stem
            assert bool(call) == (folder == "macros")
            found = published.execute(f"DESCRIBE FROM {source}").fetchall()
            listed = re.findall(r"^\| `(\w+)` \| ([A-Z]+\S*) \|", section, re.MULTILINE)
            assert listed == [(name, kind) for name, kind, *_ in found]


def test_links_of_the_dictionary_lead_somewhere() -> None:
    """Each link inside the page has its heading, and no two headings share one."""
    headings = re.findall(r"^#+ (.+)$", page(), re.MULTILINE)
    slugs = [heading.lower().replace(" ", "-") for heading in headings]
    assert len(slugs) == len(set(slugs))
    assert set(re.findall(r"\]\(#(\w+)\)", page())) <= set(slugs)


def test_dictionary_of_a_new_type(garden: Contracts) -> None:
    """A Type nobody ever saw is documented from its schema alone, warnings and examples too."""
    text = data_dictionary(garden)
    assert "Garden: What grows | where. Schema version 3. Also sent as `garden`." in text
    assert (
        "One row per plant. Key: `job_id`, `result_index`, `bed_index`, `plant_index`. "
        "Source: `$.beds[*].plants[*]`." in text
    )
    assert "> **Warning:** Gardens differ." in sections(text)["garden_results"]
    assert "> **Warning:** Beds | overlap." in sections(text)["garden_beds"]
    for row in (
        "| `beds_count` | INTEGER |  | length of `$.beds` |",
        "| `bed_index` | INTEGER |  | key |",
        "| `at_y` | INTEGER | px | `$.beds[*].place.at[1]` | Corner \\| of the bed. | `4`, `-6` |",
        "`$.beds[*].watered` | How long. **Warning:** Rain is not counted. | `1.25` |",
        "| `plants_count` | INTEGER |  | length of `$.beds[*].plants` |",
        "| `fact_tilt_deg` | DOUBLE | deg | ",
        '| `facts` | VARCHAR |  | `$.beds[*].plants[*].facts` | Facts as text. | `""` |',
        "in its JSON text `tiltDeg` | Tilt. **Warning:** Of the stem. | `0.5` |",
    ):
        assert row in text


def test_dictionary_of_objects_trees_and_texts() -> None:
    """A row of its own has no position in its source; a node's place is no key of the source."""
    found = sections(page())
    assert "Source: `$.transcription.audioInfo`" in found["nlp_audio"]
    assert "| `$.transcription.audioInfo.size` |" in found["nlp_audio"]
    speakers = "Source: `$.summarization.conversationalSummary[*]`"
    assert speakers in found["nlp_speaker_summaries"]
    assert "| `keyword` | VARCHAR |  | `$.meetingAssistance.keywords[*]` |" in page()
    segments = "| `end_seconds` | DOUBLE | s | `$.transcription.audioSegments[*][1]` |"
    assert segments in found["nlp_audio_segments"]
    nodes = found["nlp_mind_map_nodes"]
    assert "Source: `$.summarization.mindMapSummary[*]`" in nodes
    assert (
        "| `topics_count` | INTEGER |  | length of `$.summarization.mindMapSummary[*].topic`"
        in (nodes)
    )
    assert "#" not in nodes
    assert "Source: `$.tags[*].value" in found["text_tag_values"]


def drawn_relations(text: str) -> list[tuple[str, str, str]]:
    """Returns the relations of Mermaid diagrams: parent, line and child."""
    return re.findall(r"^    (\w+) (\S+--\S+) (\w+) : has$", text, re.MULTILINE)


def test_relations_of_a_new_type(garden: Contracts) -> None:
    """Relations follow from the schema: root to results, child to parent, facts to their job."""
    found = drawn_relations(er_diagram(garden))
    assert [r for r in found if r[2].startswith("garden")] == [
        ("results", "||--o|", "garden_results"),
        ("garden_results", "||--o{", "garden_beds"),
        ("garden_beds", "||--o{", "garden_plants"),
    ]
    assert ("jobs", "||--o{", "results") in found
    assert ("batches", "||--o{", "jobs") in found
    assert ("results", "|o--o{", "quarantine") in found  # a reply may be set aside as a whole
    assert ("results", "||--o|", "unknown_results") in found
    assert len(found) == len(set(found))


def test_an_object_that_is_a_row_is_there_at_most_once() -> None:
    """Its relation says so; trees and split texts have many rows, as arrays do."""
    assert {
        ("nlp_results", "||--o|", "nlp_summaries"),
        ("nlp_results", "||--o|", "nlp_audio"),
        ("nlp_results", "||--o{", "nlp_keywords"),
        ("nlp_summaries", "||--o{", "nlp_mind_map_nodes"),
        ("text_tags", "||--o{", "text_tag_values"),
    } <= set(drawn_relations(er_diagram(load_contracts())))


def test_diagrams_are_mermaid() -> None:
    """Every diagram is closed, its entities have attributes, its keys are marked."""
    text = er_diagram(load_contracts())
    blocks = re.findall(r"```mermaid\nerDiagram\n(.*?)\n```", text, re.DOTALL)
    assert len(blocks) == text.count("```") / 2 == 1 + len(load_contracts().distinct)
    line = r"    (\w+ [|}o]{2}--[|{o]{2} \w+ : has|\w+ \{|\})|        [A-Z]+ \w+( PK)?"
    for block in blocks:
        assert all(re.fullmatch(line, each) for each in block.splitlines())
        assert block.count("{\n") == block.count("    }")
    assert "        INTEGER result_index PK" in text


SVG = "{http://www.w3.org/2000/svg}"
Area = tuple[float, float, float, float]


def boxes_of(
    node: ET.Element, left: float = 0, top: float = 0
) -> Iterator[tuple[ET.Element, Area]]:
    """Yields the group of every box with its area: left, top, right and bottom."""
    shift = re.fullmatch(r"translate\((\S+) (\S+)\)", node.get("transform", "translate(0 0)"))
    assert shift
    left, top = left + float(shift[1]), top + float(shift[2])
    for rect in node.findall(f"{SVG}rect[@class='box']"):
        size = float(rect.get("width", 0)), float(rect.get("height", 0))
        yield node, (left, top, left + size[0], top + size[1])
    for group in node.findall(f"{SVG}g"):
        yield from boxes_of(group, left, top)


def test_the_picture_shows_every_table_with_its_keys() -> None:
    """Each table is one box with its key columns; only `results` is shown again where Types begin.

    No two boxes lie on each other, and all lie inside the picture.
    """
    picture = ET.fromstring(draw(load_contracts()))
    drawn = list(boxes_of(picture))
    width, height = (float(picture.get(side, 0)) for side in ("width", "height"))
    assert all(0 <= a < c <= width and 0 <= b < d <= height for _, (a, b, c, d) in drawn)
    for (_, one), (_, other) in combinations(drawn, 2):
        beside = one[2] < other[0] or other[2] < one[0]
        assert beside or one[3] < other[1] or other[3] < one[1]
    texts = [[text.text or "" for text in group.findall(f"{SVG}text")] for group, _ in drawn]
    again = [["results"]] * len(load_contracts().distinct)
    found = {words[0]: words[1:] for words in texts if words != ["results"]}
    assert len(texts) == len(found) + len(again)
    assert {
        name: [word for word, mark in zip(words[::2], words[1::2], strict=True) if "PK" in mark]
        for name, words in found.items()
    } == {table.name: [key.name for key in table.keys] for table in TABLES}
    assert found["jobs"] == ["job_id", "PK", "batch_id", "FK"]
    assert found["asr_segments"][-2:] == ["segment_index", "PK"]
    assert found["asr_segments"][:2] == ["job_id", "PK FK"]


def test_the_picture_has_a_line_to_every_child(garden: Contracts) -> None:
    """A line ends at each child, dashed where a child may be without: seven here and in garden."""
    lines = re.findall(r'<path class="(line[ a-z]*)" d="M\S+ \S+H\S+V\S+H\S+"/>', draw(garden))
    # jobs, path_counts; results, usages; five facts of results, two of which may be of the reply
    assert len(lines) == 9 + 3
    assert lines.count("line loose") == 2


def test_dbt_sources_are_what_is_published(published: duckdb.DuckDBPyConnection) -> None:
    """Names and types of tables, marts and columns equal the catalog's, in its order."""
    read = dbt_sources()
    tables, marts, lake = read["sources"]
    assert (read["version"], tables["name"], marts["name"]) == (2, "cognition", "cognition_marts")
    rows = published.execute(
        "SELECT table_name, list((column_name, lower(data_type)) ORDER BY column_index) "
        "FROM duckdb_columns() WHERE NOT internal GROUP BY ALL"
    ).fetchall()
    named = {
        table["name"]: [(column["name"], column["data_type"]) for column in table["columns"]]
        for table in (*tables["tables"], *marts["tables"])
    }
    assert named == dict(rows)
    assert [each["name"] for each in lake["tables"]] == list(load_contracts().tables)
    assert "/tables/{name}/" in lake["config"]["meta"]["external_location"]


def test_dbt_tests_are_those_of_the_keys() -> None:
    """Keys are not null, and a key of one column is unique; no other column is tested."""
    read = dbt_sources()
    tested = {
        (table["name"], column["name"]): column["data_tests"]
        for source in read["sources"]
        for table in source["tables"]
        for column in table.get("columns", ())
        if "data_tests" in column
    }
    assert tested == {
        (table.name, key.name): ["not_null", "unique"] if len(table.keys) == 1 else ["not_null"]
        for table in TABLES
        for key in table.keys
    }
    described = read["sources"][0]["tables"][1]["columns"][0]
    assert described["description"] == (
        "Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****."
    )


def test_examples_can_be_read_as_their_column() -> None:
    """What a column shows as its first example can be read as the column's type."""
    known = [(c.example, duckdb_type(c.type)) for t in TABLES for c in all_columns(t) if c.examples]
    known += [(f.example, f.type) for view in views() for f in view.columns if f.example]
    with duckdb.connect() as connection:
        for example, kind in known:
            sql = f"SELECT TRY_CAST($example AS {kind}) IS NOT NULL"
            assert connection.execute(sql, {"example": example}).fetchall() == [(True,)], example
