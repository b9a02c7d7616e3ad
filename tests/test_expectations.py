"""What a schema expects of values is counted right, and never blocks one."""

from __future__ import annotations

from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.expectations import unexpected
from transforms.layout import Column

SCORE = {"anyOf": [{"const": -1}, {"minimum": 0, "maximum": 1}]}
SCHEMAS: list[dict[str, Any]] = [
    SCORE,
    {"minimum": 0},
    {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"minimum": 0, "multipleOf": 0.5},
    {"enum": [0, 1]},
]


def column(expect: dict[str, Any] | None, scale: int = 1) -> Column:
    """Returns a column of numbers with an expectation."""
    return Column("x", pa.float64(), "value", "", scale=scale, expect=expect)


def broken(expect: dict[str, Any] | None, values: list[Any], scale: int = 1) -> list[int]:
    """Returns the places of the values that break an expectation."""
    found = unexpected(column(expect, scale), pa.array(values))
    return [] if found is None else [at for at, yes in enumerate(found.to_pylist()) if yes]


def test_scores_outside_their_range_are_told() -> None:
    """A score is -1 or from 0 to 1; null is never unexpected."""
    assert broken(SCORE, [0.0, -1.0, None, 1.0, 1.001, -0.5]) == [4, 5]


def test_texts_outside_an_enum_are_told() -> None:
    """A text that is none of those expected is told at every place it stands."""
    expect = {"enum": ["closeUp", "medium"]}
    assert broken(expect, ["odd", "medium", None, "odd", "closeUp"]) == [0, 3]


def test_an_expectation_speaks_of_the_numbers_of_the_source() -> None:
    """A column of seconds is held to what is expected of the source's milliseconds."""
    assert broken({"maximum": 2000}, [2.0, 2.001], scale=1000) == [1]


@pytest.mark.parametrize("values", [[], [None, None], [1.0, 2.0]])
def test_nothing_is_told_where_nothing_is_expected_or_given(values: list[float | None]) -> None:
    """A column without an expectation, or without values, has nothing unexpected."""
    assert broken(None, [*values]) == []
    assert broken({"maximum": 2}, [*values]) == []


@given(
    expect=st.sampled_from(SCHEMAS),
    values=st.lists(
        st.none() | st.sampled_from([-1.0, -0.5, 0.0, 0.5, 0.75, 1.0, 1.5]), max_size=9
    ),
)
def test_it_is_what_the_reference_engine_says(
    expect: dict[str, Any], values: list[float | None]
) -> None:
    """Columns are judged as JSON Schema judges each value."""
    is_valid = jsonschema.Draft202012Validator(expect).is_valid
    wrong = [at for at, v in enumerate(values) if v is not None and not is_valid(v)]
    assert broken(expect, [*values, 0.0])[: len(wrong) + 1] == wrong + (
        [] if is_valid(0.0) else [len(values)]
    )
