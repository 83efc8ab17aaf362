"""The viewer in a page that is opened from a folder, in Chromium without a network."""

import base64
import gzip
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.figures.overlay import blend
from camlucida.report.document import Details, Document, Paragraph, Picture, Section, View
from camlucida.report.render import render_document
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file
from camlucida.report.viewer.page import ViewerCase, page_viewer, viewer_script
from camlucida.report.writers.html import write_html, write_page
from tests.support.browser import chromium

SIZE = (200, 260)
VIEWER = "camlucidaViewer.galleries[0]?.viewer"
EMPTY = Message("empty.gradient")


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def explanations(name="film", synthetic=True, size=SIZE):
    """A signed map, one with a ReLU, and one without evidence, of one film."""
    height, width = size
    rng = np.random.default_rng(len(name))
    rows, columns = np.mgrid[:height, :width]
    display = ((rows + 2 * columns) % 256).astype(np.uint8)
    geometry = Geometry.identity(size).crop((0, 30), (200, 200)).resize((64, 64))
    scan = Scan(torch.zeros(1, 64, 64), display, geometry, name, synthetic=synthetic)
    about = {"score_kind": "logit", "unit": "logit"}

    def explanation(target, raw, relu, empty=None):
        made = (raw, 2.5, 0.8, target, "gradcam", "layer4", relu, scan)
        return Explanation(*made, empty_reason=empty, provenance=about)

    raw = torch.tensor(rng.normal(0.5, 1, (7, 7)), dtype=torch.float32)
    return [
        explanation("nodule", raw, relu=True),
        explanation("effusion", raw.flip(0), relu=False),
        explanation("mass <b>", torch.zeros(7, 7), relu=True, empty=EMPTY),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page with two images in it."""
    return written(tmp_path_factory.mktemp("page"), ["film", "other film"])


def written(folder, names, size=SIZE):
    cases = []
    for number, name in enumerate(names):
        script = f"view/{number}.js"
        write_case(case_file(folder / script, explanations(name, size=size)))
        cases.append(ViewerCase(name, "nodule 0.80", script))
    Image.new("L", (30, 20)).save(folder / "static.png")
    picture = Picture.of_file("static.png", alt="static picture")
    section = Section("films", (Paragraph(("Numbers.",)), picture), title="Films")
    viewer = page_viewer(cases, folder)
    write_page(Document("Films", (section,)), folder / "index.html", viewer=viewer)
    return folder


@pytest.fixture
def page(browser, folder, request):
    """The page, offline; what it asks of a network, and its errors, fail the test."""
    fragment = getattr(request, "param", "")
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and problems.append(line.text))
    page.on("request", lambda asked: "http" in asked.url and problems.append(asked.url))
    page.goto(f"file://{folder}/index.html{fragment}")
    ready(page)
    yield page
    context.close()
    assert problems == []


def ready(page, name="film"):
    """Wait until an image is shown; the page's policy forbids Playwright's own polling."""
    for _ in range(500):
        film, width = page.evaluate(f"[{VIEWER}.data?.film.id, {VIEWER}.stage.size.width]")
        if film == name and width > 1:
            return
        page.wait_for_timeout(20)
    pytest.fail(f"{name} is not shown: {page.locator('.message').inner_text()}")


def settings(page):
    return page.evaluate(f"{VIEWER}.settings")


@pytest.mark.parametrize("page", ["#webgl", "#canvas"], indirect=True)
@pytest.mark.parametrize("number", [0, 1])
def test_the_picture_is_that_of_python(page, number):
    explanation = explanations()[number]
    expected = 255 * blend(explanation)
    page.keyboard.press("1")
    page.evaluate(f"{VIEWER}.change({{map: '{number}', contour: false}})")
    data = page.evaluate(
        f"""() => {{
          const {{view, colours, root}} = {VIEWER}.stage;
          const place = [root.clientWidth / 2 - view.x, root.clientHeight / 2 - view.y];
          {VIEWER}.stage.draw(1);
          return [colours.toDataURL(), ...place, {VIEWER}.stage.painter.kind];
        }}"""
    )
    text, left, top, _ = data
    drawn = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))).convert("RGB")
    )
    height, width = SIZE
    assert (left % 1, top % 1) == (0, 0)
    shown = drawn[int(top) : int(top) + height, int(left) : int(left) + width]
    difference = np.abs(shown.astype(float) - expected)
    assert difference.max() <= 1.01


def test_a_film_of_several_tiles_is_drawn_whole(browser, tmp_path):
    """WebGL cuts a film into tiles of 1024 pixels; canvas 2D has none."""
    folder = written(tmp_path, ["film"], size=(1100, 1060))
    drawn = []
    for painter in ("webgl", "canvas"):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"file://{folder}/index.html#{painter}")
        ready(page)
        assert page.evaluate(f"{VIEWER}.stage.painter.kind") == painter
        text = page.evaluate(f"{VIEWER}.stage.draw(1), {VIEWER}.stage.colours.toDataURL()")
        page.close()
        image = Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2])))
        drawn.append(np.asarray(image.convert("RGB")).astype(float))
    assert drawn[1].max() > 100
    assert np.abs(drawn[0] - drawn[1]).max() <= 2


def test_without_webgl_the_canvas_draws(browser, folder):
    page = browser.new_page()
    page.goto(f"file://{folder}/index.html#canvas")
    ready(page)
    assert page.evaluate(f"{VIEWER}.stage.painter.kind") == "canvas"
    page.close()


def test_the_value_under_the_pointer_is_that_of_python(page):
    explanation = explanations()[0]
    values = explanation.numpy()
    for x, y in ((100, 60), (150, 150), (5, 100)):
        at = page.evaluate(
            f"""([x, y]) => {{
              const {{view, root}} = {VIEWER}.stage;
              const [left, top] = view.toPanel([x + 0.5, y + 0.5]);
              const bounds = root.getBoundingClientRect();
              return [bounds.left + left, bounds.top + top];
            }}""",
            [x, y],
        )
        page.mouse.move(*at)
        read = page.evaluate(f"{VIEWER}.currentReading().read")
        assert (read["x"], read["y"]) == (x, y)
        assert read["sample"] == [int(explanation.scan.display[y, x])]
        assert read["value"] == pytest.approx(float(values[y, x]), abs=1e-5)
    assert "not seen by the model" in page.locator(".read").inner_text()


def test_a_slider_makes_no_request(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.get_by_label("Opacity")
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for step in range(10):
        page.mouse.move(box["x"] + box["width"] * step / 10, y)
    page.mouse.up()
    assert settings(page)["opacity"] == pytest.approx(0.9, abs=0.06)
    assert asked == []


def test_keys_alone(page):
    keys = page.keyboard
    keys.press("j")
    assert settings(page)["map"] == "1"
    keys.press("j")
    assert "no evidence" in page.locator(".message").inner_text()
    keys.press("k")
    for key in ("]", ".", "c", "b", "i", "s", "d", "Shift+ArrowUp", "+", "ArrowLeft"):
        keys.press(key)
    after = settings(page)
    assert after["opacity"] == 0.65
    assert after["threshold"] == 0.05
    assert (after["contour"], after["boxes"], after["invert"]) == (False, True, True)
    assert (after["scale"], after["mode"]) == ("shared", "side")
    assert after["low"] > 0
    keys.press("x")
    keys.press("ArrowDown")
    assert "row" in page.locator(".read").inner_text()
    keys.press("?")
    assert page.locator("dialog").is_visible()
    keys.press("Escape")
    assert not page.locator("dialog").is_visible()
    keys.press("r")
    assert settings(page)["opacity"] == 0.6
    keys.press("n")
    ready(page, "other film")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.tagName") == "INPUT"


def test_boxes_and_line_follow_the_level(page):
    boxes = f"{VIEWER}.layers.get('0').boxesAt"
    low = page.evaluate(f"{boxes}(0.3).reduce((sum, box) => sum + box.area, 0)")
    high = page.evaluate(f"{boxes}(0.8).reduce((sum, box) => sum + box.area, 0)")
    assert low > high > 0


def test_what_it_is_for_and_that_it_is_synthetic_stand_on_the_page(page):
    assert page.locator(".foot .notice").inner_text() == "Research use only · SYNTHETIC"


def test_names_are_never_read_as_html(page):
    assert page.get_by_role("option", name="mass <b>").count() == 1


def serious(page):
    """What axe finds, but for what is of little weight."""
    tags = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
    violations = Axe().run(page, options={"runOnly": tags}).response["violations"]
    return [
        (each["id"], each["nodes"][0]["html"])
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]


def test_axe_has_no_serious_finding(page):
    assert serious(page) == []


def test_many_images_stand_in_scripts_beside_the_page(browser, tmp_path):
    names = [f"film {number}" for number in range(17)]
    written(tmp_path, names)
    page = browser.new_context(offline=True).new_page()
    page.goto(f"file://{tmp_path}/index.html")
    ready(page, names[0])
    page.keyboard.press("n")
    ready(page, names[1])
    (tmp_path / "view" / "2.js").unlink()
    page.keyboard.press("n")
    page.get_by_text("This film cannot be shown").wait_for()
    page.close()


def test_without_scripts_and_in_print_the_static_picture_remains(browser, folder):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"file://{folder}/index.html")
    page.get_by_alt_text("static picture").scroll_into_view_if_needed()
    assert page.get_by_alt_text("static picture").is_visible()
    page.close()
    page = browser.new_page()
    page.goto(f"file://{folder}/index.html")
    ready(page)
    assert not page.get_by_alt_text("static picture").is_visible()
    loaded = "() => document.querySelector('[alt=\"static picture\"]').naturalWidth > 0"
    page.wait_for_function(loaded)  # before anybody prints
    page.emulate_media(media="print")
    page.get_by_alt_text("static picture").scroll_into_view_if_needed()
    assert page.get_by_alt_text("static picture").is_visible()
    assert not page.locator(".viewer-host").is_visible()
    page.close()


def test_what_is_folded_is_printed(browser, tmp_path):
    folded = Details("More", (Paragraph(("The detail.",)),))
    report = render_document(Document("Report", (Section("a", (folded,), title="A"),)))
    page = browser.new_page()
    page.goto(f"file://{write_html(report, tmp_path)}")
    assert not page.get_by_text("The detail.").is_visible()
    page.emulate_media(media="print")
    assert page.get_by_text("The detail.").is_visible()
    page.close()


def test_the_figures_of_a_report_open_the_viewer(browser, tmp_path):
    cases = []
    for stem in ("figures/first", "figures/second"):
        outline = {"label": "nodule", "lines": [[[20, 20], [90, 20], [90, 80]]]}
        write_case(case_file(tmp_path / f"{stem}.view.js", explanations(), outlines=[outline]))
        Image.new("L", (30, 20)).save(tmp_path / f"{stem}.png")
        views = (View(f"{stem}.view.js", "film"),)
        cases.append(Picture(stem, "A case.", ("png",), views=views))
    others = [Section(name, (Paragraph(("Quiet.",), quiet=True),), title=name) for name in "abc"]
    sections = (Section("cases", tuple(cases), title="Cases"), *others)
    report = render_document(Document("Report", sections))
    page = browser.new_context(offline=True).new_page()
    page.goto(f"file://{write_html(report, tmp_path)}")
    assert page.get_by_role("button", name="Open in the viewer").count() == 2
    page.get_by_role("button", name="Open in the viewer").nth(1).click()
    page.get_by_role("option", name="Figure 2").wait_for()
    assert page.get_by_role("option", name="film Figure 2").get_attribute("aria-selected") == "true"
    ready(page)
    assert settings(page)["truth"]
    assert settings(page)["mode"] != "side"
    page.keyboard.press("d")  # the dialog has not been clicked
    assert settings(page)["mode"] == "side"
    page.keyboard.press("Escape")
    assert not page.locator(".viewer-dialog").is_visible()
    page.close()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(f"file://{tmp_path}/report.html")
        assert serious(page) == []
        page.close()


def test_the_films_of_many_figures_stand_in_scripts_beside_the_page(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.report.viewer.page.INLINED", 1)
    pictures = []
    for name in ("film", "other film"):
        file = f"view/{name}.js"
        write_case(case_file(tmp_path / file, explanations(name)))
        Image.new("L", (30, 20)).save(tmp_path / f"{name}.png")
        views = (View(file, name, "nodule"),)
        pictures.append(Picture.of_file(f"{name}.png", alt=name, views=views))
    # Of a figure whose film another figure has, the film is there once.
    pictures.append(replace(pictures[0], stem="film"))
    document = Document("Films", (Section("films", tuple(pictures), title="Films"),))
    page = browser.new_context(offline=True).new_page()
    problems = []
    page.on("console", lambda line: line.type == "error" and problems.append(line.text))
    page.goto(f"file://{write_page(document, tmp_path / 'index.html')}")
    assert sorted(path.name for path in (tmp_path / "view").iterdir()) == [
        "film.js",
        "other film.js",
    ]
    page.get_by_role("button", name="Open in the viewer").nth(1).click()
    ready(page, "other film")
    assert page.get_by_role("option", name="nodule").count() >= 2
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Open in the viewer").nth(2).click()
    ready(page)
    page.close()
    assert problems == []


def test_the_script_is_small():
    assert len(gzip.compress(viewer_script().encode())) <= 60_000


def test_lines_are_drawn_again_only_where_they_change(page):
    page.evaluate(f"{VIEWER}.stage.draw(1)")

    def lines(change):
        page.evaluate(f"{VIEWER}.change({change}); {VIEWER}.stage.draw(1)")
        return page.evaluate(f"{VIEWER}.stage.lines.toDataURL()")

    parts = f"{VIEWER}.stage.linesOf"
    first = lines("{level: 0.5}")
    page.evaluate(f"window.before = {parts}")
    assert lines("{opacity: 0.9, threshold: 0.3, low: 20}") == first
    assert page.evaluate(f"window.before === {parts}")
    assert lines("{level: 0.8}") != first
    assert lines("{level: 0.5}") == first
    assert lines("{contour: false}") != first
