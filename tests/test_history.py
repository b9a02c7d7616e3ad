"""The schemas' history: what is recorded, and what a change must keep to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract_kit import copy_schemas, edit

from transforms import contract, history
from transforms.paths import schemas_dir

Main = Callable[..., tuple[int, str]]
TEXT = {"type": ["string", "null"], "description": "Text."}
ASR = "results/asr.schema.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns schemas that a test may change, their versions of today being the first."""
    folder = copy_schemas(tmp_path)
    for file in (folder / "history").glob("*.json"):
        file.unlink()
    for file in (folder / "results").glob("*.json"):
        edit(file, **{"x-version": 1})
    assert history.main(["--schemas", str(folder)]) == 0
    return folder


@pytest.fixture
def main(capsys: pytest.CaptureFixture[str]) -> Main:
    """Returns what runs the recorder and gives exit code and stderr."""

    def run(folder: Path, *words: str) -> tuple[int, str]:
        capsys.readouterr()
        contract._load_once.cache_clear()  # a run of its own reads the folder anew
        code = history.main([*words, "--schemas", str(folder)])
        return code, capsys.readouterr().err

    return run


def stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Returns time and bytes of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def amend(folder: Path, version: int, **properties: Any) -> None:  # noqa: ANN401 - any JSON
    """Sets the version of the ASR schema and some of its properties; `...` removes one."""
    file = folder / ASR
    wanted = json.loads(file.read_bytes())["properties"] | properties
    kept = {name: node for name, node in wanted.items() if node is not ...}
    edit(file, **{"x-version": version}, properties=kept)


def recorded(folder: Path, name: str = "asr") -> list[dict[str, Any]]:
    """Returns the recorded versions of a schema."""
    versions: list[dict[str, Any]] = json.loads((folder / "history" / f"{name}.json").read_bytes())[
        "versions"
    ]
    return versions


def test_a_recorded_schema_passes_and_nothing_is_written(folder: Path, main: Main) -> None:
    """Every Type and our own tables have a history; checking or recording again changes nothing."""
    types = {file.name.removesuffix(".schema.json") for file in (folder / "results").iterdir()}
    assert {file.stem for file in (folder / "history").iterdir()} == {*types, "system"}
    (first,) = recorded(folder)
    assert first["version"] == 1
    assert first["tables"]["asr_segments"]["columns"]["start_seconds"] == "double"
    assert first["tables"]["asr_segments"]["keys"] == ["job_id", "result_index", "segment_index"]
    before = stamps(folder)
    assert main(folder, "--check") == (0, "")
    assert main(folder) == (0, "")
    assert stamps(folder) == before


def test_the_shipped_histories_are_whole() -> None:
    """No recorded version in the repository was edited, and each only adds to the one before."""
    schemas = {each.name: each for each in history.current_schemas(schemas_dir())}
    for file in (schemas_dir() / "history").glob("*.json"):
        verdict = history.judge(schemas[file.stem], recorded(schemas_dir(), file.stem))
        assert "edited or removed" not in (verdict.problem or "")
    assert {"asr", "ocr", "meta", "system"} <= schemas.keys()


FIRST_SEALS = {
    "asr": "25c365ca64ca9e32ed049a0c8193f95e9cf51262e7dc3d778677cb20f5948d67",
    "cpv_label": "35f7a6d33adcfbd55997d6284ec03a985134fce7fa07d7f3eaef2e2d375d5fea",
    "event_split": "75aaa5eb4d5ec7fff9c067cd67e5c46ac83ea90605c491449ec5c8ec2241a19a",
    "image_label": "7d830a19694d19ec67c771bf195eea6111cea1fbb196afa98801487c9d2c8db3",
    "meta": "11c19ea48b1e326043f6123c8ec29beec5e4c7fe2f42e2fa6d514e96ffe9a93d",
    "nlp": "8fdfa13fd255cf6dd724fe8ff223171e50183708ba1ddfe04f44ea07e272a874",
    "ocr": "fbe85119caad840a9e02dcc3ace3b153537544395e1d26d00dcfd8adb556e0db",
    "process": "c24fb3dcdce3dfde5d8a61100910346da65998f4eb7775ad6ce564ac5131f5e0",
    "subtitle": "3eaa51ba6a66feaf7075b1acd72a9015cb9156f2ccfd67c3dae1924500daedf8",
    "system": "a644053842696398a97168e275ee71ab1cfbe8aa332f40663e5fcbcf5075f041",
    "text_label": "d814f607b7263606c72376b8db3efcc2471ab51a6ab964720f1113da74a1542c",
    "video_label": "437a08ca92063addb003c1c680f718396626ed28ae63a194d372b125da8d722d",
}


def test_the_first_recorded_versions_stay_as_they_were() -> None:
    """A shipped history that was removed and begun again with another first version is found."""
    found = {file.stem for file in (schemas_dir() / "history").glob("*.json")}
    assert {name: recorded(schemas_dir(), name)[0]["seal"] for name in found} == FIRST_SEALS


def test_a_lost_history_is_not_begun_at_a_later_version(folder: Path, main: Main) -> None:
    """Recording refuses a schema of version 2 without its history, and writes no file."""
    amend(folder, 2, speaker=TEXT)
    assert main(folder) == (0, "")
    (folder / "history/asr.json").unlink()
    for words in (["--check"], []):
        code, told = main(folder, *words)
        assert code == 1
        assert "it has no history, and x-version is 2: restore its history file" in told
    assert not (folder / "history/asr.json").exists()


def test_words_may_change_under_one_version(folder: Path, main: Main) -> None:
    """Titles, descriptions, comments, examples, warnings and expectations need no new version."""
    common = json.loads((folder / "common.schema.json").read_bytes())
    corner = common["$defs"]["position"]["properties"]["leftTop"]
    corner["x-descriptions"] = ["First.", "Second."]
    schema = json.loads((folder / ASR).read_bytes())
    content = schema["properties"]["details"]["items"]["properties"]["content"]
    content |= {"description": "Other words.", "x-expect": {"maxLength": 9}, "$comment": "c"}
    content |= {"examples": ["Other"], "x-warning": "Beware."}
    changes = {"title": "Speech", "description": "Other.", "x-grain": "One row.", "examples": [{}]}
    edit(folder / ASR, properties=schema["properties"], **changes)
    edit(folder / "common.schema.json", description="Other.", **{"$defs": common["$defs"]})
    assert main(folder, "--check") == (0, "")


def test_a_property_called_like_a_word_is_no_word() -> None:
    """A source field named `title` or `description` is part of what is recorded."""
    fields = {"title": TEXT, "description": {**TEXT, "x-expect": {"minLength": 1}}}
    schema = {"title": "T", "description": "D", "properties": fields, "enum": [{"title": 1}]}
    kept = {"type": ["string", "null"]}
    assert history.normalised(schema) == {
        "properties": {"title": kept, "description": kept},
        "enum": [{"title": 1}],
    }


UNRAISED = "ASR: it changed while x-version is 1 as before: raise it to 2"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: amend(folder, 1, speaker=TEXT),
        lambda folder: edit(folder / ASR, required=[]),
        lambda folder: edit(folder / ASR, **{"x-aliases": ["Speech"]}),
        lambda folder: edit(folder / ASR, maxProperties=9),
    ],
    ids=["column", "required", "alias", "limit"],
)
def test_a_change_without_a_raised_version_is_refused(
    folder: Path, main: Main, change: Callable[[Path], None]
) -> None:
    """What decides acceptance, rows or the Type's name asks for a raised version."""
    change(folder)
    before = stamps(folder)
    for words in (["--check"], []):
        code, told = main(folder, *words)
        assert (code, told.count("\n")) == (1, 1)
        assert UNRAISED in told
        assert "run python -m transforms.history" in told
    assert stamps(folder) == before


def test_a_shared_definition_counts_for_each_schema_that_uses_it(folder: Path, main: Main) -> None:
    """A changed definition in common.schema.json asks for new versions of its users alone."""
    common = json.loads((folder / "common.schema.json").read_bytes())["$defs"]
    common["cost_nothing"] = TEXT
    edit(folder / "common.schema.json", **{"$defs": common})
    assert main(folder, "--check") == (0, "")
    common["success"] = {**common["success"], "type": "boolean"}
    edit(folder / "common.schema.json", **{"$defs": common})
    code, told = main(folder, "--check")
    assert code == 1
    assert UNRAISED in told


def test_a_raised_version_is_asked_for_and_recorded(folder: Path, main: Main) -> None:
    """An added column under a raised version is missed by --check until it is recorded."""
    amend(folder, 2, speaker=TEXT)
    code, told = main(folder, "--check")
    assert code == 1
    assert told == "ASR: version 2 is not recorded: run python -m transforms.history\n"
    assert main(folder) == (0, "")
    first, second = recorded(folder)
    assert (first["version"], second["version"]) == (1, 2)
    assert "speaker" not in first["tables"]["asr_results"]["columns"]
    assert second["tables"]["asr_results"]["columns"]["speaker"] == "string"
    assert main(folder, "--check") == (0, "")


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"message": ...}, "ASR: version 2 takes away: the column asr_results.message (string)"),
        (
            {"success": {"type": ["number", "null"], "description": "S."}},
            "asr_results.success was bool and is now double",
        ),
        ({"details": ...}, "the table asr_segments is gone"),
    ],
    ids=["dropped column", "type flip", "dropped table"],
)
def test_what_takes_away_is_refused_under_any_version(
    folder: Path, main: Main, properties: dict[str, Any], told: str
) -> None:
    """A dropped or retyped column or a dropped table is refused though the version is raised."""
    amend(folder, 2, **properties)
    edit(folder / ASR, required=[])
    for words in (["--check"], []):
        code, said = main(folder, *words)
        assert code == 1
        assert told in said
        assert "add a new column or table beside it" in said
    assert len(recorded(folder)) == 1


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1, 3, "ASR: x-version leaps from 1 to 3: make it 2"),
        (2, 1, "ASR: x-version went back from 2 to 1: raise it again"),
    ],
)
def test_versions_follow_one_another(
    folder: Path, main: Main, before: int, after: int, told: str
) -> None:
    """A version is neither left out nor taken back."""
    if before > 1:
        amend(folder, before, speaker=TEXT)
        assert main(folder) == (0, "")
    edit(folder / ASR, **{"x-version": after})
    code, said = main(folder, "--check")
    assert code == 1
    assert told in said


def _edit_first(versions: list[dict[str, Any]]) -> None:
    versions[0]["tables"]["asr_results"]["columns"].pop("message")


def _edit_digest(versions: list[dict[str, Any]]) -> None:
    versions[1]["sha256"] = "0" * 64


def _renumber(versions: list[dict[str, Any]]) -> None:
    del versions[0]
    versions[0]["version"] = 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_edit_first, "ASR: a recorded version was edited or removed: restore its history file"),
        (_edit_digest, "ASR: a recorded version was edited or removed"),
        (lambda versions: versions.pop(0), "ASR: a recorded version was edited or removed"),
        (_renumber, "ASR: a recorded version was edited or removed"),
        (lambda versions: versions.pop(), "ASR: version 2 is not recorded"),
        (
            list.clear,
            "ASR: it has no history, and x-version is 2: restore its history file",
        ),
    ],
    ids=["layout", "digest", "first removed", "renumbered", "last removed", "all removed"],
)
def test_a_tampered_history_is_refused(
    folder: Path, main: Main, spoil: Callable[[list[dict[str, Any]]], object], told: str
) -> None:
    """A recorded version that was edited or removed is found."""
    amend(folder, 2, speaker=TEXT)
    assert main(folder) == (0, "")
    versions = recorded(folder)
    spoil(versions)
    edit(folder / "history/asr.json", versions=versions)
    code, said = main(folder, "--check")
    assert code == 1
    assert told in said


@pytest.mark.parametrize("content", ["{", "[]", '{"versions": 1}', '{"versions": [1]}'])
def test_a_broken_history_is_named(folder: Path, main: Main, content: str) -> None:
    """A file that is no history is named and left alone."""
    (folder / "history/asr.json").write_text(content)
    assert main(folder) == (1, f"{folder}/history/asr.json is no history: restore it\n")
    assert (folder / "history/asr.json").read_text() == content


def test_a_removed_schema_is_missed(folder: Path, main: Main) -> None:
    """A Type whose schema is gone would take its tables along: it is refused."""
    (folder / ASR).unlink()
    code, told = main(folder, "--check")
    assert code == 1
    assert "history/asr.json: its schema is gone" in told


def test_our_own_tables_only_grow(folder: Path, main: Main) -> None:
    """A new column of a system table is recorded as its next version, a dropped one refused."""
    file = folder / "tables/jobs.schema.json"
    properties = json.loads(file.read_bytes())["properties"]
    edit(file, properties={**properties, "note": TEXT})
    code, told = main(folder, "--check")
    assert (code, told.splitlines()) == (
        1,
        ["schemas/tables: version 2 is not recorded: run python -m transforms.history"],
    )
    assert main(folder) == (0, "")
    assert recorded(folder, "system")[1]["tables"]["jobs"]["columns"]["note"] == "string"
    edit(file, properties=properties)
    code, told = main(folder)
    assert code == 1
    assert "schemas/tables: version 3 takes away: the column jobs.note (string) is gone" in told


def test_schemas_that_do_not_load_are_told(folder: Path, main: Main) -> None:
    """A mistake in a schema is one line on stderr, not a traceback."""
    (folder / ASR).write_text("{")
    code, told = main(folder, "--check")
    assert code == 1
    assert "asr.schema.json is not JSON" in told
