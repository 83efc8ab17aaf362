"""When the data of the viewer's images stand in the page."""

import pytest

from camlucida.report.viewer import page
from camlucida.report.viewer.page import ViewerCase, page_viewer


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


def test_without_an_image_there_is_no_viewer(tmp_path):
    assert page_viewer([], tmp_path) is None
