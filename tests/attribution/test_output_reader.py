"""Which output is explained, and the logits behind a final sigmoid or softmax."""

from __future__ import annotations

import warnings
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import camlucida as cl
from camlucida.attribution.engine import explain
from camlucida.core.errors import ModelError, ModelMismatchError, UsageError
from tests.support import nets

KINDS = ["gradcam", "eigencam", "ablationcam", "scorecam"]
INPUTS = nets.images(2, 3, 8, 8)


def wrapped(wrap, labels: int = 4) -> nn.Module:
    return nets.Wrapped(nets.seeded(nets.Cnn(labels=labels)), wrap)


def by_hand(model: nn.Module, x: Tensor, score) -> Tensor:
    """Grad-CAM of net.features: one hook, one gradient, nothing of this package."""
    kept = []
    handle = model.net.features.register_forward_hook(
        lambda module, args, out: kept.append(out.requires_grad_()) or out.clone()
    )
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    z = model.net(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(score(z), kept[0])
    return (kept[0] * gradient.mean((2, 3), keepdim=True)).sum(1)[0].detach()


FUNCTIONAL = {
    "sigmoid": (torch.sigmoid, "Sigmoid"),
    "method": (lambda z: z.sigmoid(), "Sigmoid"),
    "in place": (lambda z: z.sigmoid_(), "Sigmoid"),
    "F.softmax": (lambda z: F.softmax(z, dim=-1), "Softmax"),
    "log_softmax": (lambda z: z.log_softmax(1), "LogSoftmax"),
    "exp of log_softmax": (lambda z: z.log_softmax(1).exp(), "Softmax"),
    "logsigmoid": (F.logsigmoid, "LogSigmoid"),
    "shapes": (lambda z: torch.softmax(z[:, :, None, None], 1).squeeze().clone(), "Softmax"),
    "clamped": (lambda z: z.sigmoid().clamp(1e-6, 1 - 1e-6), "Sigmoid"),
    "spatial": (lambda z: z.sigmoid()[:, :, None, None], "Sigmoid"),
    "heads": (lambda z: torch.cat([z[:, :1].sigmoid(), z[:, 1:].sigmoid()], 1), "Sigmoid"),
    "permuted": (lambda z: z.t().softmax(0).t(), "Softmax"),
    "softmin": (lambda z: F.softmin(-z, 1), "Softmax"),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_a_functional_end_is_undone_to_the_logit(name):
    wrap, kind = FUNCTIONAL[name]
    model = wrapped(wrap)
    with torch.no_grad():
        returned = model(INPUTS).reshape(2, 4)
        logits = model.net(INPUTS)
    p = returned.exp() if kind.startswith("Log") else returned
    for _ in range(2):  # the second time it is known how the model ends
        for e in explain(model, INPUTS, 1, KINDS, "net.features"):
            image = int(e.scan.id[-1])
            assert e.score == pytest.approx(float(logits[image, 1]))
            assert e.probability == pytest.approx(float(p[image, 1]))
            assert (e.provenance["score_kind"], e.provenance["logits_from"]) == ("logit", kind)
    plain = explain(wrapped(lambda z: z), INPUTS, 1, KINDS, "net.features", task="multilabel")
    for e, expected in zip(explain(model, INPUTS, 1, KINDS, "net.features"), plain):
        torch.testing.assert_close(e.raw, expected.raw)


def test_the_map_is_that_of_the_logit_by_hand():
    model = wrapped(torch.sigmoid)
    (e,) = explain(model, INPUTS[:1], 2, layer="net.features:pre", task="multilabel")
    torch.testing.assert_close(e.raw, by_hand(model, INPUTS[:1], lambda z: z[0, 2]))


def test_saturated_probabilities_still_have_their_logit():
    model = wrapped(lambda z: (z * 1e4).softmax(1))
    with torch.no_grad():
        z = model.net(INPUTS[:1])[0] * 1e4
    (e,) = explain(model, INPUTS[:1], 3, layer="net.features")
    assert e.score == pytest.approx(float(z[3]))


def test_one_class_of_a_softmax_has_its_log_odds():
    model = wrapped(lambda z: z.softmax(1)[:, 1])
    with torch.no_grad():
        z = model.net(INPUTS)
    expected = z[:, 1] - z[:, [0, 2, 3]].logsumexp(1)
    found = explain(model, INPUTS, "positive", layer="net.features")
    assert [e.score for e in found] == pytest.approx(expected.tolist())
    assert [e.probability for e in found] == pytest.approx(z.softmax(1)[:, 1].tolist())


def test_the_complement_of_a_sigmoid():
    model = wrapped(lambda z: torch.cat([1 - z.sigmoid(), z.sigmoid()], 1), labels=1)
    with torch.no_grad():
        z = model.net(INPUTS[:1])[0, 0]
    found = explain(model, INPUTS[:1], [0, 1], layer="net.features")
    assert [e.score for e in found] == pytest.approx([-float(z), float(z)])
    assert sum(e.probability for e in found) == pytest.approx(1)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: z.sigmoid() * 100,
        lambda z: (z.sigmoid() + z.softmax(1)) / 2,
        lambda z: z.sigmoid().mean(1),
        lambda z: F.hardsigmoid(z),
        lambda z: z[:, :, None, None].expand(-1, -1, 4, 4).softmax(-1),
    ],
    ids=["scaled", "mean of two", "mean", "hardsigmoid", "another axis"],
)
def test_what_cannot_be_undone_is_asked(wrap):
    with pytest.raises(ModelMismatchError, match="logits_from") as caught:
        explain(wrapped(wrap), INPUTS, 0, layer="net.features")
    assert isinstance(caught.value, UsageError)


def test_a_softmax_by_hand_is_asked():
    model = wrapped(lambda z: z.exp() / z.exp().sum(1, keepdim=True))
    with pytest.raises(ModelMismatchError, match="sum to 1"):
        explain(model, INPUTS, 0, layer="net.features")
    (e,) = explain(model, INPUTS[:1], 0, layer="net.features", output="probabilities")
    assert e.score == e.probability == pytest.approx(model(INPUTS)[0, 0].item())


def test_a_log_softmax_by_hand_is_asked():
    model = wrapped(lambda z: z - z.logsumexp(1, keepdim=True))
    with pytest.raises(ModelMismatchError, match=r"log-probabilities .* logits_from"):
        explain(model, INPUTS, 0, layer="net.features")
    (e,) = explain(model, INPUTS[:1], 0, layer="net.features", logits_from="net.head")
    with torch.no_grad():
        assert e.score == pytest.approx(float(model.net(INPUTS)[0, 0]))


def test_negative_distances_are_logits():
    model = wrapped(lambda z: -((z - 1) ** 2))
    (e,) = explain(model, INPUTS[:1], 0, layer="net.features")
    assert e.probability == pytest.approx(model(INPUTS).softmax(1)[0, 0].item(), rel=1e-4)


def test_one_class_of_a_dense_softmax_has_its_log_odds():
    def end(z: Tensor) -> Tensor:
        return (z[:, :, None, None] * torch.linspace(-1, 1, 64).reshape(8, 8)).softmax(1)[:, 1]

    model = wrapped(end, labels=2)
    with torch.no_grad():
        p = model(INPUTS)[0, 2, 3]
    (e,) = explain(model, INPUTS[:1], "pixel:2,3", layer="net.features")
    assert e.score == pytest.approx(float(p.logit()), rel=1e-4)
    assert e.probability == pytest.approx(float(p))


def test_the_mends_that_are_offered():
    model = wrapped(lambda z: z.sigmoid() * 100)
    with torch.no_grad():
        value = float(model(INPUTS)[0, 1])
    (e,) = explain(model, INPUTS[:1], 1, layer="net.features", task="regression")
    assert (e.score, e.probability) == (pytest.approx(value), None)
    mean = wrapped(lambda z: z.sigmoid().mean(1))
    (p,) = explain(mean, INPUTS[:1], 1, layer="net.features", output="probabilities")
    assert p.provenance["score_kind"] == "probability"
    (z,) = explain(
        wrapped(lambda z: z.sigmoid().pow(2)), INPUTS[:1], 1, task="multilabel",
        layer="net.features", logits_from="net.head",
    )  # fmt: skip
    with torch.no_grad():
        assert z.score == pytest.approx(float(mean.net(INPUTS)[0, 1]))


def test_a_regression_keeps_its_final_sigmoid():
    model = wrapped(torch.sigmoid, labels=1)
    with torch.no_grad():
        value = float(model(INPUTS)[0, 0])
    (up,) = explain(model, INPUTS[:1], "output+", layer="net.features", task="regression")
    assert (up.score, up.probability) == (pytest.approx(value), None)
    assert up.provenance["score_kind"] == "value"


def test_a_gate_is_no_final_activation():
    model = wrapped(lambda z: z * z.sigmoid())
    with torch.no_grad():
        expected = model(INPUTS)[0, 1]
    (e,) = explain(model, INPUTS[:1], 1, layer="net.features")
    assert e.score == pytest.approx(float(expected))
    assert "logits_from" not in e.provenance


def test_a_model_that_changes_its_end_between_two_calls():
    model = wrapped(lambda z: z)
    (plain,) = explain(model, INPUTS[:1], 1, layer="net.features", task="multilabel")
    model.wrap = torch.sigmoid
    (ending,) = explain(model, INPUTS[:1], 1, layer="net.features", task="multilabel")
    assert (ending.score, ending.probability) == pytest.approx((plain.score, plain.probability))


# --- several outputs ------------------------------------------------------------------------------

Named = namedtuple("Named", ["features", "logits"])


@dataclass
class Heads:
    logits: Tensor
    side: Tensor


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: {"side": z[:, :2], "logits": z},
        lambda z: Named(z[:, :2], z),
        lambda z: Heads(z, z[:, :2]),
        lambda z: {"prob": z.sigmoid(), "logits": z},
        lambda z: {"prob": z.softmax(1), "logits": z},
        lambda z: {"out": z, "aux": z * 0},
        lambda z: (z.argmax(1), z, z.sum()),
    ],
    ids=["dict", "namedtuple", "dataclass", "sigmoid beside", "softmax beside", "out", "one float"],
)
def test_the_main_output_of_several(wrap, request):
    model = wrapped(wrap)
    with torch.no_grad():
        z = model.net(INPUTS[:1])
    (e,) = explain(model, INPUTS[:1], 1, layer="net.features")
    assert e.score == pytest.approx(float(z[0, 1]))
    beside = request.node.callspec.id == "sigmoid beside"
    p = z.sigmoid() if beside else z.softmax(1)
    assert e.probability == pytest.approx(float(p[0, 1]))
    assert e.provenance["task"] == ("multilabel" if beside else "multiclass")


def test_heads_are_listed_and_chosen():
    model = wrapped(lambda z: {"density": z, "side": z[:, :2] * 2})
    with torch.no_grad():
        z = model.net(INPUTS[:1])[0]
    with pytest.raises(UsageError, match=r'density \(B, 4\), side \(B, 2\) .*output = "density"'):
        explain(model, INPUTS, 0, layer="net.features")
    options = {"layer": "net.features"}
    for output in ("side", 1, "1", -1):
        (e,) = explain(model, INPUTS[:1], 0, output=output, **options)
        assert e.score == pytest.approx(2 * float(z[0]))
        assert e.provenance["output"] == str(output)
    (e,) = explain(model, INPUTS[:1], "c", labels=list("abcd"), **options)
    assert e.score == pytest.approx(float(z[2]))
    with pytest.raises(ModelMismatchError, match=r"no output 'sides'.*did you mean side"):
        explain(model, INPUTS, 0, output="sides", **options)
    with pytest.raises(ModelMismatchError, match="one tensor"):
        explain(wrapped(lambda z: z), INPUTS, 0, output="side", **options)


def test_two_tensors_of_one_shape_are_not_guessed():
    model = wrapped(lambda z: (z, z * 0))
    with pytest.raises(ModelMismatchError, match="output = 0 or 1"):
        explain(model, INPUTS, 0, layer="net.features")
    with pytest.raises(ModelMismatchError, match="output = 0 or 1"):
        explain(model, INPUTS, 0, layer="net.features", labels=list("abcd"))


def test_a_nested_head():
    model = wrapped(lambda z: {"heads": {"a": z, "b": z[:, :1]}, "loss": None})
    (e,) = explain(
        model, INPUTS[:1], "sick", layer="net.features", output="heads.b", labels=["sick"]
    )
    with torch.no_grad():
        assert e.score == pytest.approx(float(model.net(INPUTS)[0, 0]))


def test_deep_supervision_takes_the_finest():
    def outputs(z):
        return [F.interpolate(z, size=size) for size in (4, 8, 2)]

    model = nets.Wrapped(nets.seeded(nets.UNet(2)), outputs)
    (e,) = explain(model, INPUTS[:1], "pixel:1,1", layer="net.up")
    assert tuple(e.explained.mask.shape) == (8, 8)


def test_no_tensor():
    with pytest.raises(ModelError, match="returns no tensor"):
        explain(wrapped(lambda z: {"loss": None}), INPUTS, 0, layer="net.features")


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [1, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1,)])
def test_axes_of_size_1_are_a_classification(labels, shape):
    model = wrapped(lambda z: z.reshape(*z.shape, *shape), labels=labels)
    flat = wrapped(lambda z: z, labels=labels)
    for method in KINDS:
        found = explain(model, INPUTS, 0, method, "net.features")
        for e, expected in zip(found, explain(flat, INPUTS, 0, method, "net.features")):
            torch.testing.assert_close(e.raw, expected.raw)
            assert e.probability == expected.probability
            assert e.provenance["task"] == ("binary" if labels == 1 else "multiclass")


def test_a_dense_output_without_an_axis_of_labels():
    model = nets.Wrapped(nets.seeded(nets.UNet(1)), lambda z: z.sigmoid().squeeze(1))
    plain = nets.seeded(nets.UNet(1))
    (e,) = explain(model, INPUTS[:1], "pixel:3,3", layer="net.up")
    (expected,) = explain(plain, INPUTS[:1], "pixel:3,3", layer="up")
    assert (e.score, e.probability) == pytest.approx((expected.score, expected.probability))


def test_channels_with_a_sigmoid_each_overlap():
    plain = nets.seeded(nets.UNet(3))
    model = nets.Wrapped(plain, torch.sigmoid)
    with torch.no_grad():
        p = model(INPUTS)[0]
    for channel in range(3):
        (e,) = explain(model, INPUTS[:1], str(channel), layer="net.up")
        assert torch.equal(e.explained.mask, p[channel] > 0.5)
    exclusive = nets.Wrapped(plain, lambda z: z.softmax(1))
    (e,) = explain(exclusive, INPUTS[:1], "region", layer="net.up")
    assert torch.equal(e.explained.mask, p.argmax(0) == e.explained.channel)


# --- task -----------------------------------------------------------------------------------------


def test_where_the_task_comes_from():
    def task_from(model, **options):
        (e,) = explain(model, INPUTS[:1], 0, layer="net.features", **options)
        return e.provenance["task"], e.provenance["task_from"]

    assert task_from(wrapped(lambda z: z)) == ("multiclass", "guessed")
    assert task_from(wrapped(torch.sigmoid)) == ("multilabel", "guessed")
    assert task_from(wrapped(lambda z: z), task="multilabel") == ("multilabel", "given")


def test_nearest_upsampling_after_the_sigmoid():
    plain = nets.seeded(nets.UNet(2))
    model = nets.Wrapped(plain, lambda z: F.interpolate(z.sigmoid(), scale_factor=2))
    with torch.no_grad():
        z = plain(INPUTS[:1])[0, 1]
    (e,) = explain(model, INPUTS[:1], "1", layer="net.up")
    assert e.score == pytest.approx(z[z > 0].mean().item(), rel=1e-4)


def test_outputs_between_0_and_1_are_doubted():
    model = wrapped(lambda z: (z - z.amin(1, True)) / (z.amax(1, True) - z.amin(1, True)))
    (e, _) = explain(model, INPUTS, 1, layer="net.features")
    assert [warning.code for warning in e.scan.warnings] == ["model_output.range"]
    (e, _) = explain(model, INPUTS, 1, layer="net.features", output="probabilities")
    assert not e.scan.warnings


def test_a_scripted_part():
    with warnings.catch_warnings():  # scripting is deprecated, and still in use
        warnings.simplefilter("ignore")
        final = torch.jit.script(nn.Sigmoid())
    model = nets.Wrapped(nets.seeded(nets.Cnn()), final)
    with pytest.raises(ModelMismatchError, match="sigmoid"):
        explain(model, INPUTS, 1, layer="net.features")


def test_evaluate_takes_what_is_stated_of_the_output():
    model = wrapped(lambda z: {"density": z, "side": z[:, :2]})
    options = {"layer": "net.features", "metrics": "hit", "baselines": ()}
    masks = [torch.ones(8, 8).numpy()] * 2
    with pytest.raises(UsageError, match="density"):
        cl.evaluate(model, INPUTS, "a", masks=masks, **options)
    stated = {"output": "side", "labels": ["a", "b"], "task": "multilabel"}
    rows = cl.evaluate(model, INPUTS, "a", masks=masks, **stated, **options)
    with torch.no_grad():
        expected = model.net(INPUTS)[:, 0].sigmoid()
    assert rows["probability"].tolist() == pytest.approx(expected.tolist())


BOUNDED = {
    "tanh": (torch.tanh, "tanh"),
    "module": (nn.Tanh(), "tanh"),
    "tanh to 0 and 1": (lambda z: (z.tanh() + 1) / 2, "tanh"),
    "probit": (lambda z: 0.5 * (1 + torch.erf(z)), "erf"),
    "hardsigmoid": (nn.Hardsigmoid(), "hardsigmoid"),
    "softplus": (F.softplus, "softplus"),
    "softsign": (F.softsign, "softsign"),
    "hardtanh": (nn.Hardtanh(), r"clamp to \[-1, 1\]"),
    "clamp": (lambda z: z.clamp(0, 1), r"clamp to \[0, 1\]"),
    "relu": (nn.ReLU(), "relu"),
    "relu by 2": (lambda z: 2 * F.relu(z).reshape(z.shape), "relu"),
    "relu in place": (nn.ReLU(inplace=True), "relu"),
    "relu6": (nn.ReLU6(), r"clamp to \[0, 6\]"),
    "relu by hand": (lambda z: z.clamp(min=0), "clamp from 0"),
    "elu": (nn.ELU(), "elu"),
    "silu": (nn.SiLU(), "silu"),
    "gelu": (nn.GELU(), "gelu"),
    "sigmoid by hand": (lambda z: 1 / (1 + torch.exp(-z)), r"1 / \(1 \+ exp\)"),
    "odds": (lambda z: z.exp() / (1 + z.exp()), r"1 / \(1 \+ exp\)"),
    "inverse": (lambda z: (1 + (-z).exp()) ** -1, r"1 / \(1 \+ exp\)"),
    "exp": (torch.exp, "exp"),
    "hazard": (lambda z: 1 - torch.exp(-z), "exp"),
    "square": (lambda z: 3 * z**2, "an even power"),
    "abs": (torch.abs, "abs"),
}


@pytest.mark.parametrize("method", ["gradcam", "eigencam"])
@pytest.mark.parametrize("name", BOUNDED)
def test_a_bounded_end_holds_no_logits(name, method):
    end, words = BOUNDED[name]
    with pytest.raises(ModelMismatchError, match=f"made by {words}: it holds no logits"):
        explain(wrapped(end), INPUTS, 0, method)
    (found, _) = explain(
        wrapped(end), INPUTS, "output+", method, task="regression", labels=["a"] * 4
    )[:2]
    assert found.provenance["score_kind"] == "value"


LIMITED = [lambda z: 30 * (z / 30).tanh(), lambda z: z.clamp(-10, 10), nn.LeakyReLU(0.999)]


@pytest.mark.parametrize("end", LIMITED)
def test_limited_logits_are_logits(end):
    plain = explain(wrapped(lambda z: z), INPUTS, 0)[0]
    assert explain(wrapped(end), INPUTS, 0)[0].score == pytest.approx(plain.score, rel=1e-2)


def test_labels_on_the_last_axis_are_refused():
    """Rows would be taken for labels."""
    net = nets.Wrapped(nets.seeded(nn.Conv2d(3, 4, 1)), lambda z: z.movedim(1, -1))
    with pytest.raises(ModelMismatchError, match="labels on the last axis"):
        explain(net, nets.images(1, 3, 8, 10), 0, layer="net")
