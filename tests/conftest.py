"""What holds for every test."""

from __future__ import annotations

import sys

import pytest


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
