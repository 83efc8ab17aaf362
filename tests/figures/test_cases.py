"""Figures of one case, and of how Grad-CAM comes about: every number on them is the case's own."""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.attribution.engine import explain
from camlucida.attribution.stages import grad_cam_stages
from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.figures.cases import boxes_on_image, label_comparison
from camlucida.figures.pipeline import pipeline_figure
from camlucida.figures.segmentation import analysis_sheet
from tests.support.explanations import explanation, figure_text, pictures


def test_labels_with_probability_truth_and_scale():
    maps = [explanation([[0.0, float(i)]], target=f"label {i}") for i in range(1, 5)]
    text = figure_text(label_comparison(maps, [True, False, None, True]))
    for words in (
        "label 1 0.820 · true",
        "label 2 0.820 · not true",
        "label 3 0.820 · truth unknown",
        "full colour = 4 logit",
    ):
        assert words in text
    shared = label_comparison(maps[:2], shared=True)
    assert "truth" not in figure_text(shared)  # nothing was told of it
    assert "true" not in figure_text(shared)
    assert len(shared.axes) == 2  # no empty row
    assert ": 2 targets, " in figure_text(shared)
    assert "strongest 1 of 2 logit" in figure_text(shared)
    assert "All maps share one scale" in figure_text(shared)
    for wrong in ([], [*maps, maps[0]], [maps[0], explanation([[1.0]], image="other")]):
        with pytest.raises(UsageError, match="one to four"):
            label_comparison(wrong)


def test_boxes_of_the_heat_and_of_the_truth():
    raw = np.zeros((40, 60))
    raw[10:20, 30:50] = 2.0
    figure = boxes_on_image(explanation(raw), [[30, 10, 20, 10], [0, 0, 5, 5]])
    boxes = [
        (*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in figure.axes[0].patches
    ]
    assert boxes == [(29.5, 9.5, 20, 10), (-0.5, -0.5, 5, 5), (29.5, 9.5, 20, 10)]
    assert "with a box of the heat: 1.00, 0.00." in figure_text(figure)
    assert "true (2)" in figure_text(figure)
    assert "No true box is available." in figure_text(boxes_on_image(explanation(raw)))
    assert "The heat contains no box." in figure_text(
        boxes_on_image(explanation([[-1.0]], empty="none"), [[0, 0, 5, 5]])
    )


class Tiny(nn.Module):
    """Two channels: the image, and its negative; the score is 3 × mean of the first less the mean
    of the second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, 2, 1, bias=False)
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


def scan(values) -> Scan:
    image = torch.tensor(values, dtype=torch.float32)[None]
    return Scan(image, None, Geometry.identity(image.shape[1:]), "film", synthetic=True)


def test_stages_by_hand():
    """w = (3/4, −1/4) on four cells; Σ w A = ¾x + ¼x = x."""
    image = [[1.0, 2.0], [-3.0, 4.0]]
    stages = grad_cam_stages(Tiny(), scan(image), 0, "features")
    assert stages.weights.tolist() == [0.75, -0.25]
    torch.testing.assert_close(stages.activations[0], torch.tensor(image))
    torch.testing.assert_close(stages.combined, torch.tensor(image))
    torch.testing.assert_close(stages.explanation.raw, stages.combined)
    assert stages.strongest(2) == [0, 1]
    assert stages.share([0]) == 0.75
    assert stages.level


def test_stages_are_those_of_explain():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.Tanh(),
        nn.Conv2d(6, 3, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(3 * 16, 4),
    ).eval()
    one = scan(np.random.default_rng(0).normal(size=(8, 8)))
    stages = grad_cam_stages(net, one, 2, "1")
    (expected,) = explain(net, one, 2, "gradcam", "1")
    torch.testing.assert_close(stages.combined, expected.raw)
    torch.testing.assert_close(stages.weighted.sum(0), expected.raw)
    assert not stages.level
    assert not any(parameter.grad is not None for parameter in net.parameters())
    with pytest.raises(NoEvidenceError, match="no target"):
        grad_cam_stages(net, one, "above:0.99", "1")


def test_stages_run_the_model_once():
    net, forwards = Tiny(), []
    image = scan([[1.0, 2.0], [-3.0, 4.0]])
    explain(net, image, 0, layer="features")  # an unknown model is surveyed once
    net.features.register_forward_hook(lambda *_: forwards.append(1))
    grad_cam_stages(net, image, [0, 1], "features")
    assert len(forwards) == 1


def test_the_method_figure_prints_the_weights_of_the_case():
    stages = grad_cam_stages(Tiny(), scan([[1.0, 2.0], [-3.0, 4.0]]), 0, "features")
    figure = pipeline_figure(stages)
    text = figure_text(figure)
    for words in (
        "channel 0",
        "= +7.50e−01",
        "= −2.50e−01",
        "2 of 2 channels",
        "100% of all",
        "from −3 ",
        "to 4 ",
        "SYNTHETIC",
    ):
        assert words in text
    assert "same in all cells" in text
    shown = [values for part in figure.subfigs for values in pictures(part)]
    np.testing.assert_allclose(shown[1], stages.activations[0])
    np.testing.assert_allclose(shown[-2], stages.combined.relu())


@pytest.mark.parametrize("part", ["1.2.826.0.1.3680043.8.498_", "胸部正位片第三次随访_左侧"])
def test_the_legend_of_a_sheet_covers_no_part_of_a_long_title(part):
    region = np.zeros((40, 60), bool)
    region[10:20, 30:50] = True
    name = part * 6
    item = explanation(np.where(region, 3.0, 1.0), image=name, target="lung, component 2 of 3")
    figure = analysis_sheet(item, region, [], outlines={"truth": region, "prediction": region})
    figure.draw_without_rendering()
    title, key = figure._suptitle, figure.legends[0]
    assert not title.get_window_extent().overlaps(key.get_window_extent())
    assert title.get_text().replace("\n", "").startswith(name)
    top = min(axes.title.get_window_extent().y0 for axes in figure.axes[:3])
    assert title.get_window_extent().y0 > top


def test_analysis_sheet_says_what_it_was_given():
    region = np.zeros((40, 60), bool)
    region[10:20, 30:50] = True
    raw = np.where(region, 3.0, 1.0)
    masks = {"truth": region, "prediction (empty)": ~region & region}
    figure = analysis_sheet(
        explanation(raw), region, [("ratio", "3")], outlines=masks, warnings=["Circular: x."]
    )
    text = figure_text(figure)
    for words in (
        "inside, 200 px, mean 3",
        "outside, 2,200 px, mean 1",
        "ratio",
        "Circular: x.",
        "truth",
        "prediction (empty)",
    ):
        assert words in text
    empty = analysis_sheet(
        explanation([[-1.0]], empty="no cell"), region & ~region, [], outlines={}
    )
    assert "no evidence" in figure_text(empty)
    assert "map values (no region)" in figure_text(empty)


@pytest.mark.parametrize(("raw", "is_log"), [([[0.0, 0.0]], False), ([[0.0, 1.0]], True)])
def test_the_histogram_of_an_empty_map_has_no_logarithm(raw, is_log):
    figure = analysis_sheet(explanation(raw), np.ones((40, 60), bool), [], outlines={})
    assert ("log" in {axes.get_yscale() for axes in figure.axes}) == is_log
