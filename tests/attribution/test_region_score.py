"""The score of a region: the mean of its logits, or their sum, in call, card, record and runs."""

import pytest
import torch
from torch import Tensor

from camlucida import explain
from camlucida.attribution.targets import Region, TargetSpec, target_identity
from camlucida.core.errors import UsageError
from camlucida.models.card import Card
from camlucida.runs.read import stored_spec
from tests.support import nets


def _maps(score: str | None, method: str) -> tuple[Tensor, float, TargetSpec, str]:
    net, inputs = nets.seeded(nets.UNet()), nets.images(1, 3, 8, 8)
    (e,) = explain(net, inputs, "region", method, "encoder[1]", region_score=score)
    return e.raw, e.score, e.spec, e.target


def test_the_sum_is_the_mean_times_the_pixels() -> None:
    mean, mean_score, mean_spec, name = _maps("mean", "gradcam")
    total, sum_score, sum_spec, sum_name = _maps("sum", "gradcam")
    count = sum_score / mean_score
    assert count == pytest.approx(round(count))
    assert count > 1
    torch.testing.assert_close(total, mean * count, rtol=1e-4, atol=1e-5)
    assert (mean_spec.reduction, sum_spec.reduction) == ("mean", "sum")
    assert mean_spec != sum_spec
    assert sum_name == f"{name} (sum)"


def test_the_default_is_the_mean() -> None:
    torch.testing.assert_close(_maps(None, "gradcam_pp")[0], _maps("mean", "gradcam_pp")[0])


def test_grad_cam_pp_tells_the_two_apart() -> None:
    mean, total = _maps("mean", "gradcam_pp")[0], _maps("sum", "gradcam_pp")[0]
    assert not torch.allclose(mean / mean.abs().max(), total / total.abs().max(), atol=1e-3)


def test_the_card_says_which() -> None:
    card = Card(factory="net.py:build", task="segmentation", region_score="sum")
    assert card.output_spec().region_score == "sum"
    with pytest.raises(ValueError, match="region_score"):
        Card(factory="net.py:build", region_score="median")


def test_another_score_is_refused() -> None:
    with pytest.raises(UsageError, match=r"region_score 'median'.*give mean or sum"):
        _maps("median", "gradcam")


def test_a_stored_target_keeps_its_score() -> None:
    mask = torch.tensor([[True, True]])
    mean, total = (Region(0, "x", mask, reduction=score) for score in ("mean", "sum"))
    assert target_identity(mean) != target_identity(total)
    assert TargetSpec.from_json(total.spec.to_json()) == total.spec
    row = {f"target_{name}": value for name, value in vars(total.spec).items()}
    assert stored_spec(row) == total.spec
