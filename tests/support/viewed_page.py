"""A page whose figures open the viewer, in Chromium without a network."""

from contextlib import contextmanager

import pytest

from tests.support.browser import chromium

VIEWER = "camlucidaViewer.galleries[0]?.viewer"
OPEN = "Open in the viewer"


@contextmanager
def offline_page(path):
    """The page, opened from its folder; what it asks of a network, and its errors, fail the test.

    Args:
        path: of the page.
    """
    problems = []
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: line.type == "error" and problems.append(line.text))
        page.on("request", lambda asked: "http" in asked.url and problems.append(asked.url))
        page.goto(f"file://{path}")
        yield page
    assert problems == []


def opened(page, number=0):
    """The data that the viewer shows after a click below a figure.

    Args:
        page: of :func:`offline_page`.
        number: of the figure among those that open the viewer.
    """
    page.get_by_role("button", name=OPEN).nth(number).click()
    for _ in range(500):
        if page.evaluate(f"{VIEWER}?.data != null && {VIEWER}.stage.size.width > 1"):
            assert "Research use only" in page.locator(".foot .notice").inner_text()
            return page.evaluate(f"{VIEWER}.data")
        page.wait_for_timeout(20)
    pytest.fail(f"the viewer shows nothing: {page.locator('.message').inner_text()}")


def map_methods(data):
    """What the viewer lists of each map beside its target."""
    return [each["method"] for each in data["maps"]]


def shows_static_pictures(page):
    """Whether print has every picture that is not folded away, and no part of the viewer."""
    page.keyboard.press("Escape")
    page.emulate_media(media="print")
    hidden = not page.get_by_role("button", name=OPEN).first.is_visible()
    return hidden and all(
        picture.is_visible() for picture in page.locator("section > figure img").all()
    )
