"""The hooks of a capture: which layer is taken, what is explained of it, what is refused."""

import copy

import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.attribution.capture import capture, run_output
from camlucida.core.errors import LayerError, ModelError, NoEvidenceError
from camlucida.core.messages import Message
from camlucida.core.output_spec import OutputSpec
from camlucida.models.layer_list import list_layers
from camlucida.models.layers import parse_path
from camlucida.models.state import frozen, main_tensor, replace_tensor
from tests.support import nets

GRADIENT = "hirescam"  # the map that shows every error of capture
KINDS = ["gradcam", "eigencam", "ablationcam", "scorecam"]


def cnn(**options) -> tuple[nn.Module, torch.Tensor]:
    return nets.seeded(nets.Cnn(**options)), nets.images(2, 3, 12, 10)


def raws(*args, **kwargs) -> torch.Tensor:
    return torch.stack([e.raw for e in explain(*args, **kwargs)])


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
        assert torch.equal(run_output(net, (inputs,)).logits, expected)
        assert torch.equal(
            run_output(net, (inputs,), OutputSpec(logits_from="head")).logits, expected
        )
        assert torch.equal(
            run_output(net, (inputs,), OutputSpec(logits_from="")).logits, expected.sigmoid()
        )


def test_logits_from_that_does_not_run():
    net, inputs = cnn()
    with frozen(net), pytest.raises(ModelError, match="logits_from"):
        capture(net, (inputs,), ["features"], OutputSpec(logits_from="nowhere"))


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


@pytest.mark.parametrize("method", KINDS)
def test_a_backbone_that_the_model_runs_without_gradients(method):
    net, inputs = nets.seeded(nets.FrozenBackbone()), nets.images(2, 3, 8, 8)
    plain = nn.Sequential(net.backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    expected = raws(plain, inputs, 1, method, "0")
    torch.testing.assert_close(raws(net, inputs, 1, method, "backbone"), expected)
    torch.testing.assert_close(raws(net, inputs, 1, method), expected)


class Keeps(nn.Module):
    """Returns its activations, and keeps them in an attribute."""

    def __init__(self, tokens: bool) -> None:
        super().__init__()
        self.conv, self.tokens = nn.Conv2d(3, 4, 4, 4), tokens

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x).sigmoid()
        self.kept = made.flatten(2).mT.contiguous() if self.tokens else made
        return self.kept


class Past(nn.Module):
    """Scores of a layer's output, and of the same output kept in an attribute or by a hook."""

    def __init__(self, by: str, tokens: bool, share: float) -> None:
        super().__init__()
        self.layer, self.by, self.share = Keeps(tokens), by, share
        self.after, self.head, self.other = nn.Identity(), nn.Linear(4, 2), nn.Linear(4, 2)
        if by == "hook":
            self.layer.register_forward_hook(self._note)

    def _note(self, module, args, output) -> None:
        self.noted = output

    def _cells(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.layer.tokens else x.flatten(2).mT

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        through = self._cells(self.after(self.layer(x)))
        past = self._cells(self.noted if self.by == "hook" else self.layer.kept)
        return self.share * self.head(through.tanh().mean(1)) + self.other(past.square().mean(1))


@pytest.mark.parametrize("tokens", [False, True], ids=["map", "tokens"])
@pytest.mark.parametrize("by", ["attribute", "hook"])
@pytest.mark.parametrize("share", [0, 1], ids=["past it alone", "both ways"])
def test_an_output_that_the_model_keeps_counts(by: str, tokens: bool, share: float) -> None:
    """In closed form, in every call: the gradient of both ways, and each channel's fall."""
    net, images = nets.seeded(Past(by, tokens, share)).double().eval(), nets.images(1, 3, 8, 12)
    images = images.double()
    cells = net._cells(net.layer(images))[0].detach()

    def score(cells: torch.Tensor) -> torch.Tensor:
        through, past = net.head(cells.tanh().mean(-2)), net.other(cells.square().mean(-2))
        return (share * through + past)[..., 1]

    leaf = cells.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(leaf), leaf)
    without = torch.stack([score(cells * (torch.arange(4) != k)) for k in range(4)])
    falls = (score(cells) - without) / score(cells).abs()
    expected = [(cells * gradient).sum(1), cells @ falls]
    for _ in range(2):
        found = explain(net, images, 1, ["hirescam", "ablationcam"], "layer")
        for explanation, raw in zip(found, expected):
            torch.testing.assert_close(explanation.raw.double().flatten(), raw.detach())


class KeepsView(nn.Module):
    """What it keeps and what it returns are views of the same numbers, or one of the other."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.conv, self.kind = nn.Conv2d(3, 4, 4, 4), kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x).sigmoid()
        self.kept = made if self.kind == "returns a view" else made[:, :]
        if self.kind == "keeps pieces":
            self.kept = made.chunk(2, dim=1)
        if self.kind == "keeps a view without gradient":
            with torch.no_grad():
                self.kept = made[:, :]
        return made.mT.mT if self.kind.startswith("returns") else made


class PastView(nn.Module):
    """Scores of a layer's output, and of what it keeps."""

    def __init__(self, kind: str, used: bool = True) -> None:
        super().__init__()
        self.layer, self.head, self.used = KeepsView(kind), nn.Linear(4, 2), used

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        through = self.head(self.layer(x).tanh().mean((2, 3)))
        if not self.used:
            return through
        kept = self.layer.kept
        past = torch.cat(kept, dim=1) if isinstance(kept, tuple) else kept
        return through + self.head(past.square().mean((2, 3)))


VIEWS = ["returns a view", "returns and keeps a view", "keeps a view"]


@pytest.mark.parametrize("kind", [*VIEWS, "keeps a view without gradient"])
def test_what_a_layer_keeps_and_returns_as_views_counts(kind: str) -> None:
    net, images = nets.seeded(PastView(kind)).double().eval(), nets.images(1, 3, 8, 12).double()
    cells = net.layer(images).detach()
    leaf = cells.clone().requires_grad_()
    past = 0 if kind == "keeps a view without gradient" else leaf.square()
    (gradient,) = torch.autograd.grad(net.head((leaf.tanh() + past).mean((2, 3)))[0, 1], leaf)
    for _ in range(2):
        (found,) = explain(net, images, 1, "hirescam", "layer")
        torch.testing.assert_close(found.raw.double(), (cells * gradient).sum(1)[0])
        assert not net.layer.kept.requires_grad


def test_pieces_that_a_layer_keeps_are_refused_where_they_are_used() -> None:
    images = nets.images(1, 3, 8, 12)
    with pytest.raises(LayerError, match=r"keeps pieces .* layer returns"):
        explain(nets.seeded(PastView("keeps pieces")).eval(), images, 1, "hirescam", "layer")
    net = nets.seeded(PastView("keeps pieces", used=False)).eval()
    explain(net, images, 1, "hirescam", "layer")
    assert not any(piece.requires_grad for piece in net.layer.kept)


def test_an_output_that_is_a_view_of_the_input_does_not_join() -> None:
    """By whichever way the layer is called: what goes past it is not the layer's."""

    class Rows(nn.Module):
        def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
            return maps[-1][:, :]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.layer, self.head = nn.Conv2d(3, 4, 4, 4), Rows(), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = self.conv(x)
            through = self.layer(maps=[made]) if x.shape[2] == 8 else self.layer([made])
            return self.head((through.tanh() + made.square()).mean((2, 3)))

    net = nets.seeded(Net()).double().eval()
    for rows in (8, 12):
        images = nets.images(1, 3, rows, 12).double()
        cells = net.conv(images).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net.head(cells.tanh().mean((2, 3)))[0, 1], cells)
        (found,) = explain(net, images, 1, "hirescam", "layer")
        torch.testing.assert_close(found.raw.double(), (cells * gradient).sum(1)[0].detach())


@pytest.mark.parametrize("by", ["attribute", "hook"])
def test_what_the_model_keeps_holds_no_graph_afterwards(by: str) -> None:
    """A model with a tensor of a graph cannot be copied."""
    net, images = nets.seeded(Past(by, tokens=False, share=1)).eval(), nets.images(1, 3, 8, 12)
    for _ in range(2):
        (found,) = explain(net, images, 1, "hirescam", "layer")
        assert not (net.noted if by == "hook" else net.layer.kept).requires_grad
        torch.testing.assert_close(
            found.raw, explain(copy.deepcopy(net), images, 1, "hirescam", "layer")[0].raw
        )


class KeepsLater(nn.Module):
    """Keeps what it makes of the layer: in a list, a dictionary and a hook of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act, self.head = nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Linear(4, 2)
        self.notes: dict[str, object] = {"pairs": []}
        self.act.register_forward_hook(lambda module, args, output: setattr(self, "seen", output))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = self.act(self.layer(x)).mean((2, 3))
        self.notes["pairs"] = [(pooled, self.head(pooled))]
        return self.head(pooled)


def test_what_the_model_keeps_of_later_layers_holds_no_graph_either() -> None:
    net, images = nets.seeded(KeepsLater()).eval(), nets.images(1, 3, 8, 12)
    net.of_training = before = net.head(torch.ones(1, 4, requires_grad=True))
    for _ in range(2):  # the first also looks at altered images
        explain(net, images, 1, "hirescam", "layer")
    kept = [net.seen, *net.notes["pairs"][0]]
    assert not any(tensor.requires_grad for tensor in kept)
    with torch.no_grad():
        net(images)
    now = [net.seen, *net.notes["pairs"][0]]
    torch.testing.assert_close(kept, now, rtol=0, atol=0)
    assert net.of_training is before
    assert before.requires_grad


class Again(nn.Module):
    """An encoder that runs on an image, and again: beside the first time, or on what that made."""

    def __init__(self, beside: bool) -> None:
        super().__init__()
        self.beside, self.stem = beside, nn.Conv2d(3, 4, 3, 2, 1)
        self.layer, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.layer(self.stem(x))
        if not self.beside:
            return self.head(self.layer(first.tanh()).mean((2, 3)))
        return self.head(first.mean((2, 3)) + self.layer(self.stem(x / 2)).mean((2, 3)))


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("method", ["hirescam", "ablationcam"])
def test_calls_that_reach_the_score_beside_the_last_are_said(beside: bool, method: str) -> None:
    net, images = nets.seeded(Again(beside)).eval(), nets.images(1, 3, 8, 12)
    (found,) = explain(net, images, 1, method, "layer")
    said = Message("layer.calls", {"layer": "layer", "calls": 2})
    assert (said in found.scan.warnings) is beside
