"""Errors of autograd never reach the user raw; a broken gradient is named with its place."""

import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.attribution import capture_recurrent
from camlucida.attribution.capture_errors import InPlaceError, differentiating
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import ModelError, NoEvidenceError
from tests.support import nets


class Net(nn.Module):
    """body → neck → head, with what is done between them."""

    def __init__(self, between=None, after=None) -> None:
        super().__init__()
        self.body, self.neck, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), nn.Linear(5, 2)
        self.between, self.after = between or (lambda x: x), after or (lambda x: x)

    def forward(self, x):
        pooled = self.neck(self.body(x).mean((2, 3)))
        return self.after(self.head(self.between(pooled)))


def in_place(x):
    y = torch.tanh(x)
    y.mul_(2).sub_(1)
    return y


def not_in_place(x):
    return torch.tanh(x) * 2 - 1


def without_gradient(x):
    with torch.no_grad():
        return x * 2


def raising(message):
    """An operation whose backward pass raises."""

    class Opaque(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError(message)

    return Opaque.apply


@pytest.mark.parametrize("layer", ["auto", "body"])
@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"between": torch.Tensor.detach}, "between neck and head"),
        ({"between": without_gradient}, "between neck and head"),
        ({"between": lambda x: torch.from_numpy(x.detach().numpy() * 2)}, "between neck and head"),
        ({"after": torch.Tensor.detach}, "after head"),
    ],
)
def test_a_detach_inside_forward_is_named_with_its_place(options, where, layer):
    net = nets.seeded(Net(**options))
    with pytest.raises(NoEvidenceError, match=rf"depends: .* lies {where}"):
        explain(net, nets.images(2, 3, 8, 8), 1, layer=layer)
    (e, _) = explain(net, nets.images(2, 3, 8, 8), 1, "ablationcam", layer="body")
    assert e.raw.any()


WITHOUT_GRADIENT = {"random", "center", "intensity", "sobel", "ablationcam", "scorecam", "sscam"}
WITHOUT_GRADIENT |= {"scorecam_fast", "iscam", "rise", "occlusion", "eigencam", "kpcacam", "fem"}


@pytest.mark.parametrize("name", [each for each in METHODS if each not in WITHOUT_GRADIENT])
def test_no_method_makes_an_empty_map_of_a_gradient_that_stops(name):
    if METHODS[name].extra:
        pytest.importorskip("zennit")
    net = nets.seeded(Net(between=torch.Tensor.detach))
    with pytest.raises(NoEvidenceError) as raised:
        explain(net, nets.images(1, 3, 8, 8), 1, name, "body")
    if METHODS[name].kind != "attention" and name != "refinecam":
        assert "does not reach" in str(raised.value)
        assert "on which " in str(raised.value)


def test_a_score_that_depends_on_no_pixel_has_an_empty_map():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 2)

    (e,) = explain(Constant(), nets.images(1, 3, 8, 8), 1, "input_x_gradient")
    assert not e.raw.any()
    assert e.is_empty


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("layer", ["auto", "encoder.0"])
def test_a_block_without_gradients_is_named_by_what_it_surrounds(layer, block):
    class Probing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.encoder, self.head = nn.Sequential(nn.Conv2d(3, 4, 3), pooling), nn.Linear(4, 2)

        def forward(self, x):
            with block():
                x = self.encoder(x)
            return self.head(x.clone())

    net = nets.seeded(Probing())
    with pytest.raises(NoEvidenceError, match=rf"{block.__name__}\(\) lies around encoder \("):
        explain(net, nets.images(1, 3, 8, 8), 1, layer=layer)


def test_a_module_that_forbids_gradients_is_named():
    net = nets.seeded(Net())
    net.neck.forward = torch.no_grad()(net.neck.forward)
    with pytest.raises(NoEvidenceError, match="inside neck"):
        explain(net, nets.images(1, 3, 8, 8), 1, layer="body")


def test_a_forward_that_goes_through_numpy_is_named():
    net = nets.seeded(Net(between=lambda x: torch.from_numpy(x.numpy())))
    with pytest.raises(ModelError, match=r"forward leaves the graph .* Can't call numpy"):
        explain(net, nets.images(1, 3, 8, 8), 1, layer="body")


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_in_place_operations_change_no_map(method):
    overwritten, plain = (nets.seeded(Net(after=after)) for after in (in_place, not_in_place))
    images = nets.images(2, 3, 8, 8)
    expected = explain(plain, images, [0, 1], method, "body")
    for one, other in zip(explain(overwritten, images, [0, 1], method, "body"), expected):
        torch.testing.assert_close(one.raw, other.raw)


def test_an_in_place_operation_is_named():
    x = torch.zeros(1, 2, requires_grad=True)
    y = torch.sigmoid(x)
    y.mul_(2)
    with (
        pytest.raises(InPlaceError, match=r"changes the output of Sigmoid of shape \(1, 2\)"),
        differentiating(),
    ):
        torch.autograd.grad(y.sum(), x)


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("no backward\nyet. Wait", r"cannot be computed: no backward yet \("),
        ("derivative for aten::x is not implemented", "an operation of the model has no derivat"),
        ("Trying to backward through the graph a second time", "tensors of an earlier forward"),
    ],
)
def test_other_errors_of_a_backward_pass_are_one_line(raised, message):
    net = nets.seeded(Net(after=raising(raised)))
    with pytest.raises(ModelError, match=message) as caught:
        explain(net, nets.images(1, 3, 8, 8), 1, layer="body")
    assert "\n" not in str(caught.value)
    assert "eigencam need no gradient" in caught.value.fix
    (e,) = explain(net, nets.images(1, 3, 8, 8), 1, "ablationcam", layer="body")
    assert e.raw.any()


@pytest.mark.parametrize("error", [KeyError("no idea"), AssertionError("no idea")])
def test_whatever_a_backward_function_raises_is_one_line(error):
    class Raising(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise error

    net = nets.seeded(Net(after=Raising.apply))
    with pytest.raises(ModelError, match="no idea"):  # auto surveys the model first
        explain(net, nets.images(1, 3, 8, 8), 1)


def test_a_recurrent_layer_on_a_gpu_runs_without_cudnn(monkeypatch):
    seen = []

    class Lstm(nn.LSTM):
        def forward(self, *args):
            seen.append(torch.backends.cudnn.enabled)
            return super().forward(*args)

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.rows, self.head = (
                nn.Conv2d(3, 4, 3),
                Lstm(4, 5, batch_first=True),
                nn.Linear(5, 2),
            )

        def forward(self, x):
            seen.append(torch.backends.cudnn.enabled)
            rows, _ = self.rows(self.body(x).mean(3).transpose(1, 2))
            return self.head(rows[:, -1])

    net, images, enabled = (
        nets.seeded(Reader()),
        nets.images(1, 3, 8, 8),
        torch.backends.cudnn.enabled,
    )
    explain(net, images, 1, layer="body")
    assert set(seen) == {enabled}
    monkeypatch.setattr(capture_recurrent, "_on_gpu", lambda module: True)
    explain(net, images, 1, layer="body")
    assert seen[-2:] == [enabled, False]
    assert torch.backends.cudnn.enabled is enabled
    net.rows.hidden_size = 7
    with pytest.raises(ModelError):
        explain(net, images, 1, layer="body")
    assert torch.backends.cudnn.enabled is enabled
