"""Trees as rows: numbers, levels, what is set aside, and how deep a tree may be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from contract_kit import Batch, Json, contract_of, counted, flatten, nested, only, result, success
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.json_text import MAX_DEPTH
from transforms.trees import MAX_TREE_DEPTH, find_trees, has_trees, lay_out, number_nodes
from transforms.validate import Verdict, check_blob

NLP = contract_of("NLP")
NODES = "nlp_mind_map_nodes"
TOP = "/summarization/mindMapSummary"
PLACE = ("node_index", "parent_node_index", "depth", "sibling_index", "topics_count", "title")


def node(title: Json, *below: Json, **more: Json) -> dict[str, Json]:
    """Returns a topic of a mind map; one without topics below it has none, not an empty array."""
    return {"title": title} | ({"topic": list(below)} if below else {}) | more


def mind_map(*nodes: Json, **beside: Json) -> dict[str, Json]:
    """Returns an NLP blob with a mind map."""
    return {"summarization": {"mindMapSummary": list(nodes), **beside}}


def nodes_of(*blobs: Json) -> Batch:
    """Returns the batch of a reply with these NLP results."""
    return flatten(success(*(result("NLP", blob) for blob in blobs)))


def chain(levels: int, leaf: Json | None = None) -> dict[str, Json]:
    """Returns a tree of one node a level."""
    found = node("leaf") if leaf is None else leaf
    for level in range(levels - 1, 0, -1):
        found = node(str(level), found)
    return found


def test_nodes_are_numbered_from_the_top_down() -> None:
    """A node comes before those below it, these before its neighbour; each knows its place."""
    tree = [node("a", node("b", node("c"), node("d", topic=[])), node("e")), node("f", topic=None)]
    batch = nodes_of(mind_map(*tree))
    assert batch.rows(NODES, *PLACE) == [
        (0, None, 0, 0, 2, "a"),
        (1, 0, 1, 0, 2, "b"),
        (2, 1, 2, 0, None, "c"),
        (3, 1, 2, 1, 0, "d"),
        (4, 0, 1, 1, None, "e"),
        (5, None, 0, 1, None, "f"),
    ]
    assert batch.rows("nlp_summaries", "mind_map_nodes_count") == [(6,)]


def test_trees_of_one_batch_are_numbered_apart() -> None:
    """Numbers begin at 0 in every result, beside results without a tree."""
    batch = nodes_of(
        mind_map(node("a", node("b"))), {"autoChapters": []}, mind_map(), mind_map(node("c"))
    )
    assert batch.rows(NODES, "result_index", "node_index", "title") == [
        (0, 0, "a"),
        (0, 1, "b"),
        (3, 0, "c"),
    ]
    assert batch.rows("nlp_summaries", "result_index", "mind_map_nodes_count") == [
        (0, 2),
        (2, 0),
        (3, 1),
    ]


def test_a_node_set_aside_takes_its_subtree_with_it() -> None:
    """Its number and those below it stay unused; one finding has it whole, counts stay honest."""
    wrong = node(7, node("c", node("d")), node("e"))
    batch = nodes_of(mind_map(node("a", wrong, node("f", node("g")))))
    assert batch.rows(NODES, *PLACE) == [
        (0, None, 0, 0, 2, "a"),
        (5, 0, 1, 1, 1, "f"),
        (6, 5, 2, 0, None, "g"),
    ]
    assert batch.rows("nlp_summaries", "mind_map_nodes_count") == [(7,)]
    assert batch.made.totals[NODES] == {"source": 7, "loaded": 3, "quarantined": 4}
    (row,) = batch.rows("quarantine")
    assert (row["table_name"], row["keyword"], row["scope"]) == (NODES, "type", "row")
    assert row["row_pointer"] == f"{TOP}/0/topic/0"
    assert row["pointer"] == f"{TOP}/0/topic/0/title"
    assert row["fragment"] == orjson.dumps(wrong).decode()


@pytest.mark.parametrize("wrong", [None, "text", 7, [], [{}], True])
def test_what_is_no_node_keeps_its_number(wrong: Json) -> None:
    """Anything among nodes that is none is set aside at its position, on every level."""
    batch = nodes_of(mind_map(wrong, node("a", node("b"), wrong, node("c"))))
    assert batch.rows(NODES, *PLACE) == [
        (1, None, 0, 1, 3, "a"),
        (2, 1, 1, 0, None, "b"),
        (4, 1, 1, 2, None, "c"),
    ]
    assert batch.rows("quarantine", "row_pointer", "keyword", "fragment") == [
        (f"{TOP}/0", "type", json.dumps(wrong)),
        (f"{TOP}/1/topic/1", "type", json.dumps(wrong)),
    ]
    assert batch.made.totals[NODES] == {"source": 5, "loaded": 3, "quarantined": 2}


def test_wrong_nodes_below_one_another_are_one_finding() -> None:
    """The topmost goes with all below it, and counts their violations."""
    wrong = node(1, node("b", node(2)), node(3))
    verdict = check_blob(mind_map(node("a"), wrong), NLP)
    finding = only(verdict.findings)
    assert (finding.row_pointer, finding.errors_count) == (f"{TOP}/1", 3)
    assert counted(NLP, verdict.expected)[NODES] == 1


def test_a_wrong_row_around_a_tree_takes_the_tree_with_it() -> None:
    """The summaries are one row: set aside, their mind map goes too, and all is accounted for."""
    batch = nodes_of(mind_map(node("a", node("b")), paragraphSummary=7), mind_map(node("c")))
    assert batch.rows(NODES, "result_index", "title") == [(1, "c")]
    assert batch.made.totals[NODES] == {"source": 3, "loaded": 1, "quarantined": 2}
    assert batch.rows("quarantine", "table_name", "row_pointer") == [
        ("nlp_summaries", "/summarization")
    ]


@pytest.mark.parametrize("wrong", ["text", 7, {}, {"topic": []}, True])
def test_what_is_no_array_of_nodes_costs_the_row_around_it(wrong: Json) -> None:
    """In place of the nodes at the top it costs the summaries, below a node that node."""
    above = check_blob({"summarization": {"mindMapSummary": wrong}, "autoChapters": [{}]}, NLP)
    assert [(f.table_name, f.row_pointer) for f in above.findings] == [
        ("nlp_summaries", "/summarization")
    ]
    assert counted(NLP, above.expected) == {"nlp_results": 1, "nlp_chapters": 1}
    below = check_blob(mind_map(node("a", topic=wrong), node("b")), NLP)
    assert [(f.table_name, f.row_pointer) for f in below.findings] == [(NODES, f"{TOP}/0")]
    assert counted(NLP, below.expected)[NODES] == 1


def test_unknown_keys_of_nodes_are_told_where_they_are() -> None:
    """Their pointers lead into the tree as it was sent; they are no columns and change no row."""
    tree = [node("a", node("b", node("c"), colour="red"), mark=1), {"#parent": 9, "#depth": None}]
    batch = nodes_of(mind_map(*tree))
    assert batch.rows("unmapped_fields", "pointer", "value") == [
        (f"{TOP}/0/topic/0/colour", '"red"'),
        (f"{TOP}/0/mark", "1"),
        (f"{TOP}/1/#parent", "9"),
        (f"{TOP}/1/#depth", "null"),
    ]
    assert batch.rows(NODES, *PLACE) == [
        (0, None, 0, 0, 1, "a"),
        (1, 0, 1, 0, 1, "b"),
        (2, 1, 2, 0, None, "c"),
        (3, None, 0, 1, None, None),
    ]


def test_a_tree_may_have_32_levels() -> None:
    """The last level allowed loads; it is the thirty-second."""
    batch = nodes_of(mind_map(chain(32)))
    assert MAX_TREE_DEPTH == 32
    assert batch.rows("quarantine") == []
    assert batch.rows(NODES, "node_index", "depth") == [(n, n) for n in range(32)]


@pytest.mark.parametrize("levels", [33, 34, 60, MAX_DEPTH // 2 - 1])
def test_a_node_deeper_than_32_levels_is_set_aside(levels: int) -> None:
    """It fails loudly: one finding says so and has the rest of the tree; what is above loads."""
    deep = chain(levels)
    batch = nodes_of(mind_map(node("before", node("x")), deep, node("after")))
    (row,) = batch.rows("quarantine")
    assert (row["table_name"], row["keyword"], row["errors_count"]) == (NODES, "x-tree", 1)
    assert row["message"] == "nested more than 32 levels deep"
    place = f"{TOP}/1" + "/topic/0" * 32
    assert row["pointer"] == row["row_pointer"] == place
    inner: Json = deep
    for _ in range(32):
        inner = inner["topic"][0]
    assert json.loads(row["fragment"]) == inner
    rows = batch.rows(NODES, "node_index", "depth")
    assert rows == [(0, 0), (1, 1), *((n + 2, n) for n in range(32)), (levels + 2, 0)]
    assert batch.rows("nlp_summaries", "mind_map_nodes_count") == [(levels + 3,)]
    totals = {"source": levels + 3, "loaded": 35, "quarantined": levels - 32}
    assert batch.made.totals[NODES] == totals


def test_each_node_too_deep_is_a_finding_beside_others() -> None:
    """Nodes too deep and nodes that are wrong are told apart, once each, and unknown keys too."""
    end = node("31", node("x"), node("y"), node("z", node("w")))
    blob = mind_map(chain(32, end), node(7), node("b", k=1))
    verdict = check_blob(json.dumps(blob), NLP)
    deep = f"{TOP}/0" + "/topic/0" * 31 + "/topic"
    assert [(f.row_pointer, f.keyword) for f in verdict.findings] == [
        (f"{deep}/0", "x-tree"),
        (f"{deep}/1", "x-tree"),
        (f"{deep}/2", "x-tree"),
        (f"{TOP}/1", "type"),
    ]
    assert [each.pointer for each in verdict.unmapped] == [f"{TOP}/2/k"]
    lost = [a - b for a, b in zip(verdict.source, verdict.expected, strict=True)]
    assert counted(NLP, lost) == {NODES: 5}


def test_a_wrong_node_above_takes_one_that_is_too_deep_along() -> None:
    """What lies in a row that is set aside is not told again."""
    verdict = check_blob(mind_map(node(7, chain(40)), node("b")), NLP)
    assert [(f.row_pointer, f.keyword) for f in verdict.findings] == [(f"{TOP}/0", "type")]
    assert counted(NLP, verdict.expected)[NODES] == 1


@pytest.mark.parametrize("levels", [MAX_DEPTH // 2, 150, 300, 480, 509])
def test_a_document_nested_too_deep_is_set_aside_whole(levels: int) -> None:
    """Beyond what is examined at all the blob is unreadable, valid or not; nothing raises."""
    for leaf in ("[]", "7"):
        nodes = nested(levels, '[{"topic":', "}]", leaf)
        verdict = check_blob(f'{{"summarization":{{"mindMapSummary":{nodes}}}}}', NLP)
        finding = only(verdict.findings)
        assert (finding.scope, finding.reason) == ("result", "unreadable")
        assert finding.message == f"nested more than {MAX_DEPTH} levels deep"
        assert verdict.line is None


def test_deep_trees_fit_a_stack_that_is_in_use() -> None:
    """Even called from deep within a program, a tree of 32 wrong levels is examined."""

    def call(levels: int, wanted: Callable[[], Verdict]) -> Verdict:
        return wanted() if levels == 0 else call(levels - 1, wanted)

    blob = mind_map(chain(32, node(7, k=1)), chain(50), chain(32, node("a", k=1)))
    text = json.dumps(blob)
    used = len(list(iter(_frames())))
    room = sys.getrecursionlimit() - used - 500
    verdict = call(max(room, 0), lambda: check_blob(text, NLP))
    assert [finding.keyword for finding in verdict.findings] == ["type", "x-tree"]
    assert len(verdict.unmapped) == 1


def _frames() -> Any:  # noqa: ANN401 - frames of the interpreter
    frame: Any = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


@pytest.mark.parametrize(
    "text",
    [
        '{"summarization":{"mindMapSummary":[{"title":"a","title":"b"}]}}',
        '{"summarization":{"mindMapSummary":[{"title":"a"}],"mindMapSummary":[{"title":"b"}]}}',
        '{"summarization":{"mindMapSummary":[{"topic":[{"topic":[],"topic":[{}]}]}]}}',
        '{"autoChapters":[{"id":1,"id":2}],"summarization":{"mindMapSummary":[]}}',
        '{"message":"a","message":"b","summarization":{"mindMapSummary":[{}]}}',
    ],
)
def test_a_key_given_twice_beside_a_tree_is_found(text: str) -> None:
    """Laying a tree out writes the blob anew; what one parser would drop is not lost in that."""
    batch = flatten(success({"Type": "NLP", "Data": text}))
    assert batch.rows("quarantine", "scope", "reason", "fragment") == [
        ("result", "duplicate_key", text)
    ]


def test_many_nodes_take_time_in_proportion() -> None:
    """A mind map of 20,000 nodes, broad and deep, loads in order."""
    branch = node("a", *(node("b", *(node("c") for _ in range(9))) for _ in range(20)))
    batch = nodes_of(mind_map(*[branch] * 100))
    rows = batch.rows(NODES, "node_index")
    assert rows == [(n,) for n in range(100 * (1 + 20 * 10))]


def test_trees_are_found_where_tables_have_them() -> None:
    """Only Types with a tree are gone through, and only to where it lies."""
    assert [each.name for each in NLP.root.children if has_trees(each)] == ["nlp_summaries"]
    assert not has_trees(contract_of("CPVLabel").root)
    document = mind_map(node("a"))
    tree = only(list(find_trees(NLP.root, document)))
    assert (tree.path, tree.table.name) == (("summarization", "mindMapSummary"), NODES)
    assert tree.holder is document["summarization"]
    odds: list[Json] = [None, [], "x", {}, {"summarization": None}, {"summarization": []}]
    for odd in (*odds, mind_map()):
        assert all(each.nodes == [] for each in find_trees(NLP.root, odd))


def test_laying_out_leaves_no_tree() -> None:
    """A tree becomes one array of flat rows in its place; nodes cut meanwhile are null."""
    document = mind_map(node("a", node("b"), node("c")), node("d"))
    numbered = number_nodes(only(list(find_trees(NLP.root, document))))
    document["summarization"]["mindMapSummary"][0]["topic"][0] = None
    lay_out(numbered)
    place = ("#parent", "#depth", "#sibling", "topic", "title")
    laid_out = document["summarization"]["mindMapSummary"]
    assert [each and tuple(each[key] for key in place) for each in laid_out] == [
        (None, 0, 0, 2, "a"),
        None,
        (0, 1, 1, None, "c"),
        (None, 0, 1, None, "d"),
    ]


TREES = st.recursive(
    st.builds(node, st.text(max_size=3)),
    lambda inner: st.builds(
        lambda title, below: node(title, *below), st.text(max_size=3), st.lists(inner, max_size=3)
    ),
    max_leaves=20,
)


@given(trees=st.lists(TREES, max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_tree_can_be_made_again_from_its_rows(trees: list[Json]) -> None:
    """Parent and position among its neighbours place each node where it was."""
    rows = nodes_of(mind_map(*trees)).rows(NODES)
    made: list[Json] = []
    below: dict[int | None, list[Json]] = {None: made}
    for row in rows:
        beside = below[row["parent_node_index"]]
        assert row["sibling_index"] == len(beside)
        again = node(row["title"])
        if row["topics_count"] is not None:
            below[row["node_index"]] = again["topic"] = []
        beside.append(again)
    assert made == trees
    levels = {row["node_index"]: row["depth"] for row in rows}
    for row in rows:
        parent = row["parent_node_index"]
        assert row["depth"] == (0 if parent is None else levels[parent] + 1)
