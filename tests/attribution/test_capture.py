"""The watched forward pass.

What is captured, what is left alone, and what is said when a layer cannot be captured.
"""

import gc
import threading
import weakref

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.capture import capture
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import LayerError, ModelError
from camlucida.models.state import frozen, unwrap
from tests.support import nets

GRADIENT = "hirescam"  # the map that shows every error of capture
KINDS = ["gradcam", "eigencam", "ablationcam", "scorecam"]
FITTING = [name for name in METHODS if name not in nets.UNFIT_FOR_CNN]


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


@pytest.mark.parametrize("method", FITTING)
def test_state_is_restored(method):
    net, inputs = messy(), nets.images(2, 3, 8, 8)
    before = state_of(net)
    explain(net, inputs, 1, method, "3")
    assert same(state_of(net), before)


PROBES = [name for name, method in METHODS.items() if method.kind == "probe"]


@pytest.mark.parametrize(
    ("method", "after"), [(name, 0) for name in FITTING] + [(name, 1) for name in PROBES]
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


class Counts(nn.Module):
    """Whose score depends on the passes that its buffers hold, in place and as new tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        means = self.features(x).mean((2, 3))
        self.passes += 1
        self.mean = 0.9 * self.mean + 0.1 * means.detach().mean(0)
        return self.head(means - self.mean) + self.passes


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "occlusion"])
def test_buffers_that_a_pass_changes_are_put_back(method: str) -> None:
    net, inputs = nets.seeded(Counts()).eval(), nets.images(2, 3, 8, 8)
    before, first_mean = state_of(net), net.mean
    explain(net, inputs, 1, method)
    assert same(state_of(net), before)
    assert net.mean is first_mean


class CountsUnnoticed(Counts):
    """The same by ways that autograd does not count."""

    def forward(self, x: Tensor) -> Tensor:
        means = self.features(x).mean((2, 3))
        self.passes.data += 1
        self.mean.numpy()[:] += 0.1
        return self.head(means - self.mean) * self.passes


@pytest.mark.parametrize("net", [Counts, CountsUnnoticed])
@pytest.mark.parametrize("method", ["gradcam", "ablationcam", "scorecam", "gradcam:aug"])
def test_a_score_of_buffers_that_a_pass_changes_is_that_of_the_next_pass(net, method):
    net, inputs = nets.seeded(net()).eval(), nets.images(1, 3, 8, 8)
    first, second = (explain(net, inputs, 1, method)[0] for _ in range(2))
    assert torch.equal(first.raw, second.raw)
    assert first.score == second.score == pytest.approx(net(inputs)[0, 1].item(), abs=1e-6)


def test_a_buffer_of_nan_is_not_written():
    net, inputs = nets.seeded(Counts()).eval(), nets.images(1, 3, 8, 8)
    net.register_buffer("operating_points", torch.full((3,), float("nan")))
    explain(net, inputs, 1)
    assert net.operating_points._version == 0


class Caches(nn.Module):
    """Which keeps a table of positions for the size that it saw last."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.size = (0, 0)
        self.register_buffer("table", torch.zeros(0, 0))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x)
        if self.size != tuple(maps.shape[2:]):
            self.size = tuple(maps.shape[2:])
            self.table = torch.arange(maps[0, 0].numel()).reshape(self.size) / 10
        return self.head((maps + self.table).mean((2, 3)))


def test_a_cache_is_not_parted_from_the_size_that_it_is_for() -> None:
    net = nets.seeded(Caches()).eval()
    explain(net, nets.images(1, 3, 8, 8), 1)
    assert net(nets.images(1, 3, 8, 8)).shape == (1, 3)
    assert net.table.shape == net.size == (6, 6)


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
    explain(net, inputs, 1, "gradcam", "features")  # surveyed once
    net.stem.register_forward_hook(lambda m, a, out: seen.append(out.requires_grad))
    explain(net, inputs, 1, "gradcam", "features")
    assert seen == [False]


# --- one forward ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer", ["features", "auto", ["stem", "features", "act"], ["auto", "stem"], ["act", "auto"]]
)
def test_many_targets_methods_and_layers_cost_one_forward(layer):
    net, inputs = cnn()
    seen = {e.layer for e in explain(net, inputs, 0, layer=layer)}
    # A model of unknown family is surveyed, strips and spots altered, and an image compared with
    # that image in a batch, once an input size.
    assert net.calls == 2 + 10 * len(seen) + 2
    net.calls = 0
    at_once = ("gradient", "activation")
    of_labels = ("cam", "finercam")
    gradient = [
        name for name, method in METHODS.items() if method.kind in at_once and name not in of_labels
    ]
    found = explain(net, inputs, [0, 1, "top2", "diff:0|3"], gradient, layer)
    assert net.calls == 1
    assert len(found) == 2 * 5 * len(gradient) * (len(layer) if isinstance(layer, list) else 1)


def test_a_layer_of_one_cell_is_refused_and_auto_takes_one_with_more():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 4), nn.Flatten(), nn.Linear(2, 3)
    )
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    (found,) = explain(nets.seeded(net), x, target=0)
    assert found.grid == (4, 4)
    with pytest.raises(LayerError, match="layer '2' has one cell alone") as refused:
        explain(net, x, target=0, layer="2")
    assert "last first: 1, 0" in refused.value.fix


def test_a_model_of_one_cell_alone_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 8), nn.ReLU(), nn.Flatten(), nn.Linear(2, 3))
    with pytest.raises(LayerError, match="more than one cell on images of this size"):
        explain(nets.seeded(net), torch.rand(1, 1, 8, 8), target=0)


def test_where_the_usual_layer_of_a_family_has_one_cell_it_is_said():
    resnet = pytest.importorskip("torchvision").models.resnet18(weights=None)
    (found,) = explain(resnet.eval(), torch.rand(1, 3, 32, 32), target=0)
    assert (found.layer, found.grid) == ("layer3", (2, 2))
    assert [note.code for note in found.scan.warnings] == ["layer.one_cell"]


class ScalesInPlace(nn.Module):
    """The scaling of the input is part of ``forward``, and writes into it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.5).div_(0.25)
        return self.head(self.features(x).mean((2, 3)))


@pytest.mark.parametrize("method", FITTING)
def test_an_input_that_a_model_changes_stays(method: str) -> None:
    net, inputs = nets.seeded(ScalesInPlace()), nets.images(2, 3, 8, 8)
    before = inputs.clone()
    together = explain(net, inputs, 1, method, "features")
    assert torch.equal(inputs, before)
    scores = net(inputs.clone())[:, 1].tolist()
    assert [each.score for each in together] == pytest.approx(scores, abs=1e-6)
    (alone,) = explain(net, inputs[1:], 1, method, "features")
    torch.testing.assert_close(together[1].raw, alone.raw, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["backward_hook", "full_backward_hook", "full_backward_pre_hook"])
@pytest.mark.parametrize("method", ["gradcam", "scorecam", "integrated_gradients", "fullgrad"])
def test_backward_hooks_of_modules_neither_run_nor_warn_nor_change_a_map(kind, method):
    net, x = nets.seeded(nets.Cnn()), nets.images(2, 3, 16, 16)
    expected = explain(net, x, 1, method, "features")
    calls = []

    def doubled(module, *gradients):
        calls.append(module)
        return tuple(2 * gradient for gradient in gradients[0])

    handles = [getattr(module, f"register_{kind}")(doubled) for module in net.modules()]
    for e, before in zip(explain(net, x, 1, method, "features"), expected):
        assert torch.equal(e.raw, before.raw)
    assert not calls
    hooked = sum(len(module._backward_hooks) for module in net.modules())
    assert hooked + sum(len(module._backward_pre_hooks) for module in net.modules()) == len(handles)
    for handle in handles:
        handle.remove()
    assert not any(m._backward_hooks or m._backward_pre_hooks for m in net.modules())
