"""Takes the pictures of Airflow's pages in the documents: `make screenshot`.

It needs chromium and chromedriver of the system, and a home in which the demo has run. Only the
pages are brought up: nothing runs, and the service is not asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx

from sandbox.demo.airflow_api import AirflowApi, AirflowError
from sandbox.demo.airflow_home import ROOT, AirflowHome
from sandbox.demo.browser import Browser, browsing
from sandbox.demo.run import INGEST

WIDTH = 1600
SCALE = 1.5
MARGIN = 12
LAKE = "cognition_lake"
_CHOICES = {"theme": "light", "default_dag_view": '"graph"'}
_PLAIN = """
const style = document.createElement('style');
style.textContent = '.react-flow__panel { display: none !important }';
document.head.append(style);
const box = document.querySelector('.react-flow').getBoundingClientRect();
return [box.left, box.right, box.bottom]
"""
"""Takes away map and buttons of the drawing, and tells where it lies."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to take.

    Attributes:
        name: Of the file, without its suffix.
        path: Of the page.
        height: Of the window, in pixels.
        shows: Texts that are on the page once it is drawn.
        choices: What is chosen on the page, as it stores it.
    """

    name: str
    path: str
    height: int
    shows: Sequence[str]
    choices: Mapping[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo.screenshot", description=__doc__)
    parser.add_argument("--home", type=lambda text: Path(text).resolve(), default="demo-home")
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args(arguments)
    try:
        taken = take(given.home, given.images)
    except (AirflowError, httpx.HTTPError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{path} ({path.stat().st_size // 1000} kB)\n" for path in taken)
    return 0


def take(home: Path, images: Path) -> list[Path]:
    """Writes the pictures and returns their files.

    Args:
        home: A home in which the demo has run.
        images: Folder of the pictures.

    Raises:
        AirflowError: The demo has not run there, a page does not show what it should, or there is
            no browser.
    """
    # With a schedule, as in a deployment, the page shows what wakes what; this one is never due
    # before the next demo has read the DAGs again.
    environment = {"COGNITION_HOME": str(home), "COGNITION_SCHEDULE": "0 0 1 1 *"}
    if not (home / "airflow").exists():
        raise AirflowError(f"No demo has run in {home}: run `make demo` first.")
    images.mkdir(parents=True, exist_ok=True)
    components = ("dag-processor", "api-server")
    with AirflowHome(home / "airflow", environment, components) as airflow, browsing() as browser:
        browser.resize(WIDTH, WIDTH)
        browser.open(airflow.url)
        browser.remember(_CHOICES)
        return [
            _take(browser, airflow.url, picture, images / f"{picture.name}.png")
            for picture in _pictures(airflow.api)
        ]


def _pictures(api: AirflowApi) -> list[Picture]:
    run_id = api.last_success(INGEST)
    if run_id is None:
        raise AirflowError(f"{INGEST} has not succeeded in this home: run `make demo` first.")
    tasks = {task.task_id for task in api.tasks(INGEST, run_id)}
    return [
        Picture(
            "ingest-graph",
            f"/dags/{INGEST}/runs/{quote(run_id)}",
            360,
            sorted(tasks),
            {f"dependencies-{INGEST}": '"tasks"', f"direction-{INGEST}": '"RIGHT"'},
        ),
        Picture(
            "assets-graph",
            f"/assets/{api.asset_id(LAKE)}",
            320,
            ["cognition_ledger", INGEST, LAKE, "load_warehouse", "cognition_warehouse"],
        ),
    ]


def _take(browser: Browser, url: str, picture: Picture, path: Path) -> Path:
    browser.resize(WIDTH, picture.height)
    browser.remember(picture.choices)
    browser.open(url + picture.path)
    browser.wait_for(picture.shows)
    left, right, bottom = browser.run(_PLAIN)
    # The handle of the panel beside it reaches as far into the drawing as the margin is wide.
    clip = {"x": left - MARGIN, "y": 0, "width": right - left, "height": bottom}
    path.write_bytes(browser.picture(clip, SCALE))
    return path


if __name__ == "__main__":
    sys.exit(main())
