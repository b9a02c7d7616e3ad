"""Quirks of the source that no stage has to itself: from a reply to rows; docs/source-quirks.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract_kit import (
    TYPES,
    Batch,
    Json,
    contract_of,
    copy_schemas,
    flatten,
    result,
    success,
)
from lake_kit import Landing, lake_of, new_home, rows_of

from transforms import pipeline
from transforms.contract import load_contracts
from transforms.subtitles.fetch import Network

LINK = "https://bucket.oss-cn-shanghai.aliyuncs.com/raw.json?Signature=s"
CPV_ARRAYS = {
    "cates": "cpv_categories",
    "entities": "cpv_entities",
    "hotwords": "cpv_hotwords",
    "freeTags": "cpv_free_tags",
}


def batch_of(kind: str, blob: Json) -> Batch:
    """Returns the batch of one reply with one result."""
    return flatten(success(result(kind, blob)))


def whole(kind: str, blob: Json) -> Batch:
    """Returns the batch of one result, having checked that nothing of it was set aside."""
    batch = batch_of(kind, blob)
    assert batch.rows("results", "state", "quarantined_count") == [("loaded", 0)]
    return batch


def set_aside(batch: Batch) -> list[tuple[str | None, str, str]]:
    """Returns table, pointer and keyword of each part in quarantine."""
    found: list[tuple[str | None, str, str]]
    found = batch.rows("quarantine", "table_name", "pointer", "keyword")
    return found


def unexpected(batch: Batch) -> dict[str, int]:
    """Returns how many values of each path the schema does not expect."""
    rows = batch.rows("path_counts", "path", "kind", "values_count")
    return {path: count for path, kind, count in rows if kind == "unexpected"}


def word(**changes: Json) -> Json:
    """Returns an NLP blob of one paragraph with two words, the second one changed."""
    words = [{"sentenceId": 1, "text": "a"}, {"sentenceId": 1, "text": "b"} | changes]
    return {"transcription": {"paragraphs": [{"words": words}]}}


# --- Types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Subtitle", "SubTitle", "subtitle", "Subtitles", "SubtitleExtraction"]
)
def test_subtitles_are_known_by_any_likely_name(name: str) -> None:
    """Whichever of the likely names it has, the links are rows; the name sent is kept."""
    blob = {"details": [{"allResultUrl": "a", "chResultUrl": "c"}]}
    batch = whole(name, blob)
    columns = ("all_url", "chinese_url", "english_url")
    assert batch.rows("subtitle_files", *columns) == [("a", "c", None)]
    assert batch.rows("results", "type") == [(name,)]


def test_another_name_of_subtitles_is_kept_and_can_be_taught(tmp_path: Path) -> None:
    """A name nobody thought of is kept whole; one more alias in the schema makes rows of it."""
    reply = success(result("CaptionFiles", {"details": [{"allResultUrl": "a"}]}))
    before = flatten(reply)
    assert before.rows("results", "state") == [("unknown_type",)]
    assert before.rows("unknown_results", "data") == [('{"details": [{"allResultUrl": "a"}]}',)]
    folder = copy_schemas(tmp_path)
    file = folder / "results/subtitle.schema.json"
    text = file.read_text("utf-8")
    file.write_text(text.replace('"SubTitle"', '"SubTitle", "CaptionFiles"'), "utf-8")
    after = flatten(reply, contracts=load_contracts(base=folder))
    assert after.rows("subtitle_files", "all_url") == [("a",)]


@pytest.mark.parametrize(
    ("data", "pointer", "keyword"),
    [
        ([LINK], "", "type"),
        (7, "", "type"),
        ({"url": [LINK]}, "/url", "type"),
        ({"url": "raw.json"}, "/url", "pattern"),
    ],
)
def test_raw_output_of_another_shape_is_set_aside_whole(
    data: Json, pointer: str, keyword: str
) -> None:
    """A list, a number, and a link that is none cost the result; nothing of them is a row."""
    batch = batch_of("Process", data)
    assert set_aside(batch) == [(None, pointer, keyword)]
    assert batch.rows("process_outputs") == []


def test_raw_output_without_a_link_keeps_what_it_has() -> None:
    """An object without a link is a row without one; what it holds is in `unmapped_fields`."""
    batch = whole("Process", {"result": {"faces": [1]}})
    assert batch.rows("process_outputs", "url") == [(None,)]
    assert batch.rows("unmapped_fields", "pointer", "value") == [("/result", '{"faces":[1]}')]


def test_raw_output_is_never_downloaded(tmp_path: Path) -> None:
    """Fetching subtitle files asks for no link of Process: nobody even resolves its host."""
    body = success(result("Process", LINK), result("Process", {"url": LINK}))
    settings = new_home(tmp_path, [Landing("a", body)])
    pipeline.flatten(settings)
    assert [row["url"] for row in rows_of(lake_of(settings), "process_outputs")] == [LINK] * 2

    def no_resolver(host: str, port: int) -> list[str]:
        pytest.fail(f"asked for {host}:{port}")

    report = pipeline.fetch_subtitles(settings, network=Network(resolve=no_resolver))
    assert (report.known, report.failed) == (0, 0)


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", CPV_ARRAYS.values())
def test_a_label_has_two_levels_and_a_name(table: str) -> None:
    """Each of the four tables has one column for either level and one for the name."""
    (found,) = [each for each in contract_of("CPVLabel").tables if each.name == table]
    labels = [(c.name, c.path) for c in found.columns if c.name.startswith("label")]
    assert labels == [
        ("label_level1", ("labelLevel1",)),
        ("label_level2", ("labelLevel2",)),
        ("label", ("label",)),
    ]


@pytest.mark.parametrize("array", CPV_ARRAYS)
@pytest.mark.parametrize("text", ["", "Hotword", "The information about the hotword.", "热词"])
def test_any_text_is_a_label(array: str, text: str) -> None:
    """No sample of the vendor page is a rule: labels load as they were sent, empty ones too."""
    labels = dict.fromkeys(("labelLevel1", "labelLevel2", "label"), text)
    batch = whole("CPVLabel", {array: [labels]})
    columns = ("label_level1", "label_level2", "label")
    assert batch.rows(CPV_ARRAYS[array], *columns) == [(text,) * 3]
    assert unexpected(batch) == {}


@pytest.mark.parametrize(
    ("source", "told"), [("hmi", {}), ("auto", {}), ("autp", {}), ("manual", {"/type": 1})]
)
def test_how_labels_were_made_is_kept_as_sent(source: str, told: dict[str, int]) -> None:
    """The value is not corrected, and any value loads; only an unheard one is told as drift."""
    batch = whole("CPVLabel", {"type": source, "cates": []})
    assert batch.rows("cpv_results", "label_source") == [(source,)]
    assert unexpected(batch) == told


@pytest.mark.parametrize("kind", ["VideoLabel", "ImageLabel"])
def test_any_category_of_a_person_is_kept(kind: str) -> None:
    """A picture's person may be unknown like a video's; an id of a library is a category."""
    categories = ["celebrity", "politician", "sensitive", "unknown", "8f14e45fceea167a"]
    batch = whole(kind, {"persons": [{"category": each} for each in categories]})
    table = {"VideoLabel": "video_persons", "ImageLabel": "image_persons"}[kind]
    assert batch.rows(table, "category") == [(each,) for each in categories]
    assert unexpected(batch) == {}


def test_any_shot_type_is_loaded() -> None:
    """The four of the page are expected; another one loads all the same and is told as drift."""
    scenes = ["closeUp", "medium-closeUp", "medium", "medium-long", "long", None]
    blob = {"persons": [{"occurrences": [{"scene": scene} for scene in scenes]}]}
    batch = whole("VideoLabel", blob)
    assert batch.rows("video_person_occurrences", "scene") == [(scene,) for scene in scenes]
    assert unexpected(batch) == {"/persons/*/occurrences/*/scene": 1}


def test_names_of_tags_are_any_text() -> None:
    """Chinese names arrive letter by letter, in both Types of tags, and none is unexpected."""
    batch = flatten(
        success(
            result("VideoLabel", {"tags": [{"mainTagName": "表情", "subTagName": "生气"}]}),
            result("TextLabel", {"tags": [{"name": "人物", "value": "南宁市,中国"}]}),
        )
    )
    assert batch.rows("video_tags", "main_tag_name", "sub_tag_name") == [("表情", "生气")]
    assert batch.rows("text_tags", "name") == [("人物",)]
    assert batch.rows("text_tag_values", "value") == [("南宁市",), ("中国",)]
    assert unexpected(batch) == {}


@pytest.mark.parametrize("kind", TYPES)
def test_no_contract_lists_the_values_of_a_field(kind: str) -> None:
    """Lists of values stand in expectations only, which refuse nothing."""

    def keywords(node: Json, place: str = "") -> Iterator[str]:
        if isinstance(node, list):
            for each in node:
                yield from keywords(each, place)
        elif isinstance(node, dict):
            for key, inner in node.items():
                if key in {"enum", "const"}:
                    yield f"{place}/{key}"
                elif key != "x-expect":
                    yield from keywords(inner, f"{place}/{key}")

    assert list(keywords(contract_of(kind).gate.schema)) == []


# --- times and numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "array", "key", "table"),
    [
        ("VideoLabel", "persons", "ratio", "video_persons"),
        ("VideoLabel", "tags", "ratio", "video_tags"),
        ("CPVLabel", "cates", "appearanceProbability", "cpv_categories"),
        ("CPVLabel", "freeTags", "appearanceProbability", "cpv_free_tags"),
    ],
)
@pytest.mark.parametrize("share", [1.7, -0.1])
def test_a_share_out_of_range_is_loaded_and_told(
    kind: str, array: str, key: str, table: str, share: float
) -> None:
    """A share of the video above 1 or below 0 is a row as it was sent, and drift."""
    batch = whole(kind, {array: [{key: share}, {key: 1}, {key: 0}]})
    assert batch.rows(table, "appearance_ratio") == [(share,), (1,), (0,)]
    assert unexpected(batch) == {f"/{array}/*/{key}": 1}


@pytest.mark.parametrize("corner", [[1], [1, 2, 3], [], {"x": 1, "y": 2}, "1,2"])
def test_a_corner_is_two_numbers(corner: Json) -> None:
    """A corner of another shape costs its own row; a whole number may be written as 10.0."""
    boxes = [{"leftTop": [10.0, 20], "rightBottom": [30, 40.0]}, {"leftTop": corner}]
    blob = {"persons": [{"occurrences": [{"position": box} for box in boxes]}]}
    batch = batch_of("VideoLabel", blob)
    columns = ("occurrence_index", "box_left", "box_top", "box_right", "box_bottom")
    assert batch.rows("video_person_occurrences", *columns) == [(0, 10, 20, 30, 40)]
    ((table, pointer, _),) = set_aside(batch)
    place = "/persons/0/occurrences/1/position/leftTop"
    assert (table, pointer) == ("video_person_occurrences", place)


@pytest.mark.parametrize("number", [1758265418316500000, 1.0])
def test_ids_of_many_digits_stay_text(number: float) -> None:
    """19 digits arrive digit by digit; an id sent as a number costs its row, with its digits."""
    paragraphs = [
        {"paragraphId": "1758265418316500001", "speakerId": "01"},
        {"paragraphId": number},
    ]
    batch = batch_of("NLP", {"transcription": {"paragraphs": paragraphs}})
    columns = ("paragraph_index", "paragraph_id", "speaker_id")
    assert batch.rows("nlp_paragraphs", *columns) == [(0, "1758265418316500001", "01")]
    assert batch.rows("quarantine", "keyword", "fragment") == [
        ("type", f'{{"paragraphId":{number}}}')
    ]


# --- NLP -----------------------------------------------------------------------------------------


def test_chapters_are_an_array_even_inside_an_object() -> None:
    """The array itself and the array under its own name once more give the same rows."""
    chapters = [{"id": 1, "start": 2960, "headline": "a"}, {"id": 2}]
    for sent in (chapters, {"autoChapters": chapters}):
        batch = whole("NLP", {"autoChapters": sent})
        columns = ("chapter_index", "chapter_id", "start_seconds", "headline")
        assert batch.rows("nlp_chapters", *columns) == [(0, 1, 2.96, "a"), (1, 2, None, None)]


def test_chapters_in_an_unknown_object_set_the_result_aside() -> None:
    """An object that holds no chapters under that name is not guessed at; all of it is kept."""
    batch = batch_of("NLP", {"autoChapters": {"list": []}, "transcription": {}})
    assert set_aside(batch) == [(None, "/autoChapters", "type")]
    expected = '{"autoChapters":{"list":[]},"transcription":{}}'
    assert batch.rows("quarantine", "fragment") == [(expected,)]


def test_paragraphs_of_a_translation_are_an_array() -> None:
    """A paragraph is one of an array like those of the transcription; one alone is no array."""
    paragraph = {"paragraphId": "7", "sentences": [{"sentenceId": 1, "text": "Hello"}]}
    batch = whole("NLP", {"translation": {"paragraphs": [paragraph, {}]}})
    columns = ("paragraph_index", "paragraph_id", "sentences_count")
    assert batch.rows("nlp_translation_paragraphs", *columns) == [(0, "7", 1), (1, None, None)]
    assert batch.rows("nlp_translation_sentences", "sentence_id", "text") == [(1, "Hello")]
    batch = batch_of("NLP", {"translation": {"paragraphs": paragraph}})
    assert set_aside(batch) == [(None, "/translation/paragraphs", "type")]


def test_a_keyword_that_is_an_object_costs_its_row() -> None:
    """A keyword is a text; an object that holds one is set aside, those beside it load."""
    batch = batch_of("NLP", {"meetingAssistance": {"keywords": ["快递", {"text": "a"}, "b"]}})
    assert batch.rows("nlp_keywords", "keyword_index", "keyword") == [(0, "快递"), (2, "b")]
    assert set_aside(batch) == [("nlp_keywords", "/meetingAssistance/keywords/1", "type")]


def test_sentences_of_questions_are_named_by_whole_numbers() -> None:
    """Each id is a row that joins with words; an id that is text costs its own row only."""
    ids = {"sentenceIdsOfQuestion": [1, 2.0], "sentenceIdsOfAnswer": [3, "4"]}
    batch = batch_of("NLP", {"summarization": {"questionsAnsweringSummary": [ids]}})
    key = ("question_index", "sentence_index", "sentence_id")
    assert batch.rows("nlp_question_sentences", *key) == [(0, 0, 1), (0, 1, 2)]
    assert batch.rows("nlp_answer_sentences", *key) == [(0, 0, 3)]
    place = "/summarization/questionsAnsweringSummary/0/sentenceIdsOfAnswer/1"
    assert set_aside(batch) == [("nlp_answer_sentences", place, "type")]


@pytest.mark.parametrize("changes", [{"start": 2.5}, {"start": "2960"}, {"end": True}])
def test_times_that_are_no_whole_milliseconds_cost_their_row(changes: Json) -> None:
    """Units are never guessed from a number: a fraction is not taken for seconds."""
    batch = batch_of("NLP", word(**changes))
    assert batch.rows("nlp_words", "word_index", "text") == [(0, "a")]
    (name,) = changes
    place = f"/transcription/paragraphs/0/words/1/{name}"
    assert set_aside(batch) == [("nlp_words", place, "type")]


# --- the other Types -----------------------------------------------------------------------------


def test_one_set_of_subtitle_files_needs_no_array() -> None:
    """The set itself in place of the array is its first row, and a form that is told."""
    batch = whole("Subtitle", {"details": {"allResultUrl": "a", "engResultUrl": ""}})
    columns = ("file_index", "all_url", "chinese_url", "english_url")
    assert batch.rows("subtitle_files", *columns) == [(0, "a", None, "")]
    assert batch.rows("source_forms", "pointer", "form") == [("/details", "single")]


def test_texts_of_a_frame_are_an_array() -> None:
    """A frame holds any number of texts; one that is no array costs its frame, not the others."""
    texts = [{"content": "a"}, {"content": "b"}]
    batch = batch_of("OCR", {"details": [{"info": texts}, {"info": texts[0]}, {"info": []}]})
    assert batch.rows("ocr_frames", "frame_index", "texts_count") == [(0, 2), (2, 0)]
    key = ("frame_index", "text_index", "content")
    assert batch.rows("ocr_texts", *key) == [(0, 0, "a"), (0, 1, "b")]
    assert set_aside(batch) == [("ocr_frames", "/details/1/info", "type")]


def test_knowledge_never_costs_its_entity() -> None:
    """Broken text, JSON in place of its text, and none at all are rows with what can be read."""
    told = '{"name":"黄果树","longitude":"105.6"}'
    sent: list[Json] = [told, {"name": "b"}, '{"name":', "", ["c"], None]
    batch = whole("CPVLabel", {"entities": [{"knowledgeInfo": each} for each in sent]})
    columns = ("knowledge_info", "knowledge_name", "knowledge_longitude")
    assert batch.rows("cpv_entities", *columns) == [
        (told, "黄果树", 105.6),
        ('{"name":"b"}', "b", None),
        ('{"name":', None, None),
        ("", None, None),
        ('["c"]', None, None),
        (None, None, None),
    ]
    assert batch.rows("source_forms", "pointer", "form") == [
        ("/entities/1/knowledgeInfo", "json_value"),
        ("/entities/4/knowledgeInfo", "json_value"),
    ]


ANCHORS = {
    "VideoLabel": ["persons", "tags", "classifications"],
    "ImageLabel": ["persons", "tags"],
    "TextLabel": ["tags"],
    "CPVLabel": ["cates", "entities", "hotwords", "freeTags"],
    "ASR": ["details"],
    "OCR": ["details"],
    "Meta": ["title"],
    "NLP": [
        "transcription",
        "autoChapters",
        "summarization",
        "meetingAssistance",
        "translation",
    ],
    "Subtitle": ["details"],
    "EventSplit": ["events"],
}


@pytest.mark.parametrize("kind", ANCHORS)
def test_a_result_has_one_of_its_anchors(kind: str) -> None:
    """Any one of them makes a result, null as well; without any it is another Type's payload."""
    for key in ANCHORS[kind]:
        whole(kind, {key: None})
    for other in ({}, {"message": "SUCCESS", "success": True}, {"x": 1}):
        batch = batch_of(kind, other)
        assert batch.rows("results", "state") == [("quarantined",)]


def test_only_raw_output_has_no_anchor() -> None:
    """Every Type but Process, whose shape nobody documented, asks for one."""
    assert [*ANCHORS] == [kind for kind in TYPES if kind != "Process"]
    assert contract_of("Process").gate.schema.keys().isdisjoint({"required", "anyOf"})


# --- the job -------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["a", "", None])
def test_a_title_may_come_unasked(title: str | None) -> None:
    """The original title is read where there is one, and missed by no job that has none."""
    without = result("ASR", {"details": []})
    batch = flatten(success(without), success(without, result("Meta", {"title": title})))
    assert batch.rows("jobs", "job_id", "state") == [("job-0", "loaded"), ("job-1", "loaded")]
    assert batch.rows("meta_titles", "job_id", "title") == [("job-1", title)]
    assert batch.rows("quarantine") == []
