"""What people hand to ``explain``: it works, or one line says why not."""

import warnings
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain, list_layers
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import CamlucidaError, ModelError, NoEvidenceError, UsageError
from tests.support import nets


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).eval()


def images():
    return nets.images(2, 3, 32, 48)


Pair = namedtuple("Pair", "hidden logits")


@dataclass
class Output:
    loss: Tensor | None
    logits: Tensor


class Returns(nn.Module):
    """The network, whose logits come in another shape."""

    def __init__(self, shape):
        super().__init__()
        self.net, self.shape = network(), shape

    def forward(self, x):
        return self.shape(self.net(x))


class Features(nn.Module):
    """A network of an image and clinical features, which are held fixed."""

    def __init__(self):
        super().__init__()
        self.net, self.head = network(), nn.Linear(5, 2)

    def forward(self, x, features):
        return self.head(torch.cat([self.net(x), features], 1))


def quantised_head():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(network(), {nn.Linear}, torch.qint8)


def quantised():
    from torch.ao import quantization

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(quantization.QuantStub(), *network(), quantization.DeQuantStub())
        net.qconfig = quantization.get_default_qconfig("fbgemm")
        prepared = quantization.prepare(net.eval())
        prepared(images())
        return quantization.convert(prepared)


@pytest.mark.parametrize(
    "shape",
    [
        lambda y: {"aux": y[:, :1] * 0, "logits": y},
        lambda y: Pair(y[:, :1], y),
        lambda y: Output(None, y),
        lambda y: (y, None),
        lambda y: [y, {"hidden": [y[:, :1, None]]}],
    ],
    ids=["dictionary", "named tuple", "dataclass", "tuple", "nested"],
)
def test_outputs_of_any_shape(shape):
    e = explain(Returns(shape), images(), 1, "hirescam")
    for ours, plain in zip(e, explain(network(), images(), 1, "hirescam"), strict=True):
        assert ours.layer == f"net.{plain.layer}"
        torch.testing.assert_close(ours.raw, plain.raw)


def test_further_inputs_are_held_fixed():
    torch.manual_seed(0)
    net, features = Features().eval(), torch.rand(2, 2)
    (first, _) = explain(net, (images(), features), 1, "hirescam")
    (alone,) = explain(net, (images()[:1], features[:1]), 1, "hirescam")
    assert first.layer == "net.3"
    torch.testing.assert_close(first.raw, alone.raw)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_numbers_of_any_width(dtype):
    (rough, _) = explain(network().to(dtype), images(), 1, "hirescam")
    (exact, _) = explain(network(), images(), 1, "hirescam")
    scale = float(exact.raw.abs().max())
    torch.testing.assert_close(rough.raw.float() / scale, exact.raw / scale, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda net: torch.compile(net, backend="eager"),
        torch.fx.symbolic_trace,
        lambda net: nn.Sequential(torch.nn.utils.parametrizations.weight_norm(net[0]), *net[1:]),
    ],
    ids=["DataParallel", "compiled", "traced by fx", "weight norm"],
)
def test_wrappers(wrap):
    (wrapped, _) = explain(wrap(network()), images(), 1, "hirescam")
    (plain, _) = explain(network(), images(), 1, "hirescam")
    torch.testing.assert_close(wrapped.raw, plain.raw)


@pytest.mark.filterwarnings("ignore:quantized")
def test_a_quantised_head_is_explained_without_gradients():
    net = quantised_head()
    with pytest.raises(NoEvidenceError, match="a quantised linear layer lies behind it") as error:
        explain(net, images(), 1, layer="3")
    assert "or scorecam, which needs no gradient" in str(error.value)
    (e, _) = explain(net, images(), 1, "scorecam", "3")
    assert e.raw.any()


PROBING = [name for name, method in METHODS.items() if method.kind in ("probe", "input")]
WITHOUT_GRADIENT = {"ablationcam", "scorecam", "sscam", "iscam", "occlusion", "rise"}


@pytest.mark.filterwarnings("ignore:quantized")
@pytest.mark.parametrize("method", PROBING)
def test_a_quantised_head_never_gives_an_empty_map(method):
    """The graph holds it, and its derivative is nothing: no evidence was what maps said."""
    net = quantised_head()
    if method in WITHOUT_GRADIENT or METHODS[method].paper.startswith("baseline"):
        assert explain(net, images(), 1, method, "3")[0].raw.any()
        return
    with pytest.raises(NoEvidenceError, match=r"a quantised linear layer|several grids"):
        explain(net, images(), 1, method, "3")


def ssd():
    detection = pytest.importorskip("torchvision").models.detection
    return detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)


def exported():
    return torch.export.export(network(), (images(),)).module()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (lambda: images()[0], r"four axes \(B, C, H, W\): give x\[None\] of one"),
        (lambda: {"image": images()}, "inputs are a mapping.*give a tuple of tensors"),
    ],
    ids=["no batch", "mapping"],
)
def test_inputs_of_another_form_are_refused_with_the_mend(given, reason):
    with pytest.raises(CamlucidaError, match=reason):
        explain(network(), given(), 1)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (quantised, "a statically quantised model has feature maps of whole numbers"),
        (lambda: torch.jit.trace(network(), images()), "a TorchScript model hides its layers"),
        (lambda: nn.Sequential(nn.LazyConv2d(2, 3), nn.Flatten()), "lazy layers whose sizes"),
        (lambda: network().to("meta"), "on the meta device: its weights were never loaded"),
        (exported, "an exported program runs operations, and hides the layers"),
        (ssd, "the boxes of an SSD are not followed to their scores .of torchvision FasterRCNN"),
    ],
    ids=["quantised", "TorchScript", "lazy", "meta", "exported", "SSD"],
)
def test_what_cannot_be_explained_is_one_line(make, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = make()
    for call in (lambda: explain(net, images(), 1), lambda: list_layers(net, images())):
        with pytest.raises(ModelError, match=reason) as error:
            call()
        assert "\n" not in str(error.value)


def test_lazy_layers_after_their_first_call():
    torch.manual_seed(0)
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(CamlucidaError, match="run it once"):
        explain(net, images(), 1)
    net(images())
    assert explain(net, images(), 1, "hirescam")[0].raw.any()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: lambda x: x, "function"),
        (lambda: torch.export.export(network(), (images(),)), "ExportedProgram"),
        (lambda: network().state_dict(), "OrderedDict"),
    ],
    ids=["function", "exported program", "state dict"],
)
def test_no_module(make, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make()
    with pytest.raises(UsageError, match=f"the model is a {kind}, neither"):
        explain(model, images(), 1)
