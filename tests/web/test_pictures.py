"""The pictures of the pages on the workbench and the reader study, taken for suite and docs alike.

    python -m pytest tests/web/test_pictures.py --pictures demo/chest/run

takes them of a run of ``camlucida demo`` and of the packaged films, into docs/images. Without the
option they are of the small run, in a folder of the tests: a page that cannot be shown fails here.
"""

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import uvicorn
from PIL import Image

from camlucida.analysis.cases.case_table import case_table
from camlucida.phantom.cohorts.ensemble import write_pair
from camlucida.runs import Run
from camlucida.web.app import create_app, guarded
from camlucida.web.serve import PACKAGED_PAIR, packaged_films, settings_of
from camlucida.web.settings import StudyPlan
from tests.support.browser import chromium
from tests.support.paths import REPOSITORY
from tests.web.conftest import free_port, png

DOCS = REPOSITORY / "docs"
SIZE = {"width": 1280, "height": 860}
JPEG = {"type": "jpeg", "quality": 80}
PREFERRED = "pneumothorax"
"""In the name of the film that the docs show, where there is one."""

GONE = "consolidation"
"""What the patient of the two films has no more on the later one."""

DRAWN = """async () => {
  const images = [...document.querySelectorAll("main img")];
  await Promise.all(images.map((image) => image.decode().catch(() => undefined)));
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
}"""


@pytest.fixture(scope="module")
def taken(request, small_run, tmp_path_factory):
    """The folder with the pictures."""
    run = request.config.getoption("--pictures")
    folder = tmp_path_factory.mktemp("pictures")
    if run is None:
        film = folder / "film.png"
        film.write_bytes(png(5, (96, 80)))
        write_pair(folder / "pair")
        pair = [str(folder / "pair" / f"{name}.png") for name in PACKAGED_PAIR]
        given = [str(small_run.folder.root), str(film), *pair]
    else:
        films = [str(film.path) for film in packaged_films(folder / "films")]
        given = [run, *films]
    into = folder if run is None else DOCS / "images"
    with served(given, folder / "state") as address, chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        page.goto(address)
        for take in (explain, jobs, compare, change, cohort, review):
            take(page, lambda name: picture(page, into / f"workbench-{name}.jpg"))
    with served(given[:1], folder / "study", of_study) as address, chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        page.goto(address)
        study(page)
        picture(page, into / "reader-study.jpg")
    return into


def of_study(settings):
    """A reader study of one finding of the run."""
    (run,) = settings.runs
    labels = sorted(set(case_table([Run.open(settings.runs[run])])["label"].dropna()))
    label = PREFERRED if PREFERRED in labels else labels[0]
    return replace(settings, study=StudyPlan(run, (f"label={label}", "method=gradcam")))


@contextmanager
def served(given, state, change=lambda settings: settings):
    """A server of runs and films; its one-time address."""
    port = free_port()
    about = {"host": "127.0.0.1", "port": port, "device": "cpu", "show_phi": False}
    app = create_app(change(settings_of(given, [], state, **about)))
    server = uvicorn.Server(
        uvicorn.Config(guarded(app), port=port, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    token = app.state.workbench.sessions.new_token()
    yield f"http://127.0.0.1:{port}/open?token={token}"
    server.should_exit = True
    thread.join()
    app.state.workbench.close()


def picture(page, path):
    page.locator(".host .message, .pane .message").first.wait_for(state="hidden")
    page.evaluate(DRAWN)
    page.screenshot(path=path, **JPEG)


def drag(page, x, y, across, down):
    """On the film: from shares of the stage, so many pixels."""
    box = page.locator(".host .stage").bounding_box()
    at = box["x"] + x * box["width"], box["y"] + y * box["height"]
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] + across, at[1] + down, steps=4)
    page.mouse.up()


def explain(page, take):
    """A film with its findings, and a region that is hidden by hand."""
    films = page.locator(".films button[aria-label^=Open]")
    films.first.wait_for()
    preferred = films.filter(has_text=PREFERRED)
    (preferred if preferred.count() else films).first.click()
    page.locator(".findings button").first.wait_for()
    page.locator(".host [role=option]").nth(1).wait_for()
    take("explain")
    page.get_by_role("button", name="Draw a box").click()
    drag(page, 0.62, 0.22, 120, 140)
    page.locator(".result svg").wait_for()
    take("ask")


def jobs(page, take):
    """What was done for the film."""
    page.get_by_role("button", name="Hide one cell after the other").click()
    page.get_by_text("The largest fall").wait_for()
    page.get_by_role("button", name="Hide the hottest cells").click()
    page.get_by_text("hottest cells first").wait_for()
    with page.expect_download():
        page.get_by_role("button", name="Export the maps").click()
    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("link", name="Save: ZIP file").wait_for()
    take("jobs")


def study(page):
    """A case with its map and what was measured of it, while the reader judges it."""
    page.get_by_role("textbox", name="Reader").fill("Reader 1")
    page.get_by_role("button", name="Start reading").click()
    shown = page.get_by_text("Shown:")
    position = 1
    while "numbers" not in shown.inner_text():
        page.keyboard.press("4")
        position += 1
        page.get_by_text(f"case {position} of").wait_for()
    page.locator(".host [role=option]").nth(1).wait_for()


def compare(page, take):
    """Maps of two models side by side, with what they have in common."""
    page.get_by_role("link", name="Compare").click()
    page.locator(".pane", has_text="Mean of 2 maps").wait_for()
    films = page.get_by_label("Film", exact=True)
    preferred = films.locator("option", has_text=PREFERRED)
    if preferred.count():
        films.select_option(preferred.first.get_attribute("value"))
        page.get_by_label("Label", exact=True).select_option(PREFERRED)
        models = page.get_by_label("Model", exact=True).nth(1)
        last = models.locator("option").last
        models.select_option(last.get_attribute("value"))
        second = page.locator(".pane", has_text=f"2 · {last.inner_text()}")
        second.locator("small", has_text="full colour").wait_for()
    page.locator(".pane", has_text="Mean of 2 maps").wait_for()
    page.locator(".pane small", has_text="full colour").first.wait_for()
    take("compare")


def change(page, take):
    """Two films of a patient, the later one laid on the earlier one, and what changed."""
    films = page.get_by_label("Film", exact=True).first
    before = films.locator("option", has_text="before").get_attribute("value")
    films.select_option(before)
    page.locator(".status:empty").wait_for(state="attached")
    page.get_by_role("button", name="Compare two films").click()
    later = page.get_by_label("Film of pane 2")
    later.select_option(later.locator("option", has_text="after").get_attribute("value"))
    difference = page.locator(".pane", has_text="on ").filter(has_text="Difference: 2 − 1")
    difference.wait_for()  # the later film is laid on the earlier one, whatever the maps show
    label = page.get_by_label("Label", exact=True)
    if label.locator("option", has_text=GONE).count():
        label.select_option(GONE)
    page.locator(".status:empty").wait_for(state="attached")
    take("change")


def cohort(page, take):
    """The cases of a run, and one of them."""
    page.get_by_role("link", name="Cohort").click()
    page.locator(".cell img").first.wait_for()
    page.wait_for_load_state("networkidle")
    take("cohort")
    page.locator(".cell").first.click()
    page.locator(".host [role=option]").first.wait_for()
    take("case")


def review(page, take):
    """A case before its map is shown, with what a reader painted."""
    page.get_by_role("link", name="Review").click()
    page.get_by_label("Reader").fill("Reader 1")
    page.get_by_role("button", name="Start the review").click()
    page.get_by_text("Case 1 of").wait_for()
    page.locator(".host [role=option]").first.wait_for()
    page.get_by_role("button", name="Paint a region").click()
    drag(page, 0.55, 0.4, 60, 90)
    take("review")


@pytest.mark.parametrize(
    ("page", "pattern"), [("workbench", "workbench-*.jpg"), ("reader-study", "reader-study*.jpg")]
)
def test_each_picture_of_the_page_is_taken_and_each_that_is_taken_is_on_it(taken, page, pattern):
    text = (DOCS / "how-to" / f"{page}.md").read_text("utf-8")
    named = set(re.findall(r"images/([\w-]+\.jpg)", text))
    assert named == {path.name for path in taken.glob(pattern)}
    for name in named:
        assert (DOCS / "images" / name).is_file()
        with Image.open(taken / name) as shown:
            assert shown.size == (SIZE["width"], SIZE["height"])
            low, high = shown.convert("L").getextrema()
            assert high - low > 200  # something is drawn
