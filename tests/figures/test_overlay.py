"""The pictures' pixels, not only their existence."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.figures.image_files import DrawnMap, PanelFilm
from camlucida.figures.map_pixels import overlay_picture
from camlucida.figures.overlay import (
    blend,
    caption,
    colormap_for,
    map_pixels,
    overlay_image,
    unseen_text,
)
from camlucida.figures.panels import figure_png, strip_title, three_panel
from camlucida.figures.save import image_job, strip_png
from tests.support.explanations import figure_text


def explanation(raw, relu=True, synthetic=False, size=(40, 60), empty=None):
    display = np.full(size, 100, np.uint8)
    scan = Scan(
        torch.zeros(1, *size), display, Geometry.identity(size), "film", synthetic=synthetic
    )
    about = {"score_kind": "logit", "method": "Grad-CAM"}
    return Explanation(
        torch.tensor(raw),
        1.5,
        0.82,
        "Pleural Effusion",
        "gradcam",
        "layer4",
        relu,
        scan,
        empty,
        about,
    )


def test_opacity_is_proportional_to_the_map_and_zero_leaves_the_image_as_it_is():
    item = explanation([[0.0, 1.0]])
    grey = 100 / 255
    inferno_end = np.array(colormap_for(item)(1.0)[:3])
    picture = blend(item, alpha=0.5)
    np.testing.assert_allclose(picture[20, 0], grey, atol=1e-6)
    np.testing.assert_allclose(picture[20, -1], grey * 0.5 + inferno_end * 0.5, atol=1e-6)


@pytest.mark.parametrize("raw", [[[0.0, 1.0]], [[-1.0, 1.0]]])
def test_the_bar_of_a_map_without_a_unit_names_none(raw):
    item = explanation(raw, relu=False)
    item = replace(item, provenance={**item.provenance, "unit": "none"})
    text = figure_text(three_panel(item))
    assert "map value" in text
    assert "units" not in text


def test_no_evidence_is_the_bare_image_never_a_stretched_map():
    item = explanation([[-1.0, -2.0]], empty="no cell speaks for the target")
    np.testing.assert_allclose(blend(item), 100 / 255, atol=1e-6)


def test_a_signed_map_has_a_diverging_colormap_with_both_signs_visible():
    item = explanation([[-2.0, 2.0]], relu=False)
    left, right = blend(item, alpha=1.0)[20, 0], blend(item, alpha=1.0)[20, -1]
    assert left[2] > left[0]  # blue: against
    assert right[0] > right[2]  # red: for
    assert colormap_for(item, "jet").name == "bwr"


def test_a_shared_limit_makes_two_maps_comparable():
    weak, strong = explanation([[0.0, 1.0]]), explanation([[0.0, 4.0]])
    alone = [blend(item)[20, -1] for item in (weak, strong)]
    shared = [blend(item, limit=4.0)[20, -1] for item in (weak, strong)]
    np.testing.assert_allclose(alone[0], alone[1])
    assert np.abs(shared[0] - shared[1]).max() > 0.1


def test_jet_and_an_unknown_colormap():
    assert colormap_for(explanation([[0.0, 1.0]]), "jet").name == "jet"
    with pytest.raises(UsageError, match=r"unknown colormap 'infernal'.*inferno"):
        overlay_image(explanation([[0.0, 1.0]]), colormap="infernal")


def test_the_caption_is_below_and_the_pixels_keep_their_place():
    item = explanation([[0.0, 0.0], [0.0, 1.0]], size=(200, 300))
    picture = np.asarray(overlay_image(item))
    assert picture.shape[0] > 200
    assert picture.shape[1] == 300
    bare = np.asarray(overlay_picture(item.scan.picture(), map_pixels(item)))
    is_marked = (picture[:200] != bare).any(2)
    assert 0.001 < is_marked.mean() < 0.05
    drawn = picture[:200][is_marked]
    assert set(np.unique(drawn)) == {0, 255}  # the marks alone, black and white
    assert picture[200:].max() > 200  # words


def test_synthetic_images_are_watermarked_in_the_image_itself():
    real, synthetic = (
        np.asarray(overlay_image(explanation([[0.0, 1.0]], size=(200, 300), synthetic=s)))
        for s in (False, True)
    )
    assert (real[:40, :, 0] != synthetic[:40, :, 0]).sum() > 100


@pytest.mark.parametrize("size", [(40, 60), (300, 40), (40, 300)])
def test_figures_are_300_dpi_pngs(size):
    item = explanation([[0.0, 1.0], [2.0, 3.0]], size=size)
    job = image_job([item], Path(), frozenset({"heatmap", "figure"}))
    drawn = DrawnMap(job, job.maps[0], PanelFilm(job.film))
    composed = [drawn.content("heatmap"), drawn.content("figure"), strip_png([item, item])]
    for content in (figure_png(three_panel(item)), *composed):
        picture = Image.open(io.BytesIO(content))
        assert round(picture.info["dpi"][0]) == 300
        assert min(picture.size) > 300


def test_every_figure_says_research_use_and_synthetic():
    item = explanation([[0.0, 1.0]], synthetic=True)
    words = figure_text(three_panel(item))
    assert "Research use only" in words
    assert "SYNTHETIC" in words
    job = image_job([item], Path(), frozenset({"heatmap", "figure"}))
    assert job.notice == "Research use only · SYNTHETIC image"
    sheet = DrawnMap(job, job.maps[0], PanelFilm(job.film)).figure()
    assert sheet.footer[-1] == job.notice
    real = replace(sheet, synthetic=False)
    assert (sheet.draw() != real.draw()).any(2).sum() > 1000  # across the panels


def test_strip_titles_read_as_the_tables_and_regression_has_no_probability():
    item = explanation([[0.0, 1.0]])
    assert strip_title(item) == "Pleural Effusion 0.820"
    assert (
        strip_title(replace(item, probability=None, target="age ↑", score=61.237)) == "age ↑ 61.24"
    )


def test_a_notebook_shows_the_overlay():
    picture = Image.open(io.BytesIO(explanation([[0.0, 1.0]])._repr_png_()))
    assert picture.width == 60


def test_a_cropped_image_says_what_the_model_saw_and_its_true_cell_size():
    geometry = Geometry.identity((100, 200)).crop((0, 50), (100, 100)).resize((50, 50))
    item = explanation([[0.0, 1.0], [0.0, 1.0]], size=(100, 200))
    item = replace(item, scan=replace(item.scan, geometry=geometry))
    assert item.cell == (50.0, 50.0)
    assert caption(item).endswith("the model saw columns 50–149, rows 0–99 only")
    assert unseen_text(explanation([[0.0, 1.0]])) == ""
