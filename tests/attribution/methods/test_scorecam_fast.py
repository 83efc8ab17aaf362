"""Score-CAM by some of its masks: how near it comes to all, and what it says of that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from camlucida import explain, load_model
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.attribution.methods.scorecam_fast import BUDGET, FURTHER, NUGGET, _Known
from camlucida.core.errors import UsageError
from camlucida.phantom import model_cards
from camlucida.phantom.generator import image
from tests.support import nets


class Wide(nn.Module):
    """More channels than are run; counts the images that it is given."""

    def __init__(self, channels: int = 90) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, channels, 5, padding=2), nn.ReLU())
        self.head = nn.Linear(channels, 3)
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += len(x)
        return self.head(self.features(x).mean((2, 3)))


def correlation(first: Explanation, second: Explanation) -> float:
    pair = torch.stack([first.raw.relu().flatten(), second.raw.relu().flatten()])
    return float(torch.corrcoef(pair)[0, 1])


def note(explanation: Explanation) -> dict:
    notes = [each for each in explanation.scan.warnings if each.code.endswith("predicted_scores")]
    assert len(notes) <= 1
    return dict(notes[0].values) if notes else {}


def test_up_to_64_channels_it_is_score_cam() -> None:
    net, inputs = nets.seeded(Wide(20)), nets.images(1, 1, 9, 9)
    exact = explain(net, inputs, [0, 1], "scorecam", "features")
    predicted = explain(net, inputs, [0, 1], "scorecam:fast", "features")
    for one, other in zip(exact, predicted, strict=True):
        torch.testing.assert_close(other.raw, one.raw, rtol=1e-4, atol=1e-5)
        assert not note(other)


def test_64_masks_for_a_label_and_16_for_each_further() -> None:
    net, inputs = nets.seeded(Wide()), nets.images(1, 1, 9, 9)
    explain(net, inputs, 0, "scorecam", "features")  # whatever is found of a model once
    for labels in ([0], [0, 1]):
        net.count = 0
        first, *_ = explain(net, inputs, labels, "scorecam:fast", "features")
        run = BUDGET + FURTHER * (len(labels) - 1)
        assert net.count == 1 + run
        assert (note(first)["run"], note(first)["channels"]) == (run, 90)


def test_a_packaged_model_and_its_exact_map(tmp_path: Path) -> None:
    model = load_model(model_cards()["honest_densenet"])
    Image.fromarray(image(7, ["nodule"], size=128)).save(tmp_path / "film.png")
    scan = model.read(tmp_path / "film.png")
    exact, predicted = explain(model, scan, "top1", ["scorecam", "scorecam:fast"])
    assert correlation(exact, predicted) > 0.95
    assert 0.9 < note(predicted)["correlation"] <= 1
    assert predicted.provenance["method"] == "Score-CAM, some masks scored"


def test_channels_without_a_range_have_no_part() -> None:
    net, inputs = nets.seeded(Wide(70)), nets.images(1, 1, 9, 9)
    explain(net, inputs, 0, "scorecam", "features")  # whatever is found of a model once
    with torch.no_grad():
        net.features[0].weight[10:].zero_()
    net.count = 0
    (one,) = explain(net, inputs, 0, "scorecam:fast", "features")
    assert net.count == 11
    assert not note(one)
    with torch.no_grad():
        net.features[0].weight.zero_()
    (none,) = explain(net, inputs, 0, "scorecam:fast", "features")
    assert not none.raw.any()


def test_no_other_method_is_fast() -> None:
    with pytest.raises(UsageError, match=r"gradcam has no fast variant \(choose scorecam:fast\)"):
        METHODS["gradcam:fast"]


# --- the prediction -------------------------------------------------------------------------------


@pytest.fixture
def known() -> _Known:
    known = _Known(nets.images(30, 4, 4))
    chosen = known.far_apart(8)
    known.add(chosen, nets.images(2, 8, seed=1).double())
    return known


def left_out(known: _Known) -> Iterator[Tensor]:
    """(T,) each known score less its prediction from the others, in standard deviations."""
    masks, scores = known._masks[known.chosen], known._scores
    distances = torch.cdist(masks, masks)
    length = distances[distances > 0].median()
    kernel = (-0.5 * (distances / length) ** 2).exp()
    centre = scores.mean(1, keepdim=True)
    for i in range(len(masks)):
        others = [j for j in range(len(masks)) if j != i]
        covariance = kernel[others][:, others] + NUGGET * torch.eye(len(others)).double()
        parts = torch.linalg.solve(covariance, kernel[others, i])
        mean = centre[:, 0] + (scores - centre)[:, others] @ parts
        variance = 1 + NUGGET - kernel[i, others] @ parts
        yield (scores[:, i] - mean) / variance.sqrt()


def test_errors_are_those_of_leaving_one_out(known: _Known) -> None:
    predicted = known.predicted()
    expected = torch.stack(list(left_out(known)), 1)
    expected = expected / expected.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(predicted.errors, expected)


def test_known_scores_are_kept_and_masks_lie_far_apart(known: _Known) -> None:
    predicted = known.predicted()
    assert torch.equal(predicted.mean[:, known.chosen], known._scores)
    assert not predicted.deviation[:, known.chosen].any()
    assert (predicted.deviation >= 0).all()
    assert len(set(known.chosen)) == 8
    distances = torch.cdist(known._masks, known._masks[known.chosen]).amin(1)
    among = torch.cdist(known._masks[known.chosen], known._masks[known.chosen])
    among.fill_diagonal_(torch.inf)
    assert float(among.min()) >= float(distances.max()) - 1e-9


def test_the_next_masks_are_new(known: _Known) -> None:
    following = known.promising(8)
    assert len(following) == 8
    assert not set(following) & set(known.chosen)
