"""Masks that are scored in bfloat16: the map of float32, and what is recorded of it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution import bfloat16
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.attribution.methods.mask_scores import FEWEST, _Known
from camlucida.core.errors import UsageError
from tests.support import nets


class Wide(nn.Module):
    """Many channels; notes the types in which its head is run."""

    def __init__(self, channels: int = FEWEST + 44, sharp: float = 40.0) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, channels, 5, padding=2), nn.ReLU())
        self.again = nn.Conv2d(channels, 8, 3)
        self.head, self.sharp = nn.Linear(8, 2), sharp
        self.types: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        logits = self.head(self.again(self.features(x)).relu().mean((2, 3)))
        self.types += [logits.dtype] * len(x)
        return self.sharp * logits


class Refusing(Wide):
    """Does not run in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for BFloat16")
        return super().forward(x)


class Overflowing(Wide):
    """Has no finite numbers in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        nothing = torch.inf if torch.is_autocast_enabled("cpu") else 0.0
        return super().forward(x) + nothing


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor of the test."""
    monkeypatch.setattr(bfloat16, "processor_is_fast", lambda: True)


def both(net: nn.Module, method: str = "scorecam", **options: Any) -> tuple[Explanation, ...]:
    """The maps of a method, and of its variant in float32."""
    images = nets.images(1, 1, 9, 9)
    return tuple(explain(net, images, 1, [method, f"{method}:float32"], "features", **options))


def correlation(first: Explanation, second: Explanation) -> float:
    pair = torch.stack([first.raw.relu().flatten(), second.raw.relu().flatten()])
    return float(torch.corrcoef(pair)[0, 1])


@pytest.mark.parametrize("sharp", [1.0, 40.0, 2000.0])
@pytest.mark.parametrize("method", ["scorecam", "iscam"])
def test_the_map_is_that_of_float32(method: str, sharp: float) -> None:
    net = nets.seeded(Wide(sharp=sharp))
    rounded, exact = both(net, method)
    assert torch.bfloat16 in net.types
    assert correlation(rounded, exact) >= 0.999
    precision = rounded.provenance["precision"]
    assert precision["float32"] + precision["bfloat16"] == FEWEST + 44
    assert 0.9995 <= precision["correlation"] <= 1
    assert "precision" not in exact.provenance


def test_float32_is_that_alone() -> None:
    net = nets.seeded(Wide())
    explain(net, nets.images(1, 1, 9, 9), 1, "scorecam:float32", "features")
    assert set(net.types) == {torch.float32}


def test_few_masks_are_scored_in_float32() -> None:
    net = nets.seeded(Wide(FEWEST - 1))
    rounded, exact = both(net)
    assert set(net.types) == {torch.float32}
    assert torch.equal(rounded.raw, exact.raw)
    assert "precision" not in rounded.provenance


@pytest.mark.parametrize("kind", [Refusing, Overflowing])
def test_a_model_without_bfloat16_is_run_in_float32(kind: type[Wide]) -> None:
    rounded, exact = both(nets.seeded(kind()))
    torch.testing.assert_close(rounded.raw, exact.raw)
    assert "precision" not in rounded.provenance


def test_double_precision_is_not_rounded() -> None:
    net = nets.seeded(Wide()).double()
    (one,) = explain(net, nets.images(1, 1, 9, 9).double(), 1, "scorecam", "features")
    assert set(net.types) == {torch.float64}
    assert "precision" not in one.provenance


def test_the_autocast_of_the_caller_counts() -> None:
    net = nets.seeded(Wide())
    with torch.autocast("cpu", torch.float16):
        (one,) = explain(net, nets.images(1, 1, 9, 9), 1, "scorecam", "features")
    assert torch.bfloat16 not in net.types
    assert "precision" not in one.provenance


def known_of(scores: Tensor, errors: Tensor) -> _Known:
    generator = torch.Generator().manual_seed(0)
    channels = torch.rand(300, 5, 5, generator=generator, dtype=torch.float64)
    known = _Known.of(channels, scores - errors)
    some = known.first()
    return known.with_exact(some, scores[:, some])


@pytest.mark.parametrize("size", [0.01, 0.1, 1.0])
def test_the_estimate_follows_the_errors(size: float) -> None:
    generator = torch.Generator().manual_seed(1)
    scores, errors = torch.randn(2, 1, 300, generator=generator, dtype=torch.float64)
    known = known_of(2 * scores, size * errors)
    maps = [each.softmax(1) @ known.channels for each in (known.scores(), 2 * scores)]
    off = 1 - float(torch.corrcoef(torch.cat(maps))[0, 1])
    assert off <= 1 - float(known.correlations()) <= 12 * off  # cautious, and of the right order


@pytest.mark.parametrize(("size", "rounds"), [(0.01, 0), (0.3, 1), (30.0, 6)])
def test_larger_errors_need_more_masks_in_float32(size: float, rounds: int) -> None:
    generator = torch.Generator().manual_seed(1)
    scores, errors = torch.randn(2, 2, 300, generator=generator, dtype=torch.float64)
    known, made = known_of(2 * scores, size * errors), 0
    while len(chosen := known.next()):
        assert not known.exact[chosen].any()
        known, made = known.with_exact(chosen, 2 * scores[:, chosen]), made + 1
    assert rounds <= made <= rounds + 4
    maps = [each.softmax(1) @ known.channels for each in (known.scores(), 2 * scores)]
    for one, other in zip(*maps, strict=True):
        assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) >= 0.999


def test_other_methods_run_in_float32_anyway() -> None:
    with pytest.raises(UsageError, match=r"gradcam runs in .* precision anyway \(choose gradcam\)"):
        METHODS["gradcam:float32"]
