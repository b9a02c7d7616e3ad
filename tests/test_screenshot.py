"""The pictures of Airflow's pages: what is said when they cannot be taken, and the browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox.demo.airflow_api import AirflowError
from sandbox.demo.browser import browsing
from sandbox.demo.screenshot import main

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "data:text/html,<main><p id='there' style='width:40px'>drawn</p></main>"
HAS_BROWSER = shutil.which("chromium") and shutil.which("chromedriver")


def test_home_without_a_demo_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no demo has run, it says what to run, starts nothing and writes nothing."""
    home, images = tmp_path / "demo-home", tmp_path / "images"
    assert main(["--home", str(home), "--images", str(images)]) == 1
    assert "make demo" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_browser_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a browser on the PATH, it says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AirflowError, match="chromium and chromedriver"), browsing():
        pass


@pytest.mark.slow
@pytest.mark.skipif(not HAS_BROWSER, reason="no chromium and chromedriver on this machine")
def test_browser_takes_a_part_of_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture has the size that was asked for, and the profile is removed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with browsing() as browser:
        browser.resize(300, 200)
        browser.open(PAGE)
        browser.wait_for(["drawn"])
        assert browser.run("return document.getElementById('there').clientWidth") == 40
        picture = browser.picture({"x": 0, "y": 0, "width": 100, "height": 50}, 2)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (200, 100)
    assert list(tmp_path.iterdir()) == []
