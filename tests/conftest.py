"""What holds for every test."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import is_hypothesis_test, settings

# What decides whether a change lands makes up the same examples each time; who looks for more asks
# for `explore`, and puts what it finds beside the property as an `@example`.
settings.register_profile("repeat", derandomize=True, database=None, print_blob=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))
SHRINKING_SECONDS = 600
"""Longer than Hypothesis looks for the smallest example: else a failure is told as a timeout."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each property the time to make its counterexample small and to tell it."""
    for item in items:
        made_up = is_hypothesis_test(getattr(item, "function", None))
        if made_up and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SHRINKING_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """Refuses a test that imports airflow before `airflow_home` has set its environment.

    Airflow reads its settings at import: the next test of the process that wants the private one
    would fail in its place, in some orders only.
    """
    before = "airflow" in sys.modules
    result = yield
    fixtures = getattr(item, "fixturenames", ())
    if not before and "airflow" in sys.modules and "airflow_home" not in fixtures:
        raise AssertionError("this test imports airflow: let it ask for the fixture airflow_home")
    return result
