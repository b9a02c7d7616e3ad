"""Every saved reply goes from its file to the published warehouse, through the command line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from transforms.cli import main

REPLIES = Path(__file__).parent / "api_replies"


@dataclass(frozen=True)
class Fate:
    """What must become of a reply, by hand."""

    state: str = "loaded"
    rows: dict[str, int] = field(default_factory=dict)
    quarantine: tuple[tuple[str, str, str, str | None], ...] = ()  # scope, reason, pointer, keyword


META = {"meta_titles": 1}
SAMPLE_REQUEST = "******36-3C1E-4417-BDB2-1E034F******"
TAGGING = "/MediaInfo/AiRoughData/StandardSmartTagJob"
FATES = {
    "asr_mixed_language": Fate(rows={"asr_results": 1, "asr_segments": 3}),
    "asr_with_title": Fate(quarantine=(("result", "contract", "", "required"),)),
    "cpv_label_knowledge": Fate(
        rows={
            "cpv_results": 1,
            "cpv_categories": 1,
            "cpv_category_details": 1,
            "cpv_entities": 2,
            "cpv_entity_details": 1,
            "cpv_entity_tracks": 2,
            "cpv_hotwords": 1,
            "cpv_hotword_details": 1,
        }
    ),
    "data_is_object": Fate(rows=META),
    "data_not_json": Fate(rows=META, quarantine=(("result", "not_json", "", None),)),
    "data_twice_encoded": Fate(rows=META),
    "failed_job": Fate("failed"),
    "http200_error_code": Fate("quarantined", {}, (("reply", "error_reply", "/Code", None),)),
    "image_label_cover": Fate(rows={"image_results": 1, "image_persons": 1, "image_tags": 1}),
    "jobstatus_missing": Fate("quarantined", {}, (("reply", "contract", "", "required"),)),
    "media_info": Fate(
        rows={**META, "asr_results": 1, "asr_segments": 1, "unmapped_fields": 1},
        quarantine=(
            ("result", "contract", f"{TAGGING}/Results/1", "required"),
            ("row", "contract", "/details/1/content", "type"),
            ("result", "not_json", "", None),
        ),
    ),
    "media_info_failed": Fate("failed"),
    "meta_title": Fate(rows=META),
    "ocr_frame_without_text": Fate(rows={"ocr_results": 1, "ocr_frames": 3, "ocr_texts": 2}),
    "operator_failed": Fate(rows=META),
    "result_without_type": Fate(
        rows=META, quarantine=(("result", "contract", "/Results/result/0", "required"),)
    ),
    "results_empty": Fate(),
    "results_plain_list": Fate(rows=META),
    "results_upper_case": Fate(rows=META),
    "results_wrong_shape": Fate("quarantined", {}, (("reply", "contract", "/Results", "type"),)),
    "root_is_array": Fate(quarantine=(("result", "contract", "", "type"),)),
    "row_wrong_type": Fate(
        rows={"video_results": 1, "video_persons": 1, "video_person_occurrences": 1},
        quarantine=(
            ("row", "contract", "/persons/0/name", "type"),
            ("row", "contract", "/persons/1/occurrences/0/from", "type"),
        ),
    ),
    "sdk_response": Fate(
        rows={**META, "unmapped_fields": 1},
        quarantine=(("result", "contract", "/body/Results/result/1", "required"),),
    ),
    "smarttag_usages": Fate(rows={**META, "usages": 2}),
    "type_twice": Fate(rows={"asr_results": 2, "asr_segments": 1}),
    "unknown_key": Fate(rows={**META, "unmapped_fields": 1}),
    "unknown_type": Fate(rows={**META, "unknown_results": 1}),
    "usage_wrong_type": Fate(
        rows={**META, "usages": 1, "unmapped_fields": 1},
        quarantine=(
            ("row", "contract", "/Usages/0/Quota", "type"),
            ("row", "contract", "/Usages/2", "type"),
        ),
    ),
    "usages_not_a_list": Fate(rows=META, quarantine=(("row", "contract", "/Usages", "type"),)),
    "video_label_unknown_face": Fate(
        rows={
            "video_results": 1,
            "video_persons": 2,
            "video_person_occurrences": 2,
            "video_tags": 1,
            "video_tag_occurrences": 1,
            "video_classifications": 1,
            "text_results": 1,
            "text_tags": 4,
            "text_tag_values": 2 + 3 + 2 + 2,
        }
    ),
    "event_split_array": Fate(
        rows={"event_results": 1, "event_splits": 1, "source_forms": 1, "unmapped_fields": 2}
    ),
}
NOT_FINAL = {"processing_job", "media_info_analyzing"}
BOOKKEEPING = {"batches", "jobs", "results", "quarantine", "path_counts"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imports, flattens and loads all saved replies once."""
    home = tmp_path_factory.mktemp("home")
    files = [str(path) for path in sorted(REPLIES.glob("*.json"))]
    for words in (["import", *files], ["flatten"], ["load"]):
        assert main([*words, "--home", str(home)]) == 0
    return home


def ask(home: Path, capsys: pytest.CaptureFixture[str], sql: str) -> list[dict[str, Any]]:
    """Returns the rows of a query, by way of the command line."""
    capsys.readouterr()
    assert main(["query", sql, "--json", "--home", str(home)]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return rows


def test_every_case_has_a_fate_and_a_line_in_the_index() -> None:
    """The saved replies, the expectations here and the index name the same cases."""
    files = {path.stem for path in REPLIES.glob("*.json")}
    page = (REPLIES / "README.md").read_text("utf-8")
    index = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    assert files == FATES.keys() | NOT_FINAL
    assert files == index


@pytest.mark.parametrize("case", sorted(FATES))
def test_reply_meets_its_fate(case: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reply becomes the job state, the rows and the quarantine derived for it by hand."""
    fate = FATES[case]
    jobs = ask(home, capsys, f"SELECT state FROM jobs WHERE job_id = '{case}'")
    assert jobs == [{"state": fate.state}]
    tables = ask(home, capsys, "SELECT DISTINCT table_name FROM dictionary WHERE is_key")
    counted = " UNION ALL ".join(
        f"SELECT '{t['table_name']}' AS name, count(*) AS rows FROM {t['table_name']} "
        f"WHERE job_id = '{case}'"
        for t in tables
        if t["table_name"] not in {*BOOKKEEPING, "check_failures", "cognition_meta", "tag_aliases"}
    )
    rows = {row["name"]: row["rows"] for row in ask(home, capsys, counted) if row["rows"]}
    assert rows == fate.rows
    set_aside = ask(
        home,
        capsys,
        "SELECT scope, reason, pointer, keyword FROM quarantine "
        f"WHERE job_id = '{case}' ORDER BY quarantine_index",
    )
    assert [tuple(row.values()) for row in set_aside] == list(fate.quarantine)


@pytest.mark.parametrize("case", sorted(NOT_FINAL))
def test_reply_that_is_not_final_is_not_landed(
    case: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that still runs leaves no trace in the warehouse, so it is asked for again."""
    assert ask(home, capsys, f"SELECT 1 AS x FROM jobs WHERE job_id LIKE '%{case}'") == []


def test_unknown_face_keeps_its_score(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The score -1.0 of an unknown face is data: it is loaded as it is, with times and box."""
    sql = (
        "SELECT name, score, start_seconds, end_seconds, box_left, box_bottom "
        "FROM video_person_occurrences "
        "JOIN video_persons USING (job_id, result_index, person_index) "
        "WHERE job_id = 'video_label_unknown_face' AND category = 'unknown'"
    )
    assert [tuple(row.values()) for row in ask(home, capsys, sql)] == [
        ("未知人脸1", -1.0, 26.44, 27.2, 622, 317)
    ]


def test_counts_tell_empty_from_absent(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A count is the length in the source: 0 for an empty list, NULL for an absent one."""
    sql = "SELECT at_seconds, texts_count FROM ocr_frames ORDER BY frame_index"
    assert [tuple(row.values()) for row in ask(home, capsys, sql)] == [(4, 2), (8, 0), (12, None)]


def test_knowledge_is_read_out_of_its_text(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Knowledge in a JSON text becomes columns, numbers sent as text among them; empty is NULL."""
    sql = (
        "SELECT knowledge_name_en, knowledge_longitude, knowledge_info FROM cpv_entities "
        "ORDER BY entity_index"
    )
    first, second = ask(home, capsys, sql)
    assert first["knowledge_name_en"] == "Huangguoshu Waterfall"
    assert first["knowledge_longitude"] == 105.666
    assert (second["knowledge_name_en"], second["knowledge_info"]) == (None, "")


def test_failed_job_keeps_its_reason(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed job is a row with the service's reason; its Data is not taken for a result."""
    sql = (
        "SELECT reason, request_id, user_data, (SELECT count(*) FROM results r "
        "WHERE r.job_id = j.job_id) AS results FROM jobs j WHERE state = 'failed' ORDER BY job_id"
    )
    assert [tuple(row.values()) for row in ask(home, capsys, sql)] == [
        ("input file is broken", "r-fail", "batch 7", 0),
        ("no frame could be read", "r-media_info_failed", None, 0),
    ]


def test_the_shape_of_each_reply_is_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job tells which container its results came in, and what else its envelope said."""
    cases = ("media_info", "meta_title", "results_plain_list", "sdk_response", "smarttag_usages")
    sql = (
        "SELECT job_id, job_status, results_shape, message, request_id, user_data, template_id, "
        f"params, input_type, usages_count FROM jobs WHERE job_id IN {cases} ORDER BY job_id"
    )
    nothing = (None, None, None, None)
    plain, media = "Results.result", "MediaInfo.AiRoughData.StandardSmartTagJob.Results"
    found = [tuple(row.values()) for row in ask(home, capsys, sql)]
    assert found == [
        ("media_info", "Success", media, None, "r-media_info", None, *nothing),
        ("meta_title", "Success", plain, None, SAMPLE_REQUEST, None, *nothing),
        ("results_plain_list", "Success", "Results", None, "r-list", None, *nothing),
        (
            *("sdk_response", "Success", f"body.{plain}", None, "r-sdk", None),
            *("S00000101-100060", "{}", "Media", None),
        ),
        (
            *("smarttag_usages", "Success", "Results.Result", "ok", "r-smarttag"),
            *('"{\\"order\\": 7}"', None, None, None, 2),
        ),
    ]


def test_usages_are_rows_of_their_job(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a job was charged for keeps its place in the reply, also beside one in quarantine."""
    sql = "SELECT * FROM usages ORDER BY job_id, usage_index"
    assert [tuple(row.values()) for row in ask(home, capsys, sql)] == [
        ("smarttag_usages", 0, "VideoTag", 60),
        ("smarttag_usages", 1, "ASR", 0),
        ("usage_wrong_type", 1, "ASR", 30),
    ]


def test_no_table_holds_a_signed_link_of_the_media(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of GetMediaInfo the tagging job alone is read: its links are in raw and nowhere else."""
    files = sorted((home / "lake" / "tables").rglob("*.parquet"))
    names = {file.parent.parent.name for file in files}
    assert names >= {"jobs", "results", "quarantine", "unmapped_fields", "asr_results"}
    held = {str(file): repr(pq.read_table(file, partitioning=None).to_pylist()) for file in files}
    assert [name for name, rows in held.items() if "SIGNED-" in rows] == []
    sql = "SELECT pointer, value FROM unmapped_fields WHERE job_id = 'media_info'"
    unmapped = [tuple(row.values()) for row in ask(home, capsys, sql)]
    assert unmapped == [(f"{TAGGING}/Progress", "100")]


def test_a_failed_operator_says_so_in_its_row(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A result whose operator failed is loaded, with `success` and `message` as they were sent."""
    sql = "SELECT title, message, success FROM meta_titles WHERE job_id = 'operator_failed'"
    rows = [tuple(row.values()) for row in ask(home, capsys, sql)]
    assert rows == [(None, "INTERNAL_ERROR", False)]
