"""Subtitle files are read line by line, and no line of any file is lost or told twice."""

from __future__ import annotations

import codecs
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ConservationError
from transforms.subtitles.lines import (
    NEITHER,
    NO_NUMBER,
    NO_TIMES,
    NOT_TEXT,
    BadLine,
    Sentence,
    read_lines,
    require_conserved,
)

SHAPES = {
    "a line": "7 00:00:01,500 --> 00:01:03,250 你好 世界\n",
    "tabs": "7\t00:00:01.500\t-->\t00:01:03.250\t你好 世界\n",
    "brackets": "7 [00:00:01,500 --> 00:01:03,250] 你好 世界\n",
    "brackets touch": "7[00:00:01,500-00:01:03,250]你好 世界\n",
    "no hours": "7 0:01.5 ~ 1:03.25 你好 世界\n",
    "minutes alone": "7 00:01.5 - 01:03.25 你好 世界\n",
    "plain seconds": "7 1.5 --> 63.25 你好 世界\n",
    "plain seconds and commas": "7 1,5-63,25 你好 世界\n",
    "a dash of print": "7 1.5 \u2013 63.25 你好 世界\n",
    "spaces around": "  007  1.50  ->  63.250   你好 世界  \n",
    "SubRip": "7\n00:00:01,500 --> 00:01:03,250\n你好 世界\n\n",
    "SubRip without an end": "7\n00:00:01,500 --> 00:01:03,250\n你好 世界",
    "text below": "7 00:00:01,500 --> 00:01:03,250\n你好 世界\n",
}


def numbers(content: bytes) -> list[int]:
    """Returns the serial numbers of the sentences in a file."""
    return [each.number for each in read_lines(content) if isinstance(each, Sentence)]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_sentence_is_read_in_every_shape(shape: str) -> None:
    """However number, times and text are set, the row is the same."""
    [found] = read_lines(shape.encode())
    assert isinstance(found, Sentence)
    assert (found.number, found.text) == (7, "你好 世界")
    assert (found.start_seconds, found.end_seconds) == (1.5, 63.25)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_and_line_ends_are_told_apart(encoding: str, end: str) -> None:
    """UTF-8 with and without a mark, UTF-16 with one, and three line ends give the same."""
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    text = end.join(["1 0:01 --> 0:02 早上好🎬", "", "2 0:02 --> 0:03 it's\u2028one line", ""])
    first, second = read_lines(mark + text.encode(encoding))
    assert first == Sentence(1, 1.0, 2.0, "早上好🎬", (0, 1))
    assert second == Sentence(2, 2.0, 3.0, "it's\u2028one line", (2, 3))


def test_blocks_keep_lines_of_text_that_look_like_others() -> None:
    """In SubRip, numbers and ranges inside a text stay text; the next block needs no blank line."""
    file = "1\n00:00:01,000 --> 00:00:02,000\n42\n10-12 men\n2\n00:00:03,000 --> 00:00:04,000\nb\n"
    assert read_lines(file.encode()) == [
        Sentence(1, 1.0, 2.0, "42\n10-12 men", (0, 4)),
        Sentence(2, 3.0, 4.0, "b", (4, 7)),
    ]


def test_a_sentence_may_be_empty() -> None:
    """Number and times without a text are a sentence without one."""
    assert read_lines(b"1 0:01 - 0:02\n2 0:02 - 0:03 b") == [
        Sentence(1, 1.0, 2.0, "", (0, 1)),
        Sentence(2, 2.0, 3.0, "b", (1, 2)),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", NEITHER),
        ("1", NO_TIMES),
        ("1 hello", NO_TIMES),
        ("1 0:01 hello", NO_TIMES),
        ("1 0:99 --> 1:00 hello", NO_TIMES),
        ("1 1:60:00 --> 2:00:00 hello", NO_TIMES),
        ("1 0:01 --> 0:02] hello", NO_TIMES),
        ("1 [0:01 --> 0:02 hello", NO_TIMES),
        ("0:01 --> 0:02 hello", NO_NUMBER),
        ("1234567890 0:01 --> 0:02 hello", NEITHER),
        ("٣ 0:01 --> 0:02 hello", NEITHER),
    ],
)
def test_what_cannot_be_read_keeps_its_text_and_gets_a_reason(line: str, reason: str) -> None:
    """A line that is no sentence stands aside as it is, and the lines beside it are read."""
    before, bad, after = read_lines(f"8 0-1 a\n{line}\n9 1-2 b".encode())
    assert isinstance(before, Sentence)
    assert bad == BadLine(reason, line, (1, 2))
    assert isinstance(after, Sentence)


def test_bytes_that_are_no_text_cost_their_line_alone() -> None:
    """A line in another encoding stands aside with its bytes escaped."""
    good, bad = read_lines(b"1 0-1 a\n2 1-2 \xc4\xe3\n")
    assert isinstance(good, Sentence)
    assert bad == BadLine(NOT_TEXT, "2 1-2 \\udcc4\\udce3", (1, 2))


def test_half_a_character_of_utf_16_costs_its_line_alone() -> None:
    """An odd byte at the end, or half a pair, makes the last line unreadable and no other."""
    content = "1 0-1 a\n2 1-2 b".encode("utf-16")
    assert read_lines(content + b"x")[1] == BadLine(NOT_TEXT, "2 1-2 b\\udc78", (1, 2))
    assert numbers(content + b"\x3d\xd8") == [1]


def test_a_file_of_another_kind_is_one_bad_part() -> None:
    """A page of HTML in place of the file stands aside whole, blank lines and all."""
    [bad] = read_lines(b"\n<html>\n\n<p>1 of 2</p>\n</html>\n")
    assert isinstance(bad, BadLine)
    assert bad.text == "<html>\n\n<p>1 of 2</p>\n</html>"
    assert bad.span == (1, 5)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\xff\xfe", b" \r\n\t\r\n"])
def test_an_empty_file_holds_nothing(content: bytes) -> None:
    """A file of blank lines, or of none, has neither sentences nor bad lines."""
    assert read_lines(content) == []


@given(st.integers(0, 100 * 3600 * 1000 - 1))
def test_times_in_milliseconds_are_exact(milliseconds: int) -> None:
    """The double of a time is the one next to its milliseconds, in hours or in plain seconds."""
    seconds, rest = divmod(milliseconds, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{rest:03}"
    [found] = read_lines(f"1 {clock} --> {seconds}.{rest:03} a".encode())
    assert isinstance(found, Sentence)
    assert found.start_seconds == found.end_seconds == milliseconds / 1000
    assert round(found.start_seconds * 1000) == milliseconds


PIECES = st.sampled_from(
    ["1", "27", " ", "\t", "\n", "\r\n", "\r", "0:01", "00:00:02,500", "-->", "-", "[", "]", "好"]
) | st.text(max_size=3)
NOISE = st.binary(max_size=40)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@given(
    TEXTS.map(lambda t: t.encode(errors="surrogatepass")) | NOISE | NOISE.map(b"\xff\xfe".__add__)
)
def test_every_line_is_read_or_set_aside_once(content: bytes) -> None:
    """Of any bytes, each line that is not blank is in one sentence or bad line, in their order."""
    found = read_lines(content)
    spans = [each.span for each in found]
    assert spans == sorted(spans)
    assert all(start < stop for start, stop in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        lines = re.split(rb"\r\n|\n|\r", content.removeprefix(codecs.BOM_UTF8))
        written = {at for at, line in enumerate(lines) if line.decode(errors="replace").strip()}
        assert written <= {at for start, stop in spans for at in range(start, stop)}


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
SENTENCES = st.lists(
    st.tuples(st.integers(0, 999_999_999), st.integers(0, 10**7), st.integers(0, 10**7), WORDS),
    max_size=6,
)


@given(
    SENTENCES, st.sampled_from(["{} {} --> {} {}\n", "{}\n{} --> {}\n{}\n\n", "{}\t[{}~{}]{}\r\n"])
)
def test_what_was_written_is_read_back(
    sentences: list[tuple[int, int, int, str]], form: str
) -> None:
    """Sentences written in a known shape come back, each with its number, times and text."""

    def clock(ms: int) -> str:
        return f"{ms // 3_600_000}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"

    file = "".join(form.format(n, clock(a), clock(b), text) for n, a, b, text in sentences)
    found = read_lines(file.encode())
    assert [(s.number, s.start_seconds, s.end_seconds, s.text) for s in found] == [  # type: ignore[union-attr]  # else it fails
        (n, a / 1000, b / 1000, text) for n, a, b, text in sentences
    ]


@pytest.mark.parametrize("spans", [[], [(0, 1)], [(0, 3), (2, 3)]], ids=["none", "lost", "twice"])
def test_a_line_lost_or_told_twice_is_noticed(spans: list[tuple[int, int]]) -> None:
    """Were a line in no part or in two, nothing would be committed."""
    with pytest.raises(ConservationError, match="subtitle file"):
        require_conserved(["a", "", "b"], spans)


@pytest.mark.parametrize("line", ["1{}", "1 1{}x", "1 [1 -{}", "{}x", "1 1-2{}x", "1 {}1"])
def test_long_runs_of_spaces_take_linear_time(line: str) -> None:
    """A line of a million spaces is read in a moment, not in hours."""
    assert len(read_lines(line.format(" " * 1_000_000).encode())) == 1
