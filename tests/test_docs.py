"""The generated pages say what the schemas say, and are current."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from transforms import docs, paths
from transforms.contract import Contracts, load_contracts
from transforms.warehouse.ddl import duckdb_type

ROOT = Path(__file__).parent.parent
GARDEN: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Garden",
    "description": "What grows | where.",
    "x-type": "Garden",
    "x-aliases": ["garden"],
    "x-version": 3,
    "x-table": "garden_results",
    "x-grain": "One row per Garden result.",
    "type": "object",
    "required": ["beds"],
    "properties": {
        "beds": {
            "type": ["array", "null"],
            "description": "One row per bed.",
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
                                    "x-json": {
                                        "prefix": "fact_",
                                        "description": "Facts.",
                                        "properties": {
                                            "tiltDeg": {
                                                "description": "Tilt.",
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


@pytest.fixture
def garden(tmp_path: Path) -> Contracts:
    """Returns contracts of the shipped system tables and one Type made up here."""
    folder = tmp_path / "schemas"
    shutil.copytree(paths.schemas_dir(), folder, ignore=shutil.ignore_patterns("results"))
    (folder / "results").mkdir()
    (folder / "results/garden.schema.json").write_text(json.dumps(GARDEN))
    return load_contracts(base=folder)


def test_pages_are_current() -> None:
    """The pages in the repository are what the schemas give now."""
    command = [sys.executable, "-m", "transforms.docs", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_check_fails_on_any_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` is 1 for an absent or edited page, names it and the remedy, and writes nothing."""
    into = ["--into", str(tmp_path / "pages")]
    assert docs.main(["--check", *into]) == 1
    assert not (tmp_path / "pages").exists()
    assert docs.main(into) == 0
    assert docs.main(["--check", *into]) == 0
    page = tmp_path / "pages/erd.md"
    page.write_text(page.read_text("utf-8").replace("||--o{", "|o--o{", 1), "utf-8")
    capsys.readouterr()
    assert docs.main(["--check", *into]) == 1
    told = capsys.readouterr().err
    assert f"{page} is out of date: run python -m transforms.docs" in told
    assert "data-dictionary" not in told


def test_dictionary_has_every_table_and_column() -> None:
    """No table and no column of the contracts is missing from the dictionary, nor named twice."""
    contracts = load_contracts()
    sections = dict(
        re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", docs.data_dictionary(contracts), re.M | re.S)  # noqa: FURB167 - as short as the pattern needs
    )
    for name, table in contracts.tables.items():
        listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", sections[name], re.MULTILINE)
        columns = [(c.name, duckdb_type(c.type)) for c in (*table.keys, *table.columns)]
        assert listed == columns


def test_dictionary_of_a_new_type(garden: Contracts) -> None:
    """A Type nobody ever saw is documented from its schema alone, sources and units included."""
    page = docs.data_dictionary(garden)
    assert "Garden: What grows | where. Schema version 3. Also sent as `garden`." in page
    assert (
        "One row per plant. Key: `job_id`, `result_index`, `bed_index`, `plant_index`. "
        "Source: `$.beds[*].plants[*]`." in page
    )
    for row in (
        "| `beds_count` | INTEGER |  | length of `$.beds` |",
        "| `bed_index` | INTEGER |  | key |",
        "| `at_y` | INTEGER | px | `$.beds[*].place.at[1]` | Corner \\| of the bed. |",
        "| `plants_count` | INTEGER |  | length of `$.beds[*].plants` |",
        "| `fact_tilt_deg` | DOUBLE | deg | ",
        "| `facts` | VARCHAR |  | `$.beds[*].plants[*].facts` | Facts as text. |",
        "`$.beds[*].plants[*].facts`, in its JSON text `tiltDeg` | Tilt. |",
    ):
        assert row in page


def test_relations_of_a_new_type(garden: Contracts) -> None:
    """Relations follow from the schema: root to results, child to parent, facts to their job."""
    page = docs.er_diagram(garden)
    relations = re.findall(r"^    (\w+) (\S+--\S+) (\w+) : has$", page, re.MULTILINE)
    assert [r for r in relations if r[2].startswith("garden")] == [
        ("results", "||--o|", "garden_results"),
        ("garden_results", "||--o{", "garden_beds"),
        ("garden_beds", "||--o{", "garden_plants"),
    ]
    assert ("jobs", "||--o{", "results") in relations
    assert ("batches", "||--o{", "jobs") in relations
    assert ("results", "|o--o{", "quarantine") in relations  # a reply may be set aside as a whole
    assert ("results", "||--o|", "unknown_results") in relations
    assert len(relations) == len(set(relations))


def test_dictionary_of_objects_trees_and_texts() -> None:
    """A row of its own has no position in its source; a node's place is no key of the source."""
    page = docs.data_dictionary(load_contracts())
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert "Source: `$.transcription.audioInfo`" in sections["nlp_audio"]
    assert "| `$.transcription.audioInfo.size` |" in sections["nlp_audio"]
    speakers = "Source: `$.summarization.conversationalSummary[*]`"
    assert speakers in sections["nlp_speaker_summaries"]
    assert "| `keyword` | VARCHAR |  | `$.meetingAssistance.keywords[*]` |" in page
    segments = "| `end_seconds` | DOUBLE | s | `$.transcription.audioSegments[*][1]` |"
    assert segments in sections["nlp_audio_segments"]
    nodes = sections["nlp_mind_map_nodes"]
    assert "Source: `$.summarization.mindMapSummary[*]`" in nodes
    assert (
        "| `topics_count` | INTEGER |  | length of `$.summarization.mindMapSummary[*].topic`"
        in (nodes)
    )
    assert "#" not in nodes
    assert "Source: `$.tags[*].value" in sections["text_tag_values"]


def test_an_object_that_is_a_row_is_there_at_most_once() -> None:
    """Its relation says so; trees and split texts have many rows, as arrays do."""
    page = docs.er_diagram(load_contracts())
    relations = set(re.findall(r"^    (\w+) (\S+--\S+) (\w+) : has$", page, re.MULTILINE))
    assert {
        ("nlp_results", "||--o|", "nlp_summaries"),
        ("nlp_results", "||--o|", "nlp_audio"),
        ("nlp_results", "||--o{", "nlp_keywords"),
        ("nlp_summaries", "||--o{", "nlp_mind_map_nodes"),
        ("text_tags", "||--o{", "text_tag_values"),
    } <= relations


def test_diagrams_are_mermaid() -> None:
    """Every diagram is closed, its entities have attributes, its keys are marked."""
    page = docs.er_diagram(load_contracts())
    blocks = re.findall(r"```mermaid\nerDiagram\n(.*?)\n```", page, re.DOTALL)
    assert len(blocks) == page.count("```") / 2 == 1 + len(load_contracts().distinct)
    line = r"    (\w+ [|}o]{2}--[|{o]{2} \w+ : has|\w+ \{|\})|        [A-Z]+ \w+( PK)?"
    for block in blocks:
        assert all(re.fullmatch(line, each) for each in block.splitlines())
        assert block.count("{\n") == block.count("    }")
    assert "        INTEGER result_index PK" in page
