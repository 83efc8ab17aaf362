"""Maps by the closed form are those of autograd, and where it does not hold autograd makes them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from camlucida import explain
from camlucida.attribution import gradient_maps, layer_gradients, shared_backward
from camlucida.attribution.methods import METHODS
from camlucida.attribution.targets import Difference, Label
from camlucida.core.errors import NoEvidenceError
from tests.support import nets
from tests.support.backward import Looking

OF_OTHER_GRADIENTS = ("finercam", "shapleycam")
GRADIENT = [
    name
    for name, method in METHODS.items()
    if method.kind == "gradient" and name not in OF_OTHER_GRADIENTS
]
INPUTS = nets.images(2, 3, 8, 8).double()


def probability(logits: Tensor) -> Tensor:
    return logits.softmax(1)[:, 1]


class Named:
    """A target that is a function of the user."""

    name, probability = "own", None

    def __init__(self, score: Callable[[Tensor], Tensor]) -> None:
        self._score = score

    def __call__(self, logits: Tensor) -> Tensor:
        return self._score(logits)


TARGETS = [0, 2, Difference(Label(1, "b"), Label(2, "c")), Named(probability)]


def network(*head: nn.Module) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)
    return nets.seeded(net).double()


def maps(net: nn.Module, target: object = TARGETS) -> Tensor:
    return torch.stack([e.raw for e in explain(net, INPUTS, target, GRADIENT, layer="0")])


@pytest.fixture
def backward(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The outputs of each backward pass that reaches a layer."""
    run, passes = torch.autograd.grad, []

    def counted(outputs: Tensor, inputs: list, *args: object, **options: object) -> object:
        if any(isinstance(x, Tensor) and x.ndim == 4 for x in inputs):
            passes.append(outputs)
        return run(outputs, inputs, *args, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return passes


@pytest.mark.parametrize(
    "head",
    [[nn.Linear(6, 3)], [nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)]],
    ids=["linear", "two layers"],
)
def test_maps_are_those_of_autograd_without_a_backward_pass(head, backward, monkeypatch) -> None:
    net = network(*head)
    first = maps(net)  # checks the closed form, once a model
    backward.clear()
    again = maps(net)
    assert not backward
    monkeypatch.setattr(layer_gradients, "find_pooling", lambda *_: None)
    expected = maps(net)
    assert len(backward) == len(TARGETS)
    torch.testing.assert_close(first, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again, first, rtol=0, atol=0)


def vit() -> nn.Module:
    net = VisionTransformer(8, 4, 2, 2, 8, 12, num_classes=3)
    return nets.seeded(net).double().eval()


@pytest.mark.parametrize("layer", ["auto", "encoder.layers.encoder_layer_0"])
def test_maps_of_a_vit_are_those_of_autograd_without_passing_its_head(
    layer, backward, monkeypatch
) -> None:
    def raw() -> Tensor:
        return torch.stack([e.raw for e in explain(net, INPUTS, TARGETS, methods, layer)])

    net, methods = vit(), [name for name in GRADIENT if name != "cam"]
    first = raw()  # checks the rows that are read, once a model
    backward.clear()
    again = raw()
    assert not any(isinstance(outputs, Tensor) for outputs in backward)
    monkeypatch.setattr(layer_gradients, "find_read_tokens", lambda *_: None)
    expected = raw()
    torch.testing.assert_close(first, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again, first, rtol=0, atol=0)


def test_a_layer_without_a_closed_form_is_searched_for_one_once(monkeypatch) -> None:
    net, searched = network(nn.Linear(6, 3)), []

    def none(logits: Tensor, activations: Tensor) -> None:
        searched.append(len(activations))

    monkeypatch.setattr(layer_gradients, "find_pooling", none)
    for image in (INPUTS[:1], INPUTS[:1], INPUTS):
        explain(net, image, 0, layer="0")
    assert searched == [1, 2]


def test_weights_that_change_between_two_calls_count(monkeypatch) -> None:
    net = network(nn.Linear(6, 3))
    before = maps(net)
    with torch.no_grad():
        net[4].weight.mul_(-1)
    after = maps(net)
    assert not torch.allclose(before, after)
    monkeypatch.setattr(layer_gradients, "find_pooling", lambda *_: None)
    torch.testing.assert_close(after, maps(net), rtol=1e-9, atol=1e-9)


class Hooked(nn.Module):
    """Doubles the gradient on its way to the layer, which the graph does not show."""

    active, on_node = True, False

    def forward(self, x: Tensor) -> Tensor:
        if self.active and x.requires_grad:
            if self.on_node:
                x.grad_fn.register_hook(lambda given, _: (2 * given[0],))
            else:
                x.register_hook(lambda gradient: 2 * gradient)
        return x


@pytest.mark.parametrize("on_node", [False, True], ids=["tensor", "node"])
@pytest.mark.parametrize("middle", [nn.Sigmoid, nn.ReLU])
@pytest.mark.parametrize("first", [0, 1], ids=["always", "after the first images"])
def test_a_gradient_that_the_model_changes_on_its_way_is_autograds(first, middle, on_node) -> None:
    plain, hooked = (
        nets.seeded(
            nn.Sequential(
                nn.Conv2d(3, 6, 3),
                middle(),
                *hooks,
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(6, 3),
            )
        )
        for hooks in ([], [Hooked()])
    )
    images = INPUTS.float()
    for number in range(3):
        hooked[2].active, hooked[2].on_node = number >= first, on_node
        (once,) = explain(plain, images[:1], 0, "hirescam", layer="1")
        (twice,) = explain(hooked, images[:1], 0, "hirescam", layer="1")
        torch.testing.assert_close(twice.raw, (2 if number >= first else 1) * once.raw)


def test_a_score_that_is_constant_has_no_evidence() -> None:
    net = network(nn.Linear(6, 3))
    maps(net)
    with pytest.raises(NoEvidenceError, match="does not depend on layer 0"):
        maps(net, Named(lambda logits: logits.new_zeros(len(logits))))


def test_labels_of_one_image_are_maps_of_each_alone_from_one_call_of_the_method(
    monkeypatch,
) -> None:
    net, calls = network(nn.Linear(6, 18)), []
    image, labels = INPUTS[:1], list(range(18))

    def gathered() -> list[Tensor]:
        return [e.raw for e in explain(net, image, labels, GRADIENT, layer="0")]

    def counted(activations: Tensor, gradients: Tensor) -> Tensor:
        calls.append(len(gradients))
        return gradients.mean((2, 3)).sum(1)[:, None, None] * activations.sum(1)

    together = gathered()
    singles = [e.raw for i in labels for e in explain(net, image, i, GRADIENT, layer="0")]
    torch.testing.assert_close(together, singles, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(gradient_maps, "_TOGETHER", 0)  # as where the activations are many
    torch.testing.assert_close(gathered(), singles, rtol=1e-12, atol=1e-12)
    monkeypatch.undo()
    METHODS.add("counted", replace(METHODS["gradcam"], name="counted", run=counted))
    explain(net, image, labels, "counted", layer="0")
    METHODS.remove("counted")
    assert calls == [18]


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Looking.apply(x)


@pytest.mark.parametrize(("own", "passes"), [(nn.Tanh(), 1), (Doubling(), len(TARGETS) + 1)])
def test_labels_behind_a_head_share_a_backward_pass_where_its_operations_can(
    own: nn.Module, passes: int, monkeypatch
) -> None:
    monkeypatch.setattr(shared_backward, "ONE_BY_ONE", 1)
    net = network(nn.Linear(6, 5), own, nn.Linear(5, 3))
    maps(net)  # checks the closed form, once a model
    run, calls = torch.autograd.grad, []

    def counted(outputs: object, inputs: list, *args: object, **options: object) -> object:
        calls.extend(x for x in inputs if not isinstance(x, Tensor))
        return run(outputs, inputs, *args, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    made = maps(net)
    by_head, calls[:] = len(calls), []
    assert by_head == passes
    monkeypatch.setattr(layer_gradients, "find_pooling", lambda *_: None)
    torch.testing.assert_close(made, maps(net), rtol=1e-9, atol=1e-9)


def test_a_label_without_a_weight_is_named_beside_others() -> None:
    """What is said of one map stays with it, and with no other."""
    net = network(nn.Linear(6, 3))
    with torch.no_grad():
        net[-1].weight[1] = 0
    made = explain(net, INPUTS[:1], [0, 1, 2], "gradcam", layer="0")
    codes = [getattr(each.empty_reason, "code", "") for each in made]
    assert [code == "empty.gradient" for code in codes] == [False, True, False]


def test_images_of_different_numbers_of_targets() -> None:
    net = network(nn.Linear(6, 3))

    def request(output) -> list[Label]:
        return [output.label(0), output.label(1)][: 1 + int(output.logits[0] > 0.57)]

    one, two = (nets.images(1, 3, 8, 8, seed=seed).double() for seed in (0, 1))
    both = explain(net, torch.cat([one, two]), request, "layercam", layer="0")
    apart = [e for x in (one, two) for e in explain(net, x, request, "layercam", layer="0")]
    assert len(both) == 3
    assert [e.target for e in both] == [e.target for e in apart]
    for e, single in zip(both, apart, strict=True):
        torch.testing.assert_close(e.raw, single.raw)
