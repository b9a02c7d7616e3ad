"""A headless Chromium of the system, driven by the WebDriver protocol over plain HTTP."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # ships no type information

from sandbox.demo.airflow_api import AirflowError
from sandbox.demo.airflow_home import HOST

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.3
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
)
_STARTED = re.compile(r"started successfully on port (\d+)")
_LAYOUT = """
const boxes = [...document.querySelectorAll('main *, .react-flow__node')];
return boxes.map(e => e.getBoundingClientRect()).map(b => [b.x, b.y, b.width].join()).join(' ')
"""


class Browser:
    """One window.

    Args:
        session: An HTTP client whose base URL is the driver's session.
    """

    def __init__(self, session: httpx.Client) -> None:
        self._session = session

    def resize(self, width: int, height: int) -> None:
        """Gives the window's inside a size in pixels of the page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", size)

    def open(self, url: str) -> None:
        """Goes to a page, and returns when it is loaded."""
        self._post("/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  # any JSON
        """Returns what JavaScript in the page returns."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def remember(self, choices: Mapping[str, str]) -> None:
        """Stores choices where the pages keep theirs; they count from the next page on."""
        for name, value in choices.items():
            self.run("localStorage.setItem(arguments[0], arguments[1])", name, value)

    def wait_for(self, texts: Sequence[str]) -> None:
        """Waits until the page shows texts and nothing on it moves.

        Raises:
            AirflowError: It does not show them in time.
        """
        deadline, before = time.monotonic() + WAIT_SECONDS, None
        while True:
            shown = str(self.run("return document.body.innerText"))
            missing = [text for text in texts if text not in shown]
            now = None if missing else self.run(_LAYOUT)
            if now is not None and now == before:
                return
            if time.monotonic() > deadline:
                raise AirflowError(
                    f"the page does not show {', '.join(missing) or 'a still image'}"
                )
            before = now
            time.sleep(POLL_SECONDS)

    def picture(self, clip: Mapping[str, float], scale: float) -> bytes:
        """Returns a part of the page as PNG.

        Args:
            clip: `x`, `y`, `width` and `height` of the part.
            scale: Pixels of the picture for one of the page.
        """
        shot = self._command("Page.captureScreenshot", {"clip": {**clip, "scale": scale}})
        return base64.b64decode(shot["data"])

    def _command(self, name: str, params: Mapping[str, object]) -> Any:  # noqa: ANN401  # any JSON
        return self._post("/goog/cdp/execute", {"cmd": name, "params": params})

    def _post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401  # any JSON
        return self._session.post(path, json=body).raise_for_status().json()["value"]


@contextmanager
def browsing() -> Iterator[Browser]:
    """Starts Chromium with a profile of its own, and removes both at the end.

    Raises:
        AirflowError: Chromium or its driver is not installed, or does not start.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise AirflowError("chromium and chromedriver are needed: install both")
    with tempfile.TemporaryDirectory() as profile, _driver(driver, profile) as url:
        options = {"binary": chromium, "args": [*_SWITCHES, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options}
        with httpx.Client(base_url=url, trust_env=False, timeout=WAIT_SECONDS) as client:
            answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            if not answer.is_success:
                raise AirflowError(f"Chromium did not start: {json.loads(answer.text)['value']}")
            session = f"{url}/session/{answer.json()['value']['sessionId']}"
            client.base_url = httpx.URL(session)
            try:
                yield Browser(client)
            finally:
                client.delete(session)


@contextmanager
def _driver(command: str, home: str) -> Iterator[str]:
    # Chromium writes crash reports and a cache into its user's home, whatever the profile.
    places = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), home)
    with subprocess.Popen(  # noqa: S603  # found by its name on PATH
        [command, "--port=0"],
        env=os.environ | places,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            lines = iter(process.stdout or ())
            port = next((found[1] for line in lines if (found := _STARTED.search(line))), None)
            if port is None:
                raise AirflowError(f"{command} did not start")
            yield f"http://{HOST}:{port}"
        finally:
            # The browser outlives its driver: what is left of both goes with it.
            family = psutil.Process(process.pid)
            for each in (*family.children(recursive=True), family):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
