"""The watched forward pass.

What is captured, what is left alone, and what is said when a layer cannot be captured.
"""

import gc
import threading
import weakref

import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.attribution.capture import capture, run_output
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import LayerError, ModelError, NoEvidenceError
from camlucida.core.messages import Message
from camlucida.models.layers import list_layers, parse_path
from camlucida.models.state import frozen, main_tensor, replace_tensor, unwrap
from tests.support import nets

GRADIENT = "hirescam"  # the map that shows every error of capture
KINDS = ["gradcam", "eigencam", "ablationcam", "scorecam"]


def cnn(**options) -> tuple[nn.Module, torch.Tensor]:
    return nets.seeded(nets.Cnn(**options)), nets.images(2, 3, 12, 10)


def raws(*args, **kwargs) -> torch.Tensor:
    return torch.stack([e.raw for e in explain(*args, **kwargs)])


def state_of(net: nn.Module) -> list:
    """Everything that an explanation could leave behind."""
    modules = [
        (
            m.training,
            len(m._forward_hooks),
            len(m._forward_pre_hooks),
            len(m._backward_hooks),
            "forward" in m.__dict__,
        )
        for m in net.modules()
    ]
    parameters = [
        (p.requires_grad, None if p.grad is None else p.grad.clone(), p.clone())
        for p in net.parameters()
    ]
    return [modules, parameters, [b.clone() for b in net.buffers()]]


def same(left, right) -> bool:
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


# --- the model is left as it was ------------------------------------------------------------------


def messy() -> nn.Module:
    """A model whose state is of every kind.

    Partly training, partly frozen, with gradients and batch statistics.
    """
    net = nets.seeded(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU())
    )
    net.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()).append(nn.Linear(4, 3)).append(
        nn.Softmax(1)
    )
    net.train()
    net[2].eval()
    net[0].weight.requires_grad_(False)
    net[6].weight.grad = torch.ones_like(net[6].weight)
    return net


@pytest.mark.parametrize("method", METHODS)
def test_state_is_restored(method):
    net, inputs = messy(), nets.images(2, 3, 8, 8)
    before = state_of(net)
    explain(net, inputs, 1, method, "3")
    assert same(state_of(net), before)


PROBES = [name for name, method in METHODS.items() if method.kind == "probe"]


@pytest.mark.parametrize(
    ("method", "after"), [(name, 0) for name in METHODS] + [(name, 1) for name in PROBES]
)
def test_state_is_restored_after_an_exception(method, after):
    """In the watched forward, or in a later one that a perturbation method asks for."""
    net, inputs = nets.seeded(nets.Fails(after)), nets.images(1, 3, 8, 8)
    net.train()
    net.net.features.eval()
    before = state_of(net)
    with pytest.raises(ModelError, match="broken on purpose"):
        explain(net, inputs, 1, method, "net.features")
    assert same(state_of(net), before)


def test_state_is_restored_when_a_method_fails(monkeypatch):
    net, inputs = cnn()
    before = state_of(net.train())

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("camlucida.attribution.probe.Probe._score", fail)
    with pytest.raises(KeyboardInterrupt):
        explain(net, inputs, 1, "ablationcam")
    assert same(state_of(net), before)


def test_a_forward_of_the_users_own_is_put_back():
    net, inputs = cnn()
    own = net.act.forward = lambda x: x.clamp(min=0)
    explain(net, inputs, 1, ["ablationcam", "gradcam"], "features")
    assert net.act.forward is own


def test_hooks_of_the_users_own_still_work():
    net, inputs = cnn()
    seen = []
    net.features.register_forward_hook(lambda m, a, out: seen.append(1) or out * 2)
    doubled = raws(net, inputs, 1, GRADIENT, "features")
    assert seen
    with torch.no_grad():
        net.features.weight.mul_(2)
        net.features.bias.mul_(2)
    net.features._forward_hooks.clear()
    torch.testing.assert_close(raws(net, inputs, 1, GRADIENT, "features"), doubled)


# --- it works whatever surrounds it ---------------------------------------------------------------


@pytest.mark.parametrize("method", KINDS)
def test_frozen_model(method):
    net, inputs = cnn()
    expected = raws(net, inputs, 1, method, "features")
    torch.testing.assert_close(
        raws(net.requires_grad_(False), inputs, 1, method, "features"), expected
    )


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_under_no_grad_and_inference_mode(method, mode):
    net, inputs = cnn()
    expected = raws(net, inputs, 1, method, "features")
    with mode():
        made_inside = inputs + 0
        torch.testing.assert_close(raws(net, made_inside, 1, method, "features"), expected)
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(raws(net, made_inside, 1, method, "features"), expected)


def test_a_model_built_under_inference_mode_is_refused():
    with torch.inference_mode():
        net = nets.Cnn()
    with pytest.raises(ModelError, match="inference_mode"):
        explain(net, nets.images(1, 3, 8, 8))


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast(method, dtype):
    net, inputs = cnn()
    exact = raws(net, inputs, 1, method, "features")
    with torch.autocast("cpu", dtype):
        (first, _) = found = explain(net, inputs, 1, method, "features")
        assert torch.is_autocast_enabled("cpu")
    rough = torch.stack([e.raw for e in found])
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.05 * float(exact.abs().max()), rtol=0.05)
    if method == "ablationcam":
        assert first.provenance["replay"] == "tail"


@pytest.mark.parametrize("method", KINDS)
def test_the_model_decides_the_precision(method):
    net, inputs = cnn()
    expected = raws(net, inputs, 1, method, "features")
    found = raws(net.double(), inputs, 1, method, "features")
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), expected, atol=1e-4, rtol=1e-3)


def test_channels_last_memory():
    net, inputs = cnn()
    expected = raws(net, inputs, 1, KINDS, "features")
    net.to(memory_format=torch.channels_last)
    found = raws(net, inputs.contiguous(memory_format=torch.channels_last), 1, KINDS, "features")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", KINDS)
def test_data_parallel_is_unwrapped(method):
    net, inputs = cnn()
    expected = raws(net, inputs, 1, method, "features")
    torch.testing.assert_close(raws(nn.DataParallel(net), inputs, 1, method, "features"), expected)


class Compiled(nn.Module):
    """Stands for what ``torch.compile`` returns: its own forward would not notice a hook."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._orig_mod = net

    def forward(self, x):
        raise AssertionError("compiled code ran")


@pytest.mark.parametrize("wrap", [Compiled, lambda net: nn.DataParallel(Compiled(net))])
def test_a_compiled_model_is_explained_by_its_original(wrap):
    net, inputs = cnn()
    torch.testing.assert_close(
        raws(wrap(net), inputs, 1, KINDS, "features"), raws(net, inputs, 1, KINDS, "features")
    )


@pytest.mark.parametrize("layer", ["stem._orig_mod.0", "stem", "auto"])
def test_compiled_parts_run_uncompiled_and_are_compiled_again(layer):
    net, inputs = cnn()
    expected = raws(net, inputs, 1, KINDS, layer.replace("_orig_mod.", ""))
    net.stem = Compiled(net.stem)
    torch.testing.assert_close(raws(net, inputs, 1, KINDS, layer), expected)
    with pytest.raises(AssertionError, match="compiled code ran"):
        net(inputs)


def test_a_module_compiled_in_place_keeps_its_code():
    net, inputs = cnn()
    expected = raws(net, inputs, 1, GRADIENT, "features")

    def code(*_args, **_kwargs):
        raise AssertionError("compiled code ran")

    net._compiled_call_impl = net.features._compiled_call_impl = code
    torch.testing.assert_close(raws(net, inputs, 1, GRADIENT, "features"), expected)
    assert net._compiled_call_impl is net.features._compiled_call_impl is code


def test_torchscript_is_refused():
    class Script(torch.jit.ScriptModule):
        pass

    with pytest.raises(ModelError, match="TorchScript"):
        unwrap(Script())


def test_two_threads_give_what_one_gives():
    net, inputs = cnn()
    serial = [raws(net, inputs, label, KINDS, "features") for label in range(4)]
    found: dict[int, torch.Tensor] = {}

    def work(label: int) -> None:
        found[label] = raws(net, inputs, label, KINDS, "features")

    threads = [threading.Thread(target=work, args=(label,)) for label in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for label in range(4):
        assert torch.equal(found[label], serial[label])


def test_a_second_thread_waits_for_the_first():
    net, inputs = cnn()
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (explain(net, inputs, 1), done.set()))
    with frozen(net):
        explain(net, inputs, 1)  # the thread that holds the model may explain it
        waiting.start()
        assert not done.wait(0.3)
    waiting.join(10)
    assert done.is_set()


# --- nothing leaks --------------------------------------------------------------------------------


def test_repeated_calls_leave_no_hooks_and_no_tensors():
    net, inputs = cnn()

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects())

    explain(net, inputs, [0, 1], KINDS, ["features", "auto"])
    before = tensors()
    for _ in range(3):
        explain(net, inputs, [0, 1], KINDS, ["features", "auto"])
    assert tensors() == before
    assert not any(m._forward_hooks for m in net.modules())


def test_an_explanation_holds_no_graph_and_no_model():
    net, inputs = cnn()
    found = explain(net, inputs, 1, KINDS)
    assert not any(e.raw.requires_grad or e.scan.tensor.requires_grad for e in found)
    alive = weakref.ref(net)
    del net
    gc.collect()
    assert alive() is None


def test_activations_go_when_the_forward_goes():
    net, inputs = cnn()
    with frozen(net):
        forward = capture(net, (inputs,), ["features"], record=True)
        alive = weakref.ref(forward.layers[0].activations)
        del forward
    assert alive() is None  # at once: no cycle waits for the collector


def test_nothing_before_the_layer_builds_a_graph():
    net, inputs = cnn()
    seen = []
    net.stem.register_forward_hook(lambda m, a, out: seen.append(out.requires_grad))
    explain(net, inputs, 1, "gradcam", "features")
    assert seen == [False]


# --- one forward ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer", ["features", "auto", ["stem", "features", "act"], ["auto", "stem"], ["act", "auto"]]
)
def test_many_targets_methods_and_layers_cost_one_forward(layer):
    net, inputs = cnn()
    gradient = [
        name for name, method in METHODS.items() if method.kind != "probe" and name != "cam"
    ]
    found = explain(net, inputs, [0, 1, "top2", "diff:0|3"], gradient, layer)
    assert net.calls == 1
    assert len(found) == 2 * 5 * len(gradient) * (len(layer) if isinstance(layer, list) else 1)


# --- layers that cannot be captured ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("head", "no spatial grid"),
        ("spare", "does not run"),
        ("heads", "no layer 'heads'"),
        ("stem[7]", "2 children"),
        ("features.9", "no layer"),
        ("a b[", "no dotted path"),
        ("", "no dotted path"),
    ],
)
def test_an_impossible_layer_is_explained_and_others_offered(layer, message):
    net, inputs = cnn()
    net.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(LayerError, match=message) as caught:
        explain(net, inputs, 1, layer=layer)
    if layer in ("head", "spare"):
        assert "act, features, stem" in caught.value.fix
        for name in caught.value.fix.partition(": ")[2].split(", "):
            assert explain(net, inputs, 1, layer=name)


def test_a_layer_the_score_does_not_depend_on():
    class Branches(nets.Cnn):
        def forward(self, x):
            self.branch(x)
            return super().forward(x)

    net = Branches()
    net.branch = nn.Conv2d(3, 2, 3)
    net = nets.seeded(net)
    with pytest.raises(
        NoEvidenceError, match=r"does not depend on layer branch .*act, features, stem"
    ):
        explain(net, nets.images(1, 3, 8, 8), 1, layer="branch")
    (e,) = explain(net, nets.images(1, 3, 8, 8), 1, "ablationcam", layer="branch")
    assert e.is_empty


def test_a_model_that_forbids_gradients_inside():
    net, inputs = cnn()
    net.forward = torch.no_grad()(net.forward)
    with pytest.raises(NoEvidenceError, match="scorecam, which needs no gradient"):
        explain(net, inputs, 1, layer="features")
    assert not explain(net, inputs, 1, ["scorecam", "ablationcam"], layer="features")[0].is_empty


def test_a_head_of_zeros_gives_no_evidence_and_says_so():
    net, inputs = cnn()
    nn.init.zeros_(net.head.weight)
    for e in explain(net, inputs, 1, ["gradcam", "hirescam", "layercam"], "features"):
        assert e.is_empty
        assert e.empty_reason == Message("empty.gradient")
        assert not e.scaled().any()


def test_a_model_without_any_grid():
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    with pytest.raises(LayerError, match="no layer of this model has a spatial grid"):
        explain(net, nets.images(1, 3, 4, 4))


def test_a_model_that_cannot_take_the_input():
    net, _ = cnn()
    with pytest.raises(ModelError, match=r"shape \(1, 5, 8, 8\)"):
        explain(net, nets.images(1, 5, 8, 8))


def test_a_model_that_returns_no_tensor():
    with pytest.raises(ModelError, match="returns no tensor"):
        explain(nets.Wrapped(nets.Cnn(), lambda x: "yes"), nets.images(1, 3, 8, 8))


# --- what counts as the layer ---------------------------------------------------------------------


def test_a_module_that_runs_often_is_explained_at_its_last_run_with_a_grid():
    net, inputs = nets.seeded(nets.SharedRelu()), nets.images(1, 3, 6, 6)
    with torch.no_grad():
        last = net.relu(net.b(net.relu(net.a(inputs))))
    with frozen(net):
        torch.testing.assert_close(
            capture(net, (inputs,), ["relu"]).layers[0].activations.detach(), last
        )
    (info,) = [info for info in list_layers(net, inputs) if info.path == "relu"]
    assert info.shape == (1, 5, 6, 6)
    assert info.calls == 3


def test_a_module_under_two_names_is_found_by_both():
    net, inputs = cnn()
    net.alias = net.features
    first, second = explain(net, inputs[:1], 1, layer=["features", "alias"])
    assert first.layer == second.layer == "features"
    assert torch.equal(first.raw, second.raw)


def test_the_same_layer_asked_twice_is_given_twice():
    net, inputs = cnn()
    first, second = explain(net, inputs[:1], 1, GRADIENT, ["features", "features"])
    assert torch.equal(first.raw, second.raw)
    assert first.raw.any()


def test_several_layers_at_once_are_what_each_is_alone():
    net, inputs = cnn()
    layers = ["features", "stem", "stem[0]", "act"]
    for layer, together in zip(layers, explain(net, inputs[:1], 1, GRADIENT, layers)):
        (alone,) = explain(net, inputs[:1], 1, GRADIENT, layer)
        torch.testing.assert_close(together.raw, alone.raw)


def test_a_shared_child_counts_at_each_of_its_places():
    relu = nn.ReLU()
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3), relu, nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert [str(parse_path(net, f"[{i}]")) for i in (0, 1, 2, 3, -2)] == ["0", "1", "2", "1", "4"]


@pytest.mark.parametrize(
    ("layer", "index"), [("encoder[0]", 0), ("encoder[1]", 1), ("encoder[-1]", 1)]
)
def test_an_index_picks_one_of_a_modules_outputs(layer, index):
    net, inputs = nets.seeded(nets.UNet()), nets.images(1, 3, 8, 8)
    with frozen(net):
        (captured,) = capture(net, (inputs,), [layer]).layers
        torch.testing.assert_close(captured.activations.detach(), net.encoder(inputs)[index])
    assert str(captured.ref) == f"encoder[{index}]"


def test_identity_layers_can_be_explained():
    net, inputs = nets.seeded(nets.Head()), nets.images(1, 4, 5, 5)
    with frozen(net):
        torch.testing.assert_close(
            capture(net, (inputs,), ["features"]).layers[0].activations.detach(), inputs
        )


# --- final sigmoid, softmax -----------------------------------------------------------------------


@pytest.mark.parametrize("final", [nn.Sigmoid(), nn.Softmax(1), nn.LogSoftmax(1)])
def test_the_logits_before_a_final_activation_are_explained(final):
    net, inputs = cnn()
    plain = explain(net, inputs, 1, KINDS, "features")
    net.final = final
    for stripped, expected in zip(explain(net, inputs, 1, KINDS, "features"), plain):
        torch.testing.assert_close(stripped.raw, expected.raw)
        assert stripped.score == pytest.approx(expected.score)
        with torch.no_grad():
            shown = net(inputs)[int(stripped.scan.id[-1]), 1]
        shown = shown.exp() if isinstance(final, nn.LogSoftmax) else shown
        assert stripped.probability == pytest.approx(float(shown))
        assert stripped.provenance["logits_from"] == type(final).__name__


@pytest.mark.parametrize(
    "squeeze", [lambda x: x.squeeze(1), lambda x: x.view(-1), lambda x: x.squeeze()]
)
def test_a_squeezed_final_sigmoid_is_seen(squeeze):
    net = nets.Wrapped(nets.seeded(nets.Cnn(labels=1, final=nn.Sigmoid())), squeeze)
    inputs = nets.images(1, 3, 8, 8)
    with torch.no_grad():
        p = float(net(inputs).reshape(-1)[0])
    (e,) = explain(net, inputs, "positive", "scorecam", "net.features")
    assert e.probability == pytest.approx(p)
    assert e.provenance["logits_from"] == "Sigmoid"


def test_sigmoid_inside_a_captured_container():
    net = nets.seeded(nets.UNet(final=nn.Sequential(nn.Identity(), nn.Sigmoid())))
    with pytest.raises(NoEvidenceError, match="does not depend on layer final"):
        explain(net, nets.images(1, 3, 8, 8), "pixel:1,1", layer="final")


def test_run_output_finds_what_capture_finds():
    net, inputs = cnn(final=nn.Sigmoid())
    with frozen(net), torch.no_grad():
        expected = capture(net, (inputs,), ["features"]).logits
        assert torch.equal(run_output(net, (inputs,))[0], expected)
        assert torch.equal(run_output(net, (inputs,), "head")[0], expected)
        assert torch.equal(run_output(net, (inputs,), "")[0], expected.sigmoid())


def test_logits_from_that_does_not_run():
    net, inputs = cnn()
    with frozen(net), pytest.raises(ModelError, match="logits_from"):
        capture(net, (inputs,), ["features"], "nowhere")


# --- containers -----------------------------------------------------------------------------------


def test_main_tensor():
    a, b = torch.ones(1), torch.zeros(2)
    assert main_tensor(a) is a
    assert main_tensor({"aux": b, "out": a}) is a
    assert main_tensor({"x": 1, "y": b}) is b
    assert main_tensor((None, b, a)) is b
    assert main_tensor(nets.Pair(a, b)) is a
    assert main_tensor(None) is None


def test_replace_tensor_rebuilds_containers():
    a, b, new = torch.ones(1), torch.zeros(2), torch.ones(3)
    original = {"x": [a, (b, None)], "y": nets.Pair(a, b)}
    replaced = replace_tensor(original, a, new)
    assert replaced["x"][0] is replaced["y"].logits is new
    assert replaced["x"][1][0] is b
    assert original["x"][0] is a


# --- two images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["shared", ["first", "shared"]])
def test_the_map_of_one_image_is_never_laid_over_the_other(layer):
    net, pair = (
        nets.seeded(nets.Siamese()),
        (nets.images(1, 3, 8, 8), nets.images(1, 3, 8, 8, seed=1)),
    )
    with pytest.raises(LayerError, match="layer shared runs 2 times and the model takes 2 images"):
        explain(net, pair, 1, layer=layer)
    assert len(explain(net, pair, 1, layer="first")) == 1


@pytest.mark.parametrize("method", KINDS)
def test_a_backbone_that_the_model_runs_without_gradients(method):
    net, inputs = nets.seeded(nets.FrozenBackbone()), nets.images(2, 3, 8, 8)
    plain = nn.Sequential(net.backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    expected = raws(plain, inputs, 1, method, "0")
    torch.testing.assert_close(raws(net, inputs, 1, method, "backbone"), expected)
    torch.testing.assert_close(raws(net, inputs, 1, method), expected)
