"""The pages in Chromium against the server: the story of each, by mouse and by keyboard alone."""

import json
import re
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from camlucida.analysis.cases.case_table import case_table
from camlucida.web.app import guarded
from camlucida.web.cases import RunCases
from camlucida.web.settings import StudyPlan
from camlucida.web.study import Study
from tests.support.browser import chromium
from tests.support.comparisons import compared_methods, write_comparison_tables
from tests.support.fuzz import _dicom_files, _pictures
from tests.support.many_cases import write_many_cases
from tests.support.volumes import with_lesion, write_series
from tests.web.conftest import ADDRESS, PORT, png


@pytest.fixture(scope="module")
def served(app):
    """The server of the other tests, on its port."""
    config = uvicorn.Config(guarded(app), port=PORT, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield app
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser(served):
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        context.set_default_timeout(60_000)
        token = served.state.workbench.sessions.new_token()
        context.new_page().goto(f"{ADDRESS}/open?token={token}")
        yield context


@pytest.fixture(scope="module")
def films(served, tmp_path_factory):
    """Two films and a file that is none, to be given."""
    folder = tmp_path_factory.mktemp("given")
    for number in (1, 2):
        (folder / f"{number}.png").write_bytes(png(70 + number, (96, 80)))
    (folder / "broken.png").write_bytes(png(73)[:50])
    (folder / "empty.png").touch()
    return folder


@contextmanager
def opened(browser, address="/#/explain"):
    """A page, on which nothing may go wrong that it does not say."""
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Policy" in said.text else None)
    page.goto(f"{ADDRESS}{address}")
    yield page
    page.close()
    assert faults == []


def stroke(page, start, end):
    """Drag across the film, between two shares of the stage's width."""
    box = page.locator(".host .stage").bounding_box()
    at = [box["x"] + box["width"] * share for share in (start, end)]
    page.mouse.move(at[0], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(at[1], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()


def maps(page):
    """Titles of the maps in the viewer, the shown one first."""
    return page.locator(".host [role=option] b").all_inner_texts()


def shown_map(page):
    """Title of the map that is on the film."""
    return page.locator(".host [role=option][aria-selected=true]").inner_text()


def test_films_are_given_explained_and_removed(browser, films):
    with opened(browser) as page:
        given = [films / "1.png", films / "broken.png", films / "empty.png"]
        page.set_input_files("input[type=file]", given)
        page.locator(".status.error span", has_text="empty.png").wait_for()
        assert "broken.png" in page.locator(".status.error").inner_text()
        page.locator(".findings button[aria-pressed=true]").wait_for()
        page.locator(".host [role=option]").nth(1).wait_for()
        before = maps(page)
        with page.expect_response("**/api/maps") as reply:
            page.locator(".findings button").nth(1).click()
        target = reply.value.json()["target"]
        page.wait_for_function(
            "n => document.querySelector('.host').shadowRoot"
            ".querySelectorAll('[role=option]').length === n",
            arg=len(before) + 1,
        )
        assert maps(page)[0].startswith(target)
        assert shown_map(page).startswith(target)  # though another finding is more probable
        with page.expect_response("**/api/maps") as reply:
            page.get_by_label("Method", exact=True).select_option("layercam")
        assert reply.value.json()["method"] == "layercam"
        page.get_by_role("button", name="Remove 1.png").click()
        page.get_by_role("button", name="Open 1.png").wait_for(state="detached")


BROKEN = {
    "empty.png": b"",
    "text.png": b"no picture at all",
    "page.html": b"<script>alert(1)</script>",
    "paper.pdf": b"%PDF-1.4",
    "archive.zip": b"PK\x03\x04" + bytes(60),
    "volume.nii.gz": b"\x1f\x8b" + bytes(60),
    "large.png": png(74)[:16] + b"\x00\x01\x86\xa0" * 2 + png(74)[24:],
}
"""Files that are none, and one that claims 100,000 × 100,000 pixels."""


@pytest.fixture
def bad_files(tmp_path):
    """Each kind of film cut short, at its head and in its middle, and files that are no film."""
    whole = [path for kind in (_pictures, _dicom_files) for path, _ in kind(tmp_path)]
    bad = BROKEN | {
        f"{share}-{path.name}": path.read_bytes()[: int(share * path.stat().st_size)]
        for path in whole
        for share in (0.05, 0.5)
    }
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


def test_every_bad_file_has_one_message(browser, client, films, bad_files):
    """What is left of a file that was cut may still be a film; else a line says what is wrong."""
    before = {each["id"] for each in client.get("/api/films").json()}
    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.set_input_files("input[type=file]", bad_files)
        page.locator(".status.error span").nth(len(BROKEN)).wait_for()
        said = page.locator(".status.error span").all_inner_texts()
        given = page.locator(".films li button[title^=Open]").all_inner_texts()
        for path in bad_files:
            messages = [line for line in said if path.name in line]
            assert len(messages) + (path.name in given) == 1, (path.name, messages)
        assert all("\n" not in line and "Traceback" not in line for line in said)
        page.set_input_files("input[type=file]", films / "1.png")  # the server goes on
        page.locator(".films [aria-pressed=true]", has_text="1.png").wait_for()
        page.locator(".findings button[aria-pressed=true]").wait_for()
    for film in {each["id"] for each in client.get("/api/films").json()} - before:
        client.delete(f"/api/films/{film}")


def planes(page):
    """What is said of the slice that is shown, and the state of each plane's button."""
    bar = page.locator(".host .slices")
    return bar.locator("output").inner_text(), bar.get_by_role("button", pressed=True).inner_text()


def test_the_slices_of_a_series_are_explained_in_three_planes(browser, films, tmp_path):
    write_series(tmp_path, with_lesion((5, 12, 14), (3, 8, 5)).astype(np.int16))
    with opened(browser) as page:
        page.locator(".findings button").first.wait_for()
        page.get_by_label("Model", exact=True).select_option("volumes")
        page.locator(".status.error", has_text="a model of volumes, and this is a film").wait_for()
        page.set_input_files("input[type=file]", sorted(tmp_path.glob("*.dcm")))
        page.get_by_role("button", name="Open 000.dcm and 4 more").wait_for()
        page.locator(".host .slices output", has_text="slice 3 of").wait_for()  # through the peak
        assert planes(page) == ("slice 3 of 0–4", "Axial")
        page.locator(".host .slices").get_by_role("button", name="Coronal").click()
        assert planes(page) == ("row 8 of 0–11", "Coronal")
        page.locator(".host .slices input").press("ArrowLeft")
        with page.expect_response("**/api/maps"):
            page.get_by_label("Method", exact=True).select_option("layercam")
        page.locator(".host [role=option]").nth(2).wait_for()
        assert planes(page) == ("row 7 of 0–11", "Coronal")  # another map stays there
        assert not page.get_by_role("button", name="Draw a box").is_visible()
        page.get_by_label("Model", exact=True).select_option(index=0)
        page.locator(".status.error", has_text="a model of films, and this is a volume").wait_for()
        page.get_by_role("button", name="Remove 000.dcm and 4 more").click()
        page.get_by_role("button", name="Open 000.dcm").wait_for(state="detached")


def test_a_slow_method_shows_its_progress_and_is_cancelled(browser, film):
    """The events of the job are those of one that never ends."""

    def half_done(route):
        job = {"id": route.request.url.split("/")[-2], "state": "running", "done": 3, "total": 9}
        event = json.dumps(job | {"result": None, "error": None})
        route.fulfill(content_type="text/event-stream", body=f"retry: 50\ndata: {event}\n\n")

    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        before = maps(page)
        page.route("**/events", half_done)
        page.get_by_label("Method", exact=True).select_option("scorecam")
        page.get_by_text("Score-CAM: 3 of 9").wait_for()
        page.get_by_role("button", name="Cancel: Score-CAM").focus()
        with page.expect_request(lambda request: request.method == "DELETE"):
            page.keyboard.press("Enter")
        # Another request takes its place, and the work that nobody waits for is cancelled.
        with page.expect_request(lambda request: request.method == "DELETE"):
            page.get_by_label("Method", exact=True).select_option("layercam")
        page.locator(".progress").wait_for(state="detached")
        page.wait_for_function(
            "n => document.querySelector('.host').shadowRoot"
            ".querySelectorAll('[role=option]').length > n",
            arg=len(before),
        )
        assert "layercam" in page.locator(".host [role=option]").first.inner_text()


def test_the_live_curve_of_a_pass_is_brought_into_sight(browser, film):
    def half_done(route):
        job = {"id": route.request.url.split("/")[-2], "state": "running", "done": 4, "total": 65}
        event = json.dumps(job | {"scores": [2, 1, 2, 1.5], "result": None, "error": None})
        route.fulfill(content_type="text/event-stream", body=f"data: {event}\n\n")

    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.set_viewport_size({"width": 1100, "height": 500})
        page.route("**/events", half_done)
        page.get_by_role("button", name="Hide one cell after the other").click()
        page.get_by_role("img", name="3 of 64 cells").wait_for()
        curve = page.locator(".result svg").bounding_box()
        assert curve["y"] + curve["height"] <= 501  # pixels are rounded
        page.set_viewport_size({"width": 1400, "height": 1000})


def test_a_server_that_is_gone_is_said_until_it_answers(browser, film):
    answers = iter(["running", "gone", "gone", "forgotten"])

    def answer(route):
        state = next(answers, "forgotten")
        if state == "gone":
            route.abort("connectionrefused")
            return
        if state == "forgotten":
            route.fulfill(status=404, json={"code": "not_found", "what": "no job", "fix": "look"})
            return
        job = {"id": "a", "state": "running", "done": 4, "total": 9, "scores": []}
        event = json.dumps(job | {"result": None, "error": None})
        route.fulfill(content_type="text/event-stream", body=f"retry: 300\ndata: {event}\n\n")

    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.route("**/events", answer)
        page.route("**/api/jobs/a", lambda route: answer(route))
        page.get_by_role("button", name="Hide the hottest cells").click()
        page.get_by_text("the server does not answer").wait_for()
        page.locator(".status.error", has_text="no job (look)").wait_for()


@pytest.fixture
def jobs(served, client, film):
    """One of each state, with its request; that which is done was done."""
    model = client.get("/api/models").json()[0]["id"]
    target = client.get(f"/api/models/{model}/findings/{film}").json()["findings"][1]["target"]
    request = {"model": model, "film": film, "target": target}
    sent = [
        {"kind": "occlusion", "cells": 2, **request},
        {"kind": "map", "method": "layercam", **request},
        {"kind": "export", "maps": [request]},
    ]
    done = [client.post("/api/jobs", json=each).json() for each in sent]
    waits = served.state.workbench.jobs.wait
    for job in done:
        while job["state"] not in ("done", "failed"):
            job = waits(job["id"], job, 30)
        assert job["state"] == "done"
    store = served.state.workbench.store
    row = "INSERT INTO jobs (id, kind, request, state, done, total, error) VALUES (?,?,?,?,?,?,?)"
    error = json.dumps({"code": "image", "what": "the film is damaged", "fix": "copy it again"})
    about = json.dumps({**request, "method": "scorecam"})
    store.write(row, "f1", "map", about, "failed", 0, 0, error)
    store.write(row, "r1", "map", about, "running", 3, 9, None)
    yield [job["id"] for job in done]
    store.write("DELETE FROM jobs WHERE id IN ('f1', 'r1')")


def test_jobs_are_listed_cancelled_saved_and_opened(browser, film, jobs):
    with opened(browser) as page:
        page.get_by_role("link", name="Jobs").click()
        runs = page.locator("li[data-state=running]")
        runs.get_by_text("3 of 9").wait_for()
        assert "Score-CAM" in runs.inner_text()
        assert "a.png" in runs.inner_text()
        failed = page.locator("li[data-state=failed]", has_text="Score-CAM").first
        assert "the film is damaged (copy it again)" in failed.inner_text()
        runs.get_by_role("button", name="Cancel").click()
        page.locator("li[data-state=cancelled]", has_text="Score-CAM").first.wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name="Save: ZIP file of one map").first.click()
        assert ZipFile(download.value.path()).namelist()
        page.locator(f"a[href*='{jobs[1]}']").click()
        page.locator(".host [role=option]", has_text="layercam").wait_for()
        assert page.get_by_label("Method", exact=True).input_value() == "layercam"
        page.get_by_role("link", name="Jobs").click()
        page.locator(f"a[href*='{jobs[0]}']").click()
        page.get_by_text("The largest fall").wait_for()
        assert "2 × 2 cells" in page.locator(".host [role=option]").first.inner_text()
        chosen = page.locator(".findings button[aria-pressed=true]").get_attribute("data-target")
        assert shown_map(page).startswith(chosen)


def test_a_page_that_is_left_lets_go_of_its_jobs(browser, film):
    """A browser keeps six connections to a server: a page that followed more would stand still."""

    def unending(route):
        job = {"id": "a", "state": "running", "done": 3, "total": 9, "scores": []}
        event = json.dumps(job | {"result": None, "error": None})
        route.fulfill(content_type="text/event-stream", body=f"retry: 50\ndata: {event}\n\n")

    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.route("**/events", unending)
        page.get_by_label("Method", exact=True).select_option("scorecam")
        page.get_by_text("Score-CAM: 3 of 9").wait_for()
        cancelled = []
        page.on("request", lambda request: cancelled.append(request.method == "DELETE"))
        page.get_by_role("link", name="Jobs").click()
        page.locator(".jobs li").first.wait_for()
        followed = []
        page.on("request", lambda request: followed.append(request.url))
        for _ in range(2):
            with page.expect_response("**/api/jobs"):
                pass
        assert not any("/events" in address for address in followed)
        assert not any(cancelled)  # the work goes on


def test_a_run_without_films_opens_on_its_cases(browser):
    with opened(browser, "/#/compare") as page:
        page.route("**/api/films", lambda route: route.fulfill(json=[]))
        page.goto("about:blank")
        page.goto(ADDRESS)
        page.locator(".cell").first.wait_for()


def test_maps_are_exported(browser, film):
    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export the maps").click()
        names = ZipFile(download.value.path()).namelist()
        assert download.value.suggested_filename == "camlucida.zip"
        assert {"explanations.json", "explanations.csv", "predictions.csv"} <= set(names)


def test_one_map_is_saved_as_an_annotated_picture(browser, film):
    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the chosen map").click()
        assert download.value.suggested_filename.endswith("_gradcam.png")
        assert picture_width(download) > 1000
        page.goto(f"{ADDRESS}/#/cohort")
        page.locator(".cell").first.click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the map").click()
        assert picture_width(download) > 1000


def picture_width(download):
    with Image.open(download.value.path()) as saved:
        return saved.width


def test_a_zip_file_has_the_kinds_that_are_ticked(browser, film):
    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.get_by_text("In the ZIP file").click()
        page.get_by_label("mask").check()
        page.get_by_label("overlay").uncheck()
        page.get_by_label("annotated figure").uncheck()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export the maps").click()
        names = ZipFile(download.value.path()).namelist()
        assert sum("_mask.png" in name for name in names) == 1
        assert not any("_overlay." in name or "_figure." in name for name in names)


def test_the_cases_that_are_filtered_are_taken_away(browser, small_run):
    wanted = (case_table([small_run])["method"] == "gradcam").sum()
    with opened(browser, "/#/cohort") as page:
        page.get_by_label("method", exact=True).select_option("gradcam")
        page.get_by_text(f"{wanted} cases").wait_for()
        with page.expect_download() as table:
            page.get_by_role("button", name="Save the rows").click()
        assert len(pd.read_csv(table.value.path())) == wanted
        with page.expect_download() as maps:
            page.get_by_role("button", name="Save pictures").click()
        records = json.loads(ZipFile(maps.value.path()).read("explanations.json"))
        assert [each["method"] for each in records] == ["gradcam"] * wanted


def brightness(element):
    return np.asarray(Image.open(BytesIO(element.screenshot())).convert("L")).mean()


def until(holds, seconds=20):
    """Wait for what a page draws."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end


def captions(page):
    return page.locator(".pane figcaption").all_inner_texts()


def test_maps_are_compared_and_combined_in_the_browser(browser, film):
    with opened(browser, "/#/compare") as page:
        page.locator(".pane small", has_text="full colour").nth(3).wait_for()
        assert "Mean of 2 maps" in captions(page)[2]
        for pane in page.locator(".pane .stage").all():
            until(lambda pane=pane: brightness(pane) > 20)  # each shows the film
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        before = captions(page)
        page.get_by_label("Weight of pane 1").press("Home")  # the weight 0
        page.locator(".pane", has_text="Mean of 1 maps").wait_for()
        assert "needs two maps" in captions(page)[3]
        page.get_by_label("Weight of pane 1").press("End")
        page.locator(".pane", has_text="Mean of 2 maps").wait_for()
        assert captions(page) == before
        page.get_by_label("Weight of pane 1").press("ArrowLeft")
        assert captions(page)[:2] == before[:2]
        assert captions(page)[2:] != before[2:]
        stages = page.locator(".pane .stage")
        stages.nth(1).hover()
        page.mouse.wheel(0, -400)
        page.locator(".pane small", has_text="here").nth(3).wait_for()  # the same point in all
        assert requests == []
        with page.expect_response("**/api/maps"):
            page.get_by_role("button", name="Add a pane").click()
        page.locator(".pane", has_text="Mean of 3 maps").wait_for()
        assert stages.count() == 5
        page.get_by_role("button", name="Remove pane 3").click()
        page.locator(".pane", has_text="Mean of 2 maps").wait_for()


def test_the_keys_of_the_viewer_work_in_all_panes(browser, film):
    with opened(browser, "/#/compare") as page:
        page.locator(".pane small", has_text="full colour").nth(3).wait_for()
        stages = page.locator(".pane .stage")
        stages.first.focus()
        before = captions(page)
        label = page.get_by_label("Label", exact=True)
        first = label.input_value()
        for key, changed in (("j", True), ("k", False)):
            with page.expect_response("**/api/maps"):
                page.keyboard.press(key)
            assert (label.input_value() != first) == changed
        page.locator(".pane small", has_text="full colour").nth(3).wait_for()
        assert captions(page) == before
        page.keyboard.press("x")
        middle = pixels_read(page)
        assert len(middle) == 4
        assert len(set(middle)) == 1  # the same point in all panes
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        moved = pixels_read(page)
        assert moved[0][0] > middle[0][0]
        stages.nth(1).hover(position={"x": 9, "y": 9})
        assert pixels_read(page) == moved  # the cross stays where it was put
        page.keyboard.press("Escape")
        assert pixels_read(page) == []
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text("next label, in all panes").wait_for()
        assert serious(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="hidden")
        page.keyboard.press("d")
        page.locator(".pane", has_text="Difference: 1 − 2").wait_for()
        page.keyboard.press("d")
        page.locator(".pane:visible").nth(1).wait_for(state="detached")
        assert "2 ·" in page.locator(".pane:visible").inner_text()  # that under the pointer
        page.keyboard.press("d")
        page.locator(".pane:visible").nth(3).wait_for()
        opacity = page.get_by_label("Opacity")
        begun = opacity.input_value()
        page.keyboard.press("[")
        assert opacity.input_value() != begun
        page.keyboard.press("r")
        assert opacity.input_value() == begun


@pytest.mark.parametrize(("width", "columns"), [(1280, 2), (900, 2), (390, 1)])
def test_the_films_are_the_largest_thing_in_compare(browser, film, width, columns):
    with opened(browser, "/#/compare") as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.locator(".pane small", has_text="full colour").nth(3).wait_for()
        page.get_by_role("button", name="Remove pane").first.wait_for(state="hidden")
        across = {round(box["x"]) for box in boxes(page.locator(".pane"))}
        assert len(across) == columns
        panes = sum(box["width"] * box["height"] for box in boxes(page.locator(".pane .stage")))
        page.set_viewport_size({"width": 1400, "height": 1000})
        assert panes > 0.5 * width * 900


def boxes(elements):
    return [element.bounding_box() for element in elements.all()]


@pytest.fixture
def pair(tmp_path):
    """A film, and a later one on which all lies six pixels further right and down."""
    random = np.random.default_rng(71)
    coarse = Image.fromarray(random.integers(0, 255, (12, 10), np.uint8))
    smooth = np.asarray(coarse.resize((104, 120), Image.Resampling.BICUBIC)) / 255
    grey = (200 * smooth + random.integers(0, 55, smooth.shape)).astype(np.uint8)
    paths = [tmp_path / "before.png", tmp_path / "after.png"]
    for path, start in zip(paths, (8, 2)):
        Image.fromarray(grey[start : start + 96, start : start + 80]).save(path)
    return paths


def test_before_and_after_are_laid_on_each_other(browser, pair):
    with opened(browser) as page:
        page.set_input_files("input[type=file]", pair)
        page.get_by_role("button", name="Open after.png").wait_for()
        page.locator(".host [role=option]").nth(1).wait_for()
        page.goto(f"{ADDRESS}/#/compare")
        page.locator(".pane small", has_text="full colour").nth(3).wait_for()
        page.get_by_label("Film", exact=True).select_option(label="before.png")
        page.locator(".status:empty").wait_for(state="attached")
        page.get_by_role("button", name="Compare two films").press("Enter")
        page.get_by_label("Film of pane 2").select_option(label="after.png")
        page.locator(".pane", has_text="Difference: 2 − 1").get_by_text("full colour").wait_for()
        one, other, change = captions(page)
        assert "before.png" in one
        assert "after.png" in other
        assert "on before.png" in change
        assert "can be compared" in change
        assert page.get_by_label("Scale").input_value() == "shared"
        assert not page.get_by_label("Weight of pane 1").is_visible()  # nothing is averaged
        page.get_by_text("Movement and resampling alone change it by").wait_for()
        assert "by movement alone logit" in captions(page)[2]
        assert page.get_by_text("after.png: From before to after").count() == 1
        before, after, of_difference = pixels_under(page)
        assert np.subtract(after, before).tolist() == pytest.approx([6, 6], abs=1)
        assert of_difference == before
        assert serious(page) == []
        page.get_by_label("Alignment").select_option("none")
        page.locator(".notes", has_text="no alignment was requested").wait_for()
        page.get_by_text("by movement alone was not measured").wait_for()
        assert len(set(pixels_under(page))) == 1
        page.get_by_label("Film of pane 2").select_option("")
        page.locator(".pane", has_text="Mean of 2 maps").wait_for()
        for film in ("before.png", "after.png"):
            page.goto(f"{ADDRESS}/#/explain")
            page.get_by_role("button", name=f"Remove {film}").click()
            page.get_by_role("button", name=f"Open {film}").wait_for(state="detached")


@pytest.mark.parametrize("way", ["Remove pane 2", "Compare two films", "another model"])
def test_the_labels_are_those_of_the_models_that_are_there(browser, film, way):
    """Chosen, the label of a model that no pane has any more would be an error."""

    def with_another(route):
        reply = route.fetch()
        found = reply.json()
        found["findings"][0]["target"] = "a label of its own"
        route.fulfill(response=reply, json=found)

    with opened(browser, "/#/compare") as page:
        page.locator(".pane small", has_text="full colour").nth(1).wait_for()
        models = page.get_by_label("Model", exact=True)
        own, other = models.first.input_value(), models.nth(1)
        page.route("**/models/marker_shortcut_mobilenet/findings/**", with_another)
        other.select_option("marker_shortcut_mobilenet")
        label = page.get_by_label("Label", exact=True)
        label.select_option("a label of its own")
        page.locator(".pane small", has_text="a label of its own").first.wait_for()
        if way == "another model":
            other.select_option(own)
        elif way == "Remove pane 2":
            page.get_by_role("button", name="Add a pane").click()
            models.nth(2).select_option(own)
            page.get_by_role("button", name=way).click()
        else:
            page.get_by_role("button", name=way).click()
        page.locator(".pane small", has_text="full colour").nth(1).wait_for()
        assert label.locator("option", has_text="a label of its own").count() == 0
        assert page.locator(".pane small", has_text="a label of its own").count() == 0


def pixels_under(page):
    """Pixel of each pane's film that the cross is on, while the pointer is on the first pane."""
    box = page.locator(".pane .stage").first.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    return pixels_read(page)


def pixels_read(page):
    """Pixel of each pane's film that its title names."""
    read = page.locator(".pane small", has_text="here").all_inner_texts()
    return [tuple(map(int, re.search(r"\((\d+), (\d+)\)", text).groups())) for text in read]


def test_a_box_is_hidden_and_the_change_is_shown(browser, films):
    with opened(browser) as page:
        page.set_input_files("input[type=file]", [films / "2.png"])
        page.get_by_role("button", name="Open 2.png").wait_for()
        page.locator(".host [role=option]").nth(1).wait_for()
        page.get_by_role("button", name="Draw a box").click()
        stage = page.locator(".host .stage").bounding_box()
        middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 90, middle[1] + 120, steps=3)
        with page.expect_response("**/api/region") as reply:
            page.mouse.up()
        assert reply.value.json()["elsewhere"] == []  # the change at once
        page.locator(".result svg .here").wait_for()
        words = page.locator(".result").inner_text()
        assert "other places" in words
        with page.expect_response("**/api/region") as reply:
            page.get_by_label("Region", exact=True).select_option("keep")
        assert reply.value.request.post_data_json["action"] == "keep"
        page.get_by_role("button", name="Hide one cell after the other").click()
        page.get_by_text("The largest fall").wait_for()
        page.get_by_label("How many of the hottest").fill("3")
        page.get_by_label("Filled with").select_option("inpaint")
        with page.expect_request("**/api/jobs") as request:
            page.get_by_role("button", name="Hide the hottest cells").click()
        job = request.value.post_data_json
        assert (job["cells"], job["cover"]) == (3, "inpaint")
        assert page.locator(".result svg path.random").nth(4).wait_for() is None
        assert page.locator(".result svg circle.here").count() == 1
        assert "The 3 hottest cells of" in page.locator(".result").inner_text()


def test_what_was_measured_of_another_map_or_model_is_gone(browser, film):
    """A region is tested again by another model; a curve of another map says nothing of this."""
    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.get_by_role("button", name="Hide the hottest cells").click()
        page.get_by_text("hottest cells first").wait_for()
        page.get_by_label("Method", exact=True).select_option("layercam")
        page.locator(".result:empty").wait_for(state="attached")
        page.locator("details:has(.sides) summary").click()
        for name, value in (("x", 4), ("y", 4), ("width", 12), ("height", 12)):
            page.get_by_label(f"{name} in pixels").fill(str(value))
        page.get_by_role("button", name="Test the box").click()
        page.locator(".result", has_text="% of the input").wait_for()
        page.get_by_label("Method", exact=True).select_option("gradcam")
        page.locator(".result svg .here").wait_for()  # whatever the method
        with page.expect_response(shown_at_once) as reply:
            page.get_by_label("Model", exact=True).select_option("marker_shortcut_mobilenet")
        assert reply.value.request.post_data_json["model"] == "marker_shortcut_mobilenet"


def test_a_drag_of_a_slider_makes_no_request(browser, film):
    with opened(browser) as page:
        page.locator(".host [role=option]").nth(1).wait_for()
        page.wait_for_load_state("networkidle")
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        before = brightness(page.locator(".host .stage"))
        slider = page.locator(".host").get_by_label("Opacity").bounding_box()
        page.mouse.move(slider["x"] + 0.6 * slider["width"], slider["y"] + slider["height"] / 2)
        page.mouse.down()
        page.mouse.move(slider["x"], slider["y"] + slider["height"] / 2, steps=20)
        page.mouse.up()
        until(lambda: brightness(page.locator(".host .stage")) != before)
        assert requests == []


def masked(reply):
    """Pixels that a painted region has, and all."""
    lengths = [int(part) for part in reply.value.request.post_data_json["mask"].split()]
    return sum(lengths[1::2]), sum(lengths)


def shown_at_once(response):
    """Whether it is of a stroke just ended; that of other places follows later."""
    return response.url.endswith("/api/region") and not response.request.post_data_json["places"]


def test_a_region_is_painted_and_erased_by_mouse_and_by_keys(browser, films):
    with opened(browser) as page:
        page.set_input_files("input[type=file]", [films / "2.png"])
        page.get_by_role("button", name="Open 2.png").wait_for()
        page.locator(".host [role=option]").nth(1).wait_for()
        page.get_by_role("button", name="Paint a region").click()
        page.get_by_label("Size").fill("60")
        stage = page.locator(".host .stage").bounding_box()
        middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 150, middle[1] + 40, steps=3)
        with page.expect_response(shown_at_once) as reply:
            page.mouse.up()
        stroke, whole = masked(reply)
        assert whole == 96 * 80
        zoom = stage["height"] / 96
        area = (np.pi * 30**2 + 60 * np.hypot(150, 40)) / zoom**2
        assert stroke == pytest.approx(area, rel=0.1)
        page.locator(".result svg .here").wait_for()
        assert "other places" in page.locator(".result").inner_text()
        page.keyboard.press("x")  # the cross, in the middle of the film
        page.keyboard.press("e")
        with page.expect_response(shown_at_once) as reply:
            page.keyboard.press("a")
        erased = masked(reply)[0]
        assert erased < stroke
        page.keyboard.press("e")
        for _ in range(20):
            page.keyboard.press("ArrowLeft")
        with page.expect_response(shown_at_once) as reply:
            page.keyboard.press("a")
        assert masked(reply)[0] > erased
        page.get_by_role("button", name="Clear what is painted").click()
        assert page.locator(".result").inner_text() == ""


def tab_to(page, selector):
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(selector)


def test_by_keyboard_alone(browser, films):
    with opened(browser) as page:
        page.get_by_label("Method", exact=True).locator("option").first.wait_for(state="attached")
        tab_to(page, "input[type=file]")
        with page.expect_response("**/api/maps"):  # the chooser that Enter opens is the browser's
            page.locator("input[type=file]:focus").set_input_files(films / "1.png")
        page.locator(".films [aria-pressed=true]", has_text="1.png").wait_for()
        page.locator(".findings button[aria-pressed=true]").wait_for()
        tab_to(page, ".findings li:nth-child(2) button")
        with page.expect_response("**/api/maps"):
            page.keyboard.press("Enter")
        tab_to(page, "details:has(.sides) summary")
        page.keyboard.press("Enter")
        for value in ("8", "9", "10", "11"):
            page.keyboard.press("Tab")
            page.keyboard.type(value)
        page.keyboard.press("Tab")
        with page.expect_response("**/api/region") as reply:
            page.keyboard.press("Enter")
        assert reply.value.request.post_data_json["box"] == [8, 9, 10, 11]


DROP = """([selector, files]) => {
  const data = new DataTransfer();
  for (const [name, bytes] of files) {
    const content = Uint8Array.from(atob(bytes), (sign) => sign.charCodeAt(0));
    data.items.add(new File([content], name));
  }
  const target = document.querySelector(selector);
  for (const type of ["dragenter", "dragover", "drop"]) {
    const about = { dataTransfer: data, bubbles: true, cancelable: true };
    target.dispatchEvent(new DragEvent(type, about));
  }
}"""


def test_films_are_dropped_on_the_page(browser, films):
    """Anywhere on it, several at once; one that is none is said."""
    with opened(browser) as page:
        page.locator(".findings button").first.wait_for()
        given = [films / name for name in ("1.png", "2.png", "broken.png")]
        files = [[path.name, b64encode(path.read_bytes()).decode()] for path in given]
        page.evaluate(DROP, [".explain .stage", files])
        page.locator(".status.error", has_text="broken.png").wait_for()
        page.locator(".films [aria-pressed=true]", has_text="1.png").wait_for()
        page.get_by_role("button", name="Open 2.png").wait_for()
        assert page.locator(".dropping").count() == 0
        page.locator(".findings button[aria-pressed=true]").wait_for()
        for name in ("1.png", "2.png"):
            page.get_by_role("button", name=f"Remove {name}").click()
            page.get_by_role("button", name=f"Open {name}").wait_for(state="detached")


def test_cases_are_filtered_and_opened_by_keyboard(browser, small_run):
    with opened(browser, "/#/cohort") as page:
        page.locator(".cell").first.wait_for()
        count = len(small_run.explanations())
        page.get_by_text(f"{count} cases").wait_for()
        shown = page.locator(".cell").all_inner_texts()
        assert {text.splitlines()[-1] for text in shown} == {"gradcam", "layercam"}
        page.get_by_label("method", exact=True).select_option("gradcam")
        page.get_by_text(f"{count // 2} cases").wait_for()
        maps = case_table([small_run])
        chosen = maps[maps["method"] == "gradcam"]["probability"].dropna()
        middle = round(float(chosen.median()), 3)
        few = int((chosen >= middle).sum())
        page.get_by_label("Across, from").fill(str(middle))
        page.keyboard.press("Enter")
        page.get_by_text(f"{few} cases").wait_for()
        page.get_by_role("button", name="Clear the range").press("Enter")
        page.get_by_text(f"{count // 2} cases").wait_for()
        page.locator(".plot canvas").scroll_into_view_if_needed()
        plot = page.locator(".plot canvas").bounding_box()
        with page.expect_response("**/cases?*probability%3E%3D*") as reply:
            page.mouse.click(plot["x"] + plot["width"] - 10, plot["y"] + 60)  # the highest bar
        assert reply.value.json()["total"] < count // 2
        page.get_by_role("button", name="Clear the range").press("Enter")
        page.get_by_text(f"{count // 2} cases").wait_for()
        page.locator(".cell").first.focus()
        least = chosen.argmin()  # of the maps of its film, not that of the first finding
        for _ in range(least):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.locator(".host [role=option]").first.wait_for()
        row = maps[maps["method"] == "gradcam"].iloc[least]
        assert shown_map(page).startswith(str(row["target"]))
        assert page.get_by_text("camlucida evaluate RUN --metrics road measures it").count() == 1
        assert page.get_by_text("Limit of the grid").count() == 1
        page.keyboard.press("Escape")
        page.locator(".cell").first.wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Explain this film").press("Enter")
        film = str(row["image"])
        page.locator(".films [aria-pressed=true]", has_text=film).wait_for()
        page.locator(".findings button").first.wait_for()
        assert small_run.about["models"][0]["name"] in page.get_by_label("Model").first.inner_text()


@pytest.fixture
def compared(served, small_run, tmp_path):
    """The server knows a comparison of the run's methods for a while."""
    tables = compared_methods(small_run)
    write_comparison_tables(tmp_path, *tables, [str(small_run.folder.root)])
    runs = served.state.workbench.runs
    (id,) = runs
    before = runs[id]
    runs[id] = RunCases(id, before.path, (tmp_path,))
    yield runs[id].table
    runs[id] = before


def test_cases_are_sorted_and_filtered_by_agreement_and_artefacts(browser, compared):
    shares = compared["artefact_share"].dropna()
    middle = float(shares.median())
    few = int((shares >= middle).sum())
    with opened(browser, "/#/cohort") as page:
        page.locator(".cell").first.wait_for()
        with page.expect_response("**/cases?sort=agreement_method*") as reply:
            page.get_by_label("Sort by").select_option("agreement_method")
        page.get_by_text("1 is the same map").first.wait_for()
        least = reply.value.json()["cases"][0]
        assert least["agreement_method"] == pytest.approx(compared["agreement_method"].min())
        page.locator(f".cell[data-case='{least['case_id']}']").wait_for()
        page.get_by_label("Heat on artefacts, from").fill(str(middle))
        page.keyboard.press("Enter")
        page.get_by_text(f"{few} cases").wait_for()
        page.get_by_label("Across", exact=True).select_option("agreement_method")
        page.get_by_label("Up", exact=True).select_option("artefact_share")
        page.locator(".quiet.ends", has_text="Across: Agreement across methods").wait_for()
        page.locator(".plot canvas").scroll_into_view_if_needed()
        plot = page.locator(".plot canvas").bounding_box()
        with page.expect_response("**/cases?*agreement_method%3E%3D*") as reply:
            page.mouse.move(plot["x"] + 8, plot["y"] + 8)
            page.mouse.down()
            page.mouse.move(plot["x"] + plot["width"] - 4, plot["y"] + 40, steps=3)
            page.mouse.up()
        assert 0 < reply.value.json()["total"] < few
        assert serious(page) == []
        page.get_by_role("button", name="Clear the range").press("Enter")
        page.get_by_text(f"{few} cases").wait_for()
        page.locator(".cell").first.press("Enter")
        page.locator(".measure", has_text="Heat on artefacts").locator("b").wait_for()
        assert page.locator(".measure", has_text="Agreement across methods").count() == 1
        assert serious(page) == []


@pytest.fixture
def many(served, small_run, tmp_path):
    """The server knows a run of 10,000 cases for a while."""
    write_many_cases(small_run, tmp_path / "many", 10_000)
    runs = served.state.workbench.runs
    runs["many"] = RunCases("many", tmp_path / "many")
    yield runs["many"]
    del runs["many"]


def test_ten_thousand_cases_are_not_ten_thousand_elements(browser, many):
    with opened(browser, "/#/cohort") as page:
        page.get_by_label("Run", exact=True).select_option("many")
        page.get_by_text("10,000 cases").wait_for()
        page.locator(".cell", has_text="film 00000").focus()
        page.keyboard.press("End")
        page.locator("[data-case='9999']").wait_for()
        assert page.locator("[data-case='9999']").evaluate("e => e === document.activeElement")
        assert page.locator(".cell").count() < 100
        assert "film 09999" in page.locator("[data-case='9999']").inner_text()
        assert page.locator("[data-case='9999']").locator("..").evaluate(
            "e => [e.role, e.ariaPosInSet, e.ariaSetSize]"
        ) == ["listitem", "10000", "10000"]
        page.wait_for_function(IN_ORDER)
        # The case that has the focus keeps it while the others are moved around it.
        page.keyboard.press("PageUp")
        page.wait_for_function(f"() => document.activeElement.matches('.cell') && ({IN_ORDER})()")
        page.wait_for_function("() => document.querySelector('img.loading') === null")
        assert serious(page) == []
        page.keyboard.press("Enter")
        page.locator(".host [role=option]").first.wait_for()
        page.keyboard.press("Escape")
        page.locator(".cell").first.wait_for()


def test_a_row_of_cases_fills_the_gallery(browser):
    with opened(browser, "/#/cohort") as page:
        for width in (1280, 900, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.locator(".cell").first.wait_for()
            page.wait_for_function(
                """() => {
                  const gallery = document.querySelector(".gallery");
                  const rights = [...document.querySelectorAll(".item:not([hidden])")]
                    .map((item) => item.getBoundingClientRect().right);
                  const left = gallery.getBoundingClientRect().left + gallery.clientWidth;
                  return Math.abs(left - Math.max(...rights)) < 10;
                }"""
            )
        page.set_viewport_size({"width": 1400, "height": 1000})


IN_ORDER = """() => {
  const cells = [...document.querySelectorAll("[data-case]")].map((e) => Number(e.dataset.case));
  return cells.length > 5 && cells.every((id, i) => i === 0 || id === cells[i - 1] + 1);
}"""


def test_a_thumbnail_that_is_not_there_yet_shows_that_it_loads(browser):
    with opened(browser, "/#/cohort") as page:
        held = []
        page.route("**/thumbnail.png", lambda route: held.append(route))
        page.reload()
        page.locator(".cell img.loading").first.wait_for()
        held[0].fulfill(body=png(), content_type="image/png")
        page.locator(".cell img:not(.loading)").first.wait_for()
        for route in held[1:]:
            route.abort()


@pytest.mark.parametrize(
    "address", ["/#/explain", "/#/compare", "/#/cohort", "/#/review", "/#/jobs"]
)
def test_accessibility(browser, film, address):
    with opened(browser, address) as page:
        page.locator(
            ".findings button, .cell, .pane .stage, .panel [type=text], .jobs"
        ).first.wait_for()
        assert serious(page) == []


def serious(page):
    """What axe finds, but for what is of little weight."""
    tags = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
    violations = Axe().run(page, options={"runOnly": tags}).response["violations"]
    return [
        (each["id"], each["nodes"][0]["html"])
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def no_verdict(served):
    """Nothing is judged yet."""
    for table in ("reviews", "film_findings"):
        served.state.workbench.store.write(f"DELETE FROM {table}")


def start_review(page, reader):
    page.get_by_label("Reader").fill(reader)
    page.get_by_role("button", name="Start the review").click()


def test_a_reader_judges_the_film_then_the_map_by_keys(browser, no_verdict):
    with opened(browser, "/#/review") as page:
        start_review(page, "Dr A")
        page.get_by_text("Case 1 of").wait_for()
        assert page.get_by_text("probability").count() == 0
        assert maps(page) == ["Film without map"]  # nor is the prediction shown
        page.get_by_role("button", name="Paint a region").click()
        stroke(page, 0.4, 0.5)
        assert serious(page) == []
        with page.expect_response("**/finding") as reply:
            page.keyboard.press("1")
        said = reply.value.request.post_data_json
        assert (said["reader"], said["finding"]) == ("Dr A", "present")
        outside, inside, *_ = map(int, said["mask"].split())
        assert outside > 0
        assert 0 < inside < 60
        page.get_by_text("Does the map show where you see it?").wait_for()
        stroke(page, 0.6, 0.7)  # what is drawn before the map is seen stays as it is
        assert len(maps(page)) == 2  # the map, and the film without it
        assert serious(page) == []
        with page.expect_response("**/review") as reply:
            page.keyboard.press("3")
        saved = reply.value.request.post_data_json
        assert (saved["reader"], saved["verdict"]) == ("Dr A", "artefact")
        page.get_by_text("Case 2 of").wait_for()
        page.keyboard.press("2")
        page.get_by_text("Does the map show where you see it?").wait_for()
        with page.expect_response("**/review") as reply:
            page.keyboard.press("4")
        assert {"mask", "region"} & set(reply.value.request.post_data_json) == set()
        page.get_by_text("Case 3 of").wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("artefact 1").wait_for()


def test_a_page_that_is_loaded_again_goes_on_after_the_film(browser, no_verdict):
    with opened(browser, "/#/review") as page:
        start_review(page, "Dr A")
        page.get_by_text("Case 1 of").wait_for()
        page.locator(".host [role=option]").first.wait_for()
        page.get_by_role("button", name="Draw a box").click()
        stroke(page, 0.4, 0.5)  # a line across the film is no box
        box = page.locator(".host .stage").bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.4 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=3)
        page.mouse.up()
        with page.expect_response("**/finding") as reply:
            page.keyboard.press("2")
        drawn = reply.value.json()["finding"]["region"]
        assert drawn[2] > 0
        page.get_by_text("Does the map show where you see it?").wait_for()
        page.reload()
        with page.expect_response("**/review?*") as reply:
            start_review(page, "Dr A")
        assert reply.value.json()["case"]["finding"]["region"] == drawn
        page.get_by_text("Does the map show where you see it?").wait_for()
        page.get_by_text("Case 1 of").wait_for()
        until(lambda: greens(page.locator(".host .stage")) > 50)  # the box is shown again


def greens(element):
    """Pixels in the colour of what a reader draws; neither a film nor a map has one."""
    pixels = np.asarray(Image.open(BytesIO(element.screenshot())).convert("RGB")).astype(int)
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return int((green - np.maximum(red, blue) > 30).sum())


def test_two_readers_at_once_keep_both_verdicts(browser, served, no_verdict):
    other = browser.browser.new_context(viewport={"width": 1400, "height": 1000})
    other.set_default_timeout(60_000)
    token = served.state.workbench.sessions.new_token()
    other.new_page().goto(f"{ADDRESS}/open?token={token}")
    with opened(browser, "/#/review") as one, opened(other, "/#/review") as two:
        readers = {"Dr A": (one, "1"), "Dr B": (two, "3")}
        for name, (page, _) in readers.items():
            start_review(page, name)
        for number in (1, 2):  # both are at the same case, one step after the other
            for page, _ in readers.values():
                page.get_by_text(f"Case {number} of").wait_for()
                page.keyboard.press("1")
            for page, verdict in readers.values():
                page.get_by_text("Does the map show where you see it?").wait_for()
                with page.expect_response("**/review") as reply:
                    page.keyboard.press(verdict)
                assert reply.value.status == 204
        for page, _ in readers.values():
            page.get_by_text("Case 3 of").wait_for()
            page.get_by_role("button", name="Stop").click()
        for page, _ in readers.values():
            page.get_by_role("link", name="All verdicts").wait_for()
            said = page.locator(".panel").inner_text()
            assert re.search("Dr A: agrees 2, .*artefact 0", said)
            assert re.search("Dr B: agrees 0, .*artefact 2", said)
            assert "Dr A and Dr B, 2 cases: kappa" in said
    other.close()


@pytest.fixture
def study(served, small_run):
    """The server has a reader study of five films for a while."""
    workbench = served.state.workbench
    (run,) = workbench.runs
    label = case_table([small_run])["label"].iloc[0]
    plan = StudyPlan(run, (f"label={label}", "method=gradcam"), sessions=1)
    workbench.study = Study(plan, workbench.runs[run], workbench.store)
    yield workbench.study
    workbench.study = None


def test_a_reader_study_by_keys(browser, study):
    with opened(browser) as page:
        page.get_by_role("textbox", name="Reader").fill("Dr A")
        page.get_by_role("button", name="Start reading").click()
        for position in range(1, 6):
            page.get_by_text(f"case {position} of 5").wait_for()
            shown = page.get_by_text("Shown:").inner_text()
            assert page.get_by_text("probability").count() == ("numbers" in shown)
            page.locator(".host [role=option]").nth(int("map" in shown)).wait_for()
            assert serious(page) == []
            page.keyboard.press(str(position))
        page.get_by_text("All cases are read").wait_for()
        assert sorted(study.table()["rating"]) == [1, 2, 3, 4, 5]
        page.get_by_role("button", name="Compare the arms").click()
        page.get_by_role("row", name="film and map − film").first.wait_for()
