"""The viewer of a volume in a page that is opened from a folder, in Chromium."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import camlucida as cl
from camlucida.models import load_model
from camlucida.report.viewer.volumes import (
    viewed_volume,
    viewed_voxels,
    volume_annotations,
)
from camlucida.workflows.explain import explain_to_folder
from tests.support.browser import chromium
from tests.support.volumes import with_lesion, write_nifti, write_volume_model

PANEL = "camlucidaViewer.galleries[0]?.viewer.volume"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    path = write_nifti(folder / "head.nii.gz", with_lesion((10, 12, 14), (3, 8, 5)))
    model = load_model(write_volume_model(folder), device="cpu")
    outcome = explain_to_folder(model, [path], folder / "out", targets=["Lesion"])
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(outcome.index.as_uri())
        page.wait_for_function(f"{PANEL} && {PANEL}.slider.max !== ''")
        yield page
        assert not errors


def shown(page):
    return page.evaluate(f"[{PANEL}.axis, ...{PANEL}.at]"), page.locator(
        ".slices output"
    ).inner_text()


def test_it_begins_at_the_peak_and_keys_move_through_slices_and_planes(page):
    # stored (z 5, y 8, x 3); shown to the head, to the back, to the left
    assert shown(page) == ([0, 5, 3, 3], "slice 5 of 0–13")
    page.keyboard.press("PageDown")
    assert shown(page) == ([0, 6, 3, 3], "slice 6 of 0–13")
    page.keyboard.press("v")
    assert shown(page) == ([1, 6, 3, 3], "row 8 of 0–11")
    page.keyboard.press("PageUp")
    page.keyboard.press("h")
    assert shown(page)[0] == [1, 5, 3, 3]
    page.get_by_role("button", name="Axial").click()
    assert shown(page)[0] == [0, 5, 3, 3]


def test_directions_stand_at_the_edges_and_a_click_moves_the_other_planes(page):
    letters = page.evaluate(f"{PANEL}.edges.map((each) => each.textContent).join('')")
    assert letters == "RLAP" + "RLSI" + "APSI"
    beside = page.locator(".plane").first.bounding_box()
    page.mouse.click(beside["x"] + beside["width"] / 2, beside["y"] + beside["height"] * 0.6)
    assert shown(page)[0][1] == 5  # 0.6 of 56 mm from the head
    assert shown(page)[0][3] == 5


def test_the_reading_names_the_voxel_of_the_file(page):
    page.keyboard.press("h")
    box = page.locator(".view .stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    text = page.locator(".read").inner_text()
    assert text.startswith("slice 5, row 5, column 5 · film 0 · map 0")


def test_it_is_accessible(page):
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_a_large_volume_is_averaged_and_the_viewer_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("camlucida.report.viewer.volumes.MOST_VOXELS", 1000)
    path = write_nifti(tmp_path / "head.nii.gz", with_lesion((10, 12, 14), (3, 8, 5)))
    model = load_model(write_volume_model(tmp_path), device="cpu")
    (explanation,) = cl.explain(model, model.read(path), target="Lesion")
    volume = viewed_volume([explanation])
    assert volume.about["size"] == [14, 6, 10]
    assert volume.about["note"].startswith("The volume is averaged for the viewer: 14 × 12 × 10")
    assert volume.film.shape == (14 * 6, 10)


def test_an_annotation_lies_in_the_voxels_of_the_viewer(tmp_path, monkeypatch):
    path = write_nifti(tmp_path / "head.nii.gz", with_lesion((10, 12, 14), (3, 8, 5)))
    model = load_model(write_volume_model(tmp_path), device="cpu")
    scan = model.read(path)
    stored = np.zeros((14, 12, 10), bool)  # slices, rows and columns of the file
    stored[5, 8, 3:5] = True

    def mask():
        (annotation,) = volume_annotations(scan, "Lesion", scan.from_stored(stored))
        size = viewed_voxels(scan).about["size"]
        inside = np.arange(len(annotation["runs"])) % 2 == 1
        return np.repeat(inside, annotation["runs"]).reshape(size)

    # head up, back down, left right: rows of the file run to the front
    assert np.argwhere(mask()).tolist() == [[5, 12 - 1 - 8, 3], [5, 12 - 1 - 8, 4]]
    assert volume_annotations(scan, "Lesion", None) == []
    monkeypatch.setattr("camlucida.report.viewer.volumes.MOST_VOXELS", 1000)
    assert np.argwhere(mask()).tolist() == [[5, 1, 3], [5, 1, 4]]  # two rows are one
