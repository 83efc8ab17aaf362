"""The cost that each method states is what it takes: counted passes of one image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from camlucida import explain
from camlucida.attribution.methods import METHODS
from tests.support import nets

K, L = 32, 3
"""Channels of the layer; attentions of the transformer."""

SIZE = 32

Counts = dict[str, int]


class Stem(nn.Module):
    """The first layer, which a replay of the tail does not run; counts its images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.images = 0

    def forward(self, x: Tensor) -> Tensor:
        self.images += len(x)
        return self.norm(self.conv(x)).relu()


class Stages(nn.Module):
    """Four grids; all weights are positive, so that every channel and group of them counts."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.layer = nn.Conv2d(4, K, 3, padding=1, stride=2)
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.third = nn.Conv2d(K, 6, 3, padding=1, stride=2)
        self.last = nn.Conv2d(6, 8, 3, padding=1, stride=2)
        self.dropout, self.head = nn.Dropout(0.1), nn.Linear(8, 4)
        self.images = 0

    def forward(self, x: Tensor) -> Tensor:
        self.images += len(x)
        x = self.relus[0](self.layer(self.stem(x)))
        x = self.relus[2](self.last(self.relus[1](self.third(x))))
        return self.head(self.dropout(x.mean((2, 3))))


def stages() -> nn.Module:
    net = nets.seeded(Stages(), scale=0.2)
    for parameter in net.parameters():
        parameter.data.abs_()
    return net


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = VisionTransformer(SIZE, 8, L, 2, 8, 12, num_classes=4)
        self.stem = Stem()
        self.stem.norm = nn.Identity()
        self.net.conv_proj, self.stem.conv = self.stem, self.net.conv_proj
        self.images = 0

    def forward(self, x: Tensor) -> Tensor:
        self.images += len(x)
        return self.net(x)


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    return {"stages": stages(), "transformer": nets.seeded(Transformer())}


@pytest.fixture
def backward(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images of each backward pass to a layer, to attention or to the pixels."""
    run, images = torch.autograd.grad, []
    inside = [0]

    def counted(outputs: object, inputs: object, *args: object, **options: object) -> object:
        of = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        far = [x for x in of if isinstance(x, Tensor) and x.ndim > 2]
        if far and not inside[0]:  # a rule of relevance calls it within a backward pass
            images.append(len(far[0]))
        inside[0] += 1
        try:
            return run(outputs, inputs, *args, **options)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return images


def counted(net: nn.Module, run: Callable[[], object], backward: list[int]) -> Counts:
    net.images = net.stem.images = 0
    backward.clear()
    run()
    replays = net.images - net.stem.images
    counts = {"forward": net.stem.images, "replay": replays, "backward pass": sum(backward)}
    return {unit: count for unit, count in counts.items() if count}


TERM = re.compile(r"([\d KL+−]+) (forward|replay|backward pass)(?:e?s)?(?: of [a-z ]+)?( a label)?")


def stated(cost: str, labels: int) -> Counts:
    """The numbers of a cost: passes forward serve all labels, a backward pass one."""
    repeated = re.fullmatch(r"1 forward \+ (\d+) × \((.*)\)", cost)
    if repeated:
        of_run = stated(repeated[2], labels)
        return Counter({unit: int(repeated[1]) * n for unit, n in of_run.items()}) + Counter(
            forward=1
        )
    counts: Counter[str] = Counter()
    for numbers, unit, of_label in TERM.findall(cost):
        product = re.sub(r"(\d) ([KL])", r"\1 * \2", numbers.strip(" +").replace("−", "-"))
        each = labels if of_label or unit == "backward pass" else 1
        counts[unit] += each * eval(product, {"K": K, "L": L})
    return dict(counts)


def test_a_cost_is_read_as_it_is_meant() -> None:
    assert stated("1 + 10 K forwards", 3) == {"forward": 1 + 10 * K}
    assert stated("3 forwards + 32 forwards a label + 1 backward pass", 3) == {
        "forward": 3 + 3 * 32,
        "backward pass": 3,
    }
    assert stated("1 forward + L − 1 replays of the head", 3) == {"forward": 1, "replay": L - 1}
    assert stated("1 forward + 3 × (1 forward + 1 backward pass)", 2) == {
        "forward": 4,
        "backward pass": 6,
    }


def layer_of(method: str) -> str:
    return "last" if method == "cam" else "layer"


VARIANTS = ["gradcam:aug", "gradcam:aug_flip", "shapleycam:dropout", "scorecam:aug_spread"]


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("method", [*METHODS, *VARIANTS])
def test_a_method_takes_the_passes_that_it_states(
    method: str, labels: int, networks: dict[str, nn.Module], backward: list[int]
) -> None:
    about = METHODS[method]
    if about.extra:
        pytest.importorskip("zennit")
    net = networks["transformer" if about.kind == "attention" else "stages"]
    image = nets.images(1, 3, SIZE, SIZE).abs()

    def run() -> object:
        return explain(net, image, list(range(labels)), method, layer_of(method))

    run()  # what the model is, is found out once
    assert counted(net, run, backward) == stated(about.cost, labels)
