"""Take the pictures of docs/how-to/workbench.md, of SYNTHETIC films.

    python scripts/workbench_pictures.py demo/chest/run

The run is that of ``camlucida demo``. Needs Chromium.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from camlucida.web.app import create_app, guarded
from camlucida.web.serve import packaged_films, settings_of

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
PORT = 8397
SIZE = {"width": 1280, "height": 860}
JPEG = {"type": "jpeg", "quality": 80}
PAUSE = 1500
"""Milliseconds in which a page settles."""


def main(run: str) -> None:
    """Take every picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(run, Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        page.goto(address)
        explain(page)
        cohort(page)
        browser.close()


@contextmanager
def served(run: str, state: Path) -> Iterator[str]:
    """A server of a run and the packaged films; its one-time address."""
    films = [str(film.path) for film in packaged_films(state / "packaged")]
    given = {"host": "127.0.0.1", "port": PORT, "device": "cpu", "show_phi": False}
    app = create_app(settings_of([run, *films], [], state, **given))
    server = uvicorn.Server(uvicorn.Config(guarded(app), port=PORT, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.1)
    token = app.state.workbench.sessions.new_token()
    yield f"http://127.0.0.1:{PORT}/open?token={token}"
    server.should_exit = True
    thread.join()


def explain(page: Page) -> None:
    """A film with its findings, and a region that is hidden by hand."""
    page.get_by_role("button", name="Open pneumothorax").click()
    page.locator(".findings button", has_text="pneumothorax").wait_for()
    page.locator(".host [role=option]").nth(1).wait_for()
    page.wait_for_timeout(PAUSE)
    page.screenshot(path=IMAGES / "workbench-explain.jpg", **JPEG)
    page.get_by_role("button", name="Draw a box").click()
    stage = page.locator(".host .stage").bounding_box()
    assert stage is not None
    corner = stage["x"] + 0.62 * stage["width"], stage["y"] + 0.22 * stage["height"]
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0] + 120, corner[1] + 140, steps=4)
    page.mouse.up()
    page.locator(".result svg").wait_for()
    page.wait_for_timeout(PAUSE)
    page.screenshot(path=IMAGES / "workbench-ask.jpg", **JPEG)


def cohort(page: Page) -> None:
    """The cases of a run, and one of them."""
    page.get_by_role("link", name="Cohort").click()
    page.locator(".cell").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2 * PAUSE)
    page.screenshot(path=IMAGES / "workbench-cohort.jpg", **JPEG)
    page.get_by_label("outcome", exact=True).select_option("FP")
    page.wait_for_timeout(PAUSE)
    page.locator(".cell").first.click()
    page.locator(".host [role=option]").first.wait_for()
    page.wait_for_timeout(PAUSE)
    page.screenshot(path=IMAGES / "workbench-case.jpg", **JPEG)


if __name__ == "__main__":
    main(sys.argv[1])
