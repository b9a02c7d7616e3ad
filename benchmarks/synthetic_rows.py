"""Rows of one result Type, made up from the layouts: every table and column the schemas have.

How many children a row has and what a column holds is told by name; what is not told gets a value
of its type, so that a new column of the schemas needs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.synthetic_words import PEOPLE, TAGS, Words, pick
from transforms.flatten import Flattened
from transforms.layout import Column, Table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CHILDREN = {
    "video_persons": 8,
    "video_person_occurrences": 40,
    "video_tags": 60,
    "video_tag_occurrences": 10,
    "video_classifications": 3,
    "cpv_categories": 5,
    "cpv_category_details": 5,
    "cpv_entities": 40,
    "cpv_entity_details": 10,
    "cpv_entity_tracks": 27,
    "cpv_hotwords": 4,
    "cpv_hotword_details": 3,
    "cpv_free_tags": 10,
    "cpv_free_tag_details": 3,
    "asr_segments": 200,
    "ocr_frames": 150,
    "ocr_texts": 3,
    "nlp_paragraphs": 40,
    "nlp_words": 50,
    "nlp_audio_segments": 40,
    "nlp_chapters": 8,
    "nlp_mind_map_nodes": 12,
    "nlp_keywords": 10,
    "nlp_key_sentences": 10,
    "nlp_translation_paragraphs": 40,
    "nlp_translation_sentences": 5,
}
"""Mean number of rows below one row of the parent; of tables not named here, 3."""
FRAMES_OF_TEXT = 4
"""How many frames a text is read from."""
HEAVY_OCCURRENCES = 10_000
"""Occurrences of the first person of a job that has very many."""
_IN_TURN = frozenset(
    [
        "asr_segments",
        "nlp_paragraphs",
        "nlp_words",
        "nlp_chapters",
        "nlp_audio_segments",
        "ocr_frames",
        "event_splits",
        "nlp_translation_paragraphs",
        "nlp_translation_sentences",
        "cpv_entity_tracks",
    ]
)
"""Tables whose rows follow one another in time; others overlap at random."""
_PAUSE = 0.1
_LEVELS = (
    ("Location", "Item", "Logo", "Brand", "Event", "Person"),
    ("Landmark", "", "标识", "Scenery"),
)
_MAIN_TAGS = ["物体", "场景", "动作", "人物", "标识", "Object", "Scene", "Action", "Person", "Logo"]


@dataclass(frozen=True, slots=True)
class Videos:
    """What is common to all results of the jobs of a batch, by position of the job."""

    seconds: Floats
    english: Flags
    heavy: Flags


@dataclass(slots=True)
class Rows:
    """The rows of one table of one batch.

    Attributes:
        table: The table.
        rng: Where chance comes from.
        words: Where text comes from.
        videos: The jobs.
        jobs: For each row the position of its job.
        blobs: For each row the position of its result among those of the Type.
        ordinals: Key columns below the result.
        above: For each row the position of its parent row.
        siblings: For each row how many there are below its parent.
        low: Where in the video its time begins, 0 to 1.
        high: Where it ends.
        parent: The rows above.
        columns: What has been made so far.
    """

    table: Table
    rng: np.random.Generator
    words: Words
    videos: Videos
    jobs: Ints
    blobs: Ints
    ordinals: tuple[Ints, ...]
    above: Ints
    siblings: Ints
    low: Floats
    high: Floats
    parent: Rows | None = None
    columns: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def index(self) -> Ints:
        """Returns the position of each row below its parent."""
        return self.ordinals[-1]

    @property
    def english(self) -> Flags:
        """Returns whether each row's job is in English."""
        return self.videos.english[self.jobs]

    @property
    def seconds(self) -> Floats:
        """Returns the length of each row's video."""
        return self.videos.seconds[self.jobs]

    def whole(self, low: int, high: int) -> Ints:
        """Returns random whole numbers below `high`."""
        return self.rng.integers(low, high, len(self))

    def inherited(self, column: str) -> Any:  # noqa: ANN401 - NumPy or Arrow
        """Returns a column of the parent rows, for each row here."""
        assert self.parent is not None  # noqa: S101 - asked of children only
        values: Any = self.parent.columns[column]
        return values.take(pa.array(self.above)) if hasattr(values, "type") else values[self.above]


def make_type(above: Rows, depth: float, ids: pa.Array, places: Ints) -> dict[str, Flattened]:
    """Returns the rows of every table of a Type.

    Args:
        above: Its table of one row a result, without columns.
        depth: What mean numbers of children are multiplied by.
        ids: Id of each job.
        places: Position of each result in its reply.
    """
    out: dict[str, Flattened] = {}
    _make_table(above, depth, (ids, places), out)
    return out


def _make_table(
    rows: Rows, depth: float, keys: tuple[pa.Array, Ints], out: dict[str, Flattened]
) -> None:
    table, (ids, places) = rows.table, keys
    splits = {child.path: child for child in table.children if child.kind == "split"}
    counts = {child.path: _count(rows, child, depth) for child in table.children}
    for column in table.columns:
        known = counts.get(column.path) if column.kind == "count" else None
        rows.columns[column.name] = known if known is not None else _make_column(rows, column)
    arrays = [
        ids.take(pa.array(rows.jobs)),
        pa.array(places[rows.blobs], pa.int32()),
        *(pa.array(ordinal, pa.int32()) for ordinal in rows.ordinals),
        *(as_array(rows.columns[column.name], column.type) for column in table.columns),
    ]
    made = pa.Table.from_arrays(arrays, schema=table.arrow_schema)
    out[table.name] = Flattened(made, rows.blobs)
    for child in table.children:
        if child.path in splits:
            _split(rows, child, keys, out)
        else:
            _make_table(_below(rows, child, counts[child.path]), depth, keys, out)


def as_array(values: Any, kind: pa.DataType) -> pa.Array:  # noqa: ANN401 - NumPy or Arrow
    """Returns NumPy or Arrow values as an Arrow array of a type."""
    array = values if hasattr(values, "type") else pa.array(values)
    return array if array.type == kind else array.cast(kind)


def _count(rows: Rows, child: Table, depth: float) -> Ints:
    if child.kind == "object":
        return np.ones(len(rows), np.int64)
    mean = max(1.0, CHILDREN.get(child.name, 3) * depth)
    counts: Ints = np.maximum(1, rows.rng.poisson(mean, len(rows)))
    if child.name == "video_person_occurrences":
        heavy = rows.videos.heavy[rows.jobs] & (rows.index == 0)
        counts = np.where(heavy, max(1, int(HEAVY_OCCURRENCES * depth)), counts)
    return counts


def _below(rows: Rows, child: Table, counts: Ints) -> Rows:
    """Goes one level deeper."""
    above = np.repeat(np.arange(len(rows)), counts)
    siblings = counts[above]
    index = np.arange(len(above)) - np.repeat(np.cumsum(counts) - counts, counts)
    low, high = rows.low[above], rows.high[above]
    names = {column.name for column in child.columns}
    if child.name in _IN_TURN:
        step = (high - low) / siblings
        low = low + step * index
        high = low + step * (1 - _PAUSE)
    elif "start_seconds" in names:
        share = np.minimum(
            rows.rng.exponential(6.0, len(above)) / rows.videos.seconds[rows.jobs[above]], 1
        )
        share[rows.rng.random(len(above)) < 0.01] = 0  # noqa: PLR2004 - one in a hundred has no length
        low = low + (high - low) * rows.rng.random(len(above)) * (1 - share)
        order = np.lexsort((low, above))
        low, high = low[order], np.minimum(low + share, high)[order]
    ordinals = tuple(ordinal[above] for ordinal in rows.ordinals)
    own = () if child.kind == "object" else (index,)
    return Rows(
        child,
        rows.rng,
        rows.words,
        rows.videos,
        rows.jobs[above],
        rows.blobs[above],
        (*ordinals, *own),
        above,
        siblings,
        low,
        high,
        rows,
    )


def _split(
    rows: Rows, child: Table, keys: tuple[pa.Array, Ints], out: dict[str, Flattened]
) -> None:
    """Makes the rows of a text's parts."""
    column = next(c.name for c in rows.table.columns if c.path == child.path)
    parts = pc.split_pattern(rows.columns[column], child.separator)
    below = _below(rows, child, pc.list_value_length(parts).to_numpy())
    below.columns[child.columns[0].name] = pc.list_flatten(parts)
    ids, places = keys
    arrays = [
        ids.take(pa.array(below.jobs)),
        pa.array(places[below.blobs], pa.int32()),
        *(pa.array(ordinal, pa.int32()) for ordinal in below.ordinals),
        below.columns[child.columns[0].name],
    ]
    out[child.name] = Flattened(
        pa.Table.from_arrays(arrays, schema=child.arrow_schema), below.blobs
    )


def _make_column(rows: Rows, column: Column) -> Any:  # noqa: ANN401 - NumPy or Arrow
    maker = _MAKERS.get(f"{rows.table.name}.{column.name}") or _MAKERS.get(column.name)
    if maker is not None:
        return maker(rows)
    if pa.types.is_string(column.type):
        return rows.words.sentences(rows.english, 6)
    if pa.types.is_boolean(column.type):
        return np.ones(len(rows), np.bool_)
    return _single(rows.rng.random(len(rows))) if pa.types.is_floating(column.type) else rows.index


def _single(values: Floats) -> Floats:
    """Returns numbers as a model writes them: of single precision."""
    return values.astype(np.float32).astype(np.float64)


def _score(rows: Rows) -> Any:  # noqa: ANN401 - NumPy or Arrow
    found = _single(rows.rng.random(len(rows)))
    if rows.table.name == "video_person_occurrences":
        found[rows.inherited("unknown")] = -1.0
    return found


def _person_name(rows: Rows) -> pa.Array:
    unknown = rows.rng.random(len(rows)) < 0.25  # noqa: PLR2004 - one face in four has no name
    rows.columns["unknown"] = unknown
    named = rows.words.named(("人物", "Person "), rows.english, PEOPLE)
    number = pa.array(rows.index + 1).cast(pa.string())
    faces = Words.join(pick(("未知人脸", "Unknown face "), rows.english), number, "")
    return pc.if_else(pa.array(unknown), faces, named)


def _category(rows: Rows) -> pa.Array:
    known = pick(("celebrity", "politician", "sensitive"), rows.words.ranks(len(rows), 3))
    unknown = rows.columns.get("unknown", np.zeros(len(rows), np.bool_))
    return pc.if_else(pa.array(unknown), pa.scalar("unknown"), known)


def _main_tag(rows: Rows) -> pa.Array:
    places = rows.whole(0, 5)
    rows.columns["is_brand"] = places == 4  # noqa: PLR2004 - the last of each language
    return pick(tuple(_MAIN_TAGS), places + 5 * rows.english)


def _sub_tag(rows: Rows) -> pa.Array:
    tags = rows.words.named(("标签", "Tag "), rows.english, TAGS)
    return pc.if_else(pa.array(rows.columns["is_brand"]), _brand(rows), tags)


def _brand(rows: Rows) -> pa.Array:
    return rows.words.brands(rows.english)


def _level1(rows: Rows) -> pa.Array:
    places = rows.whole(0, len(_LEVELS[0]))
    rows.columns["is_brand"] = (places == 2) | (places == 3)  # noqa: PLR2004 - see _LEVELS
    return pick(_LEVELS[0], places)


def _label(rows: Rows) -> pa.Array:
    return _sub_tag(rows)


def _known(make: Callable[[Rows], pa.Array]) -> Callable[[Rows], pa.Array]:
    """Returns a maker whose values are there where the service knows more: of three in five."""

    def maker(rows: Rows) -> pa.Array:
        if "knows" not in rows.columns:
            rows.columns["knows"] = rows.rng.random(len(rows)) < 0.6  # noqa: PLR2004 - as said
        found = make(rows)
        return pc.if_else(pa.array(rows.columns["knows"]), found, pa.scalar(None, found.type))

    return maker


def _knowledge_text(rows: Rows) -> pa.Array:
    return Words.join(
        '{"name":"', rows.columns["label"], '","description":"', _text(8)(rows), '"}', ""
    )


def _brand_name(rows: Rows) -> pa.Array:
    is_brand = pa.array(rows.columns["is_brand"] & rows.columns["knows"])
    return pc.if_else(is_brand, rows.columns["label"], pa.scalar(None, pa.string()))


def _text(length: int) -> Callable[[Rows], pa.Array]:
    return lambda rows: rows.words.sentences(rows.english, length)


def _shown(rows: Rows) -> pa.Array:
    """Returns on-screen text, which stands for a few frames; one in twenty has a brand in it."""
    frames = rows.ordinals[0] // FRAMES_OF_TEXT
    places = (rows.jobs * (1 + frames.max(initial=0)) + frames) * 1000 + rows.index
    _, first, again = np.unique(places, return_index=True, return_inverse=True)
    english = rows.english[first]
    texts = rows.words.sentences(english, 3)
    with_brand = Words.join(texts, rows.words.brands(english), " ")
    chosen = pa.array(rows.rng.random(len(first)) < 0.05)  # noqa: PLR2004 - as said
    return pc.if_else(chosen, with_brand, texts).take(pa.array(again))


def _corner(side: str, limit: int) -> Callable[[Rows], Ints]:
    def maker(rows: Rows) -> Ints:
        other = rows.columns.get({"right": "box_left", "bottom": "box_top"}.get(side, ""))
        return rows.whole(0, limit) if other is None else other + rows.whole(10, limit // 4)

    return maker


def _drift(rows: Rows) -> Ints:
    """Returns one coordinate of a box that moves slowly along a track."""
    parents = rows.parent
    size = len(parents) if parents else 0
    starts, steps = rows.rng.integers(50, 1500, size), rows.rng.integers(-3, 4, size)
    found: Ints = np.maximum(0, starts[rows.above] + steps[rows.above] * rows.index)
    return found + rows.whole(0, 3)


def _speaker(rows: Rows) -> pa.Array:
    return pa.array(1 + rows.index % 3).cast(pa.string())


def _paragraph_id(rows: Rows) -> pa.Array:
    return pa.array(1_683_270_430_000_000_000 + rows.jobs * 1_000_003 + rows.index * 7919).cast(
        pa.string()
    )


def _sentence(rows: Rows) -> Ints:
    """Returns numbers of sentences: five a paragraph, one after the other."""
    if rows.table.name == "nlp_words":
        return 1 + rows.ordinals[0] * 5 + rows.index * 5 // rows.siblings
    return 1 + rows.whole(0, 200)


def _parent_node(rows: Rows) -> pa.Array:
    return pa.array(np.maximum(rows.index - 1, 0) // 3, mask=rows.index == 0)


def _depth(rows: Rows) -> Ints:
    """Returns the level of each node; each has three below it, in turn."""
    places, depth = rows.index.copy(), np.zeros(len(rows), np.int64)
    while (deeper := places > 0).any():
        depth += deeper
        places = np.where(deeper, (places - 1) // 3, 0)
    return depth


def _topics(rows: Rows) -> Ints:
    found: Ints = np.clip(rows.siblings - 1 - rows.index * 3, 0, 3)
    return found


def _list(rows: Rows) -> pa.Array:
    words = [rows.words.sentences(rows.english, 1) for _ in range(3)]
    return Words.join(*words, ",")


_MAKERS: Mapping[str, Callable[[Rows], Any]] = {
    "start_seconds": lambda rows: np.round(rows.low * rows.seconds, 3),
    "end_seconds": lambda rows: np.round(rows.high * rows.seconds, 3),
    "at_seconds": lambda rows: np.round(rows.low * rows.seconds, 3),
    "duration_seconds": lambda rows: rows.seconds,
    "score": _score,
    "message": lambda rows: pick(("SUCCESS",), np.zeros(len(rows), np.int64)),
    "name": _person_name,
    "category": _category,
    "scene": lambda rows: pick(
        ("closeUp", "medium-closeUp", "medium", "medium-long"), rows.whole(0, 4)
    ),
    "main_tag_name": _main_tag,
    "sub_tag_name": _sub_tag,
    "label_source": lambda rows: pick(("autp",), np.zeros(len(rows), np.int64)),
    "label_level1": _level1,
    "label_level2": lambda rows: pick(_LEVELS[1], rows.whole(0, 4)),
    "label": _label,
    "category1": lambda rows: rows.words.named(("分类", "Category "), rows.english, 30),
    "category2": lambda rows: rows.words.named(("子类", "Kind "), rows.english, 200),
    "knowledge_info": _known(_knowledge_text),
    "knowledge_name": _known(lambda rows: rows.columns["label"]),
    "knowledge_name_en": _known(
        lambda rows: rows.words.named(("Name ", "Name "), rows.english, TAGS)
    ),
    "knowledge_description": _known(_text(8)),
    "knowledge_brand_name": _brand_name,
    "knowledge_alias": _known(_text(2)),
    "knowledge_address": _known(_text(3)),
    "knowledge_longitude": _known(
        lambda rows: pa.array(np.round(rows.rng.uniform(73, 135, len(rows)), 4))
    ),
    "knowledge_latitude": _known(
        lambda rows: pa.array(np.round(rows.rng.uniform(18, 53, len(rows)), 4))
    ),
    "asr_segments.content": _text(9),
    "ocr_texts.content": _shown,
    "nlp_words.text": _text(1),
    "nlp_words.word_id": lambda rows: 10 * (1 + rows.index),
    "summary": _text(25),
    "paragraph_summary": _text(60),
    "answer": _text(20),
    "keyword": _text(1),
    "text_tags.name": lambda rows: pick(("人物", "关键词", "组织机构"), rows.index % 3),
    "text_tags.value": _list,
    "paragraph_id": _paragraph_id,
    "speaker_id": _speaker,
    "speaker_name": lambda rows: Words.join("Speaker ", _speaker(rows), ""),
    "sentence_id": _sentence,
    "parent_node_index": _parent_node,
    "depth": _depth,
    "sibling_index": lambda rows: np.maximum(rows.index - 1, 0) % 3,
    "topics_count": _topics,
    "language": lambda rows: pick(("cn", "en"), rows.english),
    "sample_rate": lambda rows: np.full(len(rows), 16_000),
    "size_bytes": lambda rows: (rows.seconds * 32_000).astype(np.int64),
    "box_left": _corner("left", 1500),
    "box_top": _corner("top", 800),
    "box_right": _corner("right", 1500),
    "box_bottom": _corner("bottom", 800),
    "bbox_1": _drift,
    "bbox_2": _drift,
    "bbox_3": _drift,
    "bbox_4": _drift,
}
