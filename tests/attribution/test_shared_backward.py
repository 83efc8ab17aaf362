"""Scores that share a backward pass have the gradients of one of their own."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution import layer_gradients, shared_backward
from camlucida.attribution.shared_backward import gradients_together, sharing
from tests.support import nets
from tests.support.backward import Looking

LABELS = list(range(6))
INPUTS = nets.images(2, 3, 8, 8).double()
METHODS = ["gradcam", "hirescam", "layercam", "finercam"]


def network(*behind: nn.Module) -> nn.Module:
    """A head that reads each cell by weights of its own."""
    head = [nn.Flatten(), nn.Linear(6 * 6 * 4, 10), nn.Tanh(), nn.Linear(10, 6)]
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1), *behind, *head)
    return nets.seeded(net).double()


class Recurrent(nn.Module):
    """Rows of the map one after the other, as a text recogniser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(24, 24, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.recurrent(x.transpose(1, 2).flatten(2))[0]


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        return x + self.attention(tokens, tokens, tokens)[0].mT.reshape(x.shape)


class _Counting(torch.autograd.Function):
    """Gives something else where gradients are taken back together."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        together = torch._C._functorch.is_batchedtensor(gradient)
        return gradient * (3 if together else 2)


class Own(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function.apply(x)


class Hooked(nn.Module):
    """Keeps the gradient on its way, as networks do that make their own maps."""

    gradient: Tensor

    def keep(self, gradient: Tensor) -> None:
        self.gradient = gradient

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.register_hook(self.keep)
        return x


BEHIND = {
    "flattened": [],
    "convolutions": [nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4), nn.SiLU()],
    "maximum": [nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)],
    "norms": [nn.GroupNorm(2, 4), nn.Dropout(), nn.LayerNorm(6), nn.GELU()],
    "attention": [Attending()],
    "recurrent": [Recurrent()],
}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of scores of each backward pass that several share, where it was possible."""
    made: list[int] = []

    def counted(outputs: list, inputs: list, by_outputs: list) -> object:
        together = gradients_together(outputs, inputs, by_outputs)
        if together is not None:
            made.append(len(together[0]))
        return together

    monkeypatch.setattr(layer_gradients, "gradients_together", counted)
    return made


def maps(net: nn.Module, labels: list[int] = LABELS, layer: str = "2") -> Tensor:
    return torch.stack([e.raw for e in explain(net, INPUTS, labels, METHODS, layer)])


def alone(net: nn.Module, layer: str = "2") -> Tensor:
    """As :func:`maps`, each label with passes of its own."""
    each = torch.stack([maps(net, [label], layer) for label in LABELS])
    by_image = each.unflatten(1, (len(INPUTS), -1)).transpose(0, 1)
    return by_image.flatten(0, 2)


@pytest.mark.parametrize("behind", BEHIND.values(), ids=list(BEHIND))
def test_labels_share_a_backward_pass_whatever_lies_behind_the_layer(behind, passes) -> None:
    net = network(*behind)
    first = maps(net)  # checks the shared pass, once a model
    torch.testing.assert_close(first, alone(net), rtol=1e-9, atol=1e-9)
    passes.clear()
    torch.testing.assert_close(maps(net), first, rtol=0, atol=0)
    assert passes == [6, 6]  # those of finercam, and those of the others


@pytest.mark.parametrize("function", [Looking, _Counting])
def test_where_a_shared_pass_gives_something_else_each_label_has_its_own(function, passes) -> None:
    net = network(Own(function))
    expected = alone(net)
    torch.testing.assert_close(maps(net), expected, rtol=1e-9, atol=1e-9)
    passes.clear()
    torch.testing.assert_close(maps(net), expected, rtol=1e-9, atol=1e-9)
    assert not passes


def test_a_model_that_keeps_gradients_keeps_those_of_a_pass_alone(passes) -> None:
    net = network(Hooked())
    maps(net)
    assert not passes
    kept = net[3].gradient.clone()
    maps(net, [LABELS[-1]])
    torch.testing.assert_close(net[3].gradient, kept)


class Squares:
    """A target that is a function of the user: of each label of a dense output another."""

    probability = None

    def __init__(self, label: int) -> None:
        self.label, self.name = label, f"own {label}"

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[:, self.label].square().mean((1, 2))


def test_scores_of_a_dense_output_at_several_layers(passes) -> None:
    net = nets.seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Conv2d(5, 6, 3)))
    net = net.double()
    targets = list(map(Squares, LABELS))

    def raw(part: list[Squares]) -> list[Tensor]:
        made = explain(net, INPUTS[:1], part, "hirescam", ["0", "1"], task="segmentation")
        return [e.raw for e in made]

    together = raw(targets)
    assert passes[-1] == 6
    expected = [each for target in targets for each in raw([target])]
    torch.testing.assert_close(together, expected, rtol=1e-9, atol=1e-9)


def test_large_tensors_are_shared_by_fewer_scores(passes, monkeypatch) -> None:
    net = network()
    expected = maps(net)
    passes.clear()
    monkeypatch.setattr(shared_backward, "ONE_BY_ONE", 2)
    monkeypatch.setattr(shared_backward, "MOST_NUMBERS", 3 * 2 * 6 * 6 * 4)
    torch.testing.assert_close(maps(net), expected, rtol=1e-9, atol=1e-9)
    assert passes == [3, 3, 3, 3]
    passes.clear()
    monkeypatch.setattr(shared_backward, "MOST_NUMBERS", 1)
    torch.testing.assert_close(maps(net), expected, rtol=1e-9, atol=1e-9)
    assert not passes


def test_few_scores_have_passes_of_their_own() -> None:
    """A process that explains a few labels needs no sympy, which a shared pass imports."""
    x = torch.ones(3, requires_grad=True)
    assert sharing(x.exp(), 4) == 1
    assert sharing(x.exp(), 5) == 5


def test_an_output_that_does_not_depend_on_an_input_has_no_shared_gradient() -> None:
    x, y = (torch.ones(3, requires_grad=True) for _ in range(2))
    assert gradients_together([x.exp()], [x, y], [torch.eye(3)]) is None
