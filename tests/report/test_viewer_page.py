"""When the data of the viewer's images stand in the page."""

import pytest

from camlucida.report.viewer import page
from camlucida.report.viewer.page import ViewerCase, page_viewer, within_limits


@pytest.mark.parametrize(
    ("count", "size", "inlined"), [(2, 10, True), (3, 10, False), (2, 30, False)]
)
def test_few_and_light_images_stand_in_the_page(tmp_path, monkeypatch, count, size, inlined):
    monkeypatch.setattr(page, "INLINED", 2)
    monkeypatch.setattr(page, "INLINED_BYTES", 40)
    cases = [ViewerCase(str(number), "", f"{number}.js") for number in range(count)]
    for case in cases:
        (tmp_path / case.script).write_bytes(b"0" * size)
    assert page_viewer(cases, tmp_path).inlined == inlined


def test_one_file_takes_in_the_first_films_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "INLINED", 3)
    monkeypatch.setattr(page, "INLINED_BYTES", 25)
    cases = [ViewerCase(str(number), "", f"{number}.js") for number in range(4)]
    for case in cases:
        (tmp_path / case.script).write_bytes(b"0" * 10)
    assert within_limits(cases, tmp_path) == cases[:2]
    viewer = page_viewer(within_limits(cases, tmp_path), tmp_path, "dialog")
    assert viewer.inlined
    assert viewer.opened_by(["3.js", "1.js"]) == "1.js"
    assert viewer.opened_by(["3.js"]) == ""


def test_without_an_image_there_is_no_viewer(tmp_path):
    assert page_viewer([], tmp_path) is None
