"""Where cells lie in the outputs of unknown models, and on which layers the score depends."""

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.capture import capture
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import LayerError, UsageError
from camlucida.core.messages import Message
from camlucida.models.firings import Survey
from camlucida.models.grids import GridTracer, TokenGrid
from camlucida.models.layer_list import list_layers
from camlucida.models.state import frozen, items_of
from camlucida.models.survey import survey
from tests.support import nets
from tests.support import transformers as vits

GRADIENT = "hirescam"


def surveyed(net: nn.Module, inputs: Tensor) -> Survey:
    with frozen(net):
        return survey(net, (inputs,))


def grids(net: nn.Module, inputs: Tensor, **options) -> dict[str, tuple[int, ...]]:
    return {info.path: info.grid for info in list_layers(net, inputs, **options)}


def by_hand(net: nn.Module, x: Tensor, layer: str, label: int = 1) -> Tensor:
    """(B, N, K) of gradient × activation of a layer that returns tokens first."""
    kept = []
    handle = net.get_submodule(layer).register_forward_hook(lambda m, a, out: kept.append(out))
    output = net(x)
    handle.remove()
    logits = output if isinstance(output, Tensor) else output.logits
    tokens = next(item for item in items_of(kept[0]) if isinstance(item, Tensor))
    (gradient,) = torch.autograd.grad(logits[:, label].sum(), tokens)
    return (tokens * gradient).detach()


# --- tokens ---------------------------------------------------------------------------------------

VITS = {
    "class token": ({}, "encoder.layer.1.norm1"),
    "registers": ({"prefix": 5}, "encoder.layer.1.norm1"),
    "no prefix, mean": ({"prefix": 0, "pool": "mean"}, "norm"),
    "tokens behind the cells": ({"prefix": 1, "suffix": 3}, "encoder.layer.1.norm1"),
    "mean of the cells": ({"prefix": 2, "pool": "mean"}, "norm"),
    "patches by a linear layer": ({"linear": True}, "encoder.layer.1.norm1"),
    "blocks that return attention": ({"with_attention": True}, "encoder.layer.1.norm1"),
    "square": ({"size": (32, 32)}, "encoder.layer.1.norm1"),
    "as many channels as tokens": ({"size": (32, 32), "width": 16}, "encoder.layer.1.norm1"),
}


@pytest.mark.parametrize("name", VITS)
def test_auto_is_the_last_token_layer_whose_gradient_reaches_the_cells(name):
    options, layer = VITS[name]
    net = nets.seeded(vits.Vit(**options)).eval()
    size = options.get("size", (32, 48))
    x = nets.images(2, 3, *size)
    (e, other) = explain(net, x, 1, GRADIENT)
    assert (e.layer, e.grid) == (layer, net.grid)
    assert not e.is_empty
    product = by_hand(net, x, layer)
    cells = product[:, net.prefix : net.prefix + e.raw.numel()].sum(-1)
    torch.testing.assert_close(e.raw, cells[0].reshape(net.grid))
    torch.testing.assert_close(other.raw, cells[1].reshape(net.grid))


@pytest.mark.parametrize("layer", ["encoder.layer.0", "encoder.layer[0].norm2", "encoder"])
def test_a_token_layer_that_is_named_is_explained(layer):
    net, x = (
        nets.seeded(vits.Vit(pool="mean", with_attention=True)).eval(),
        nets.images(1, 3, 32, 48),
    )
    (e,) = explain(net, x, 1, GRADIENT, layer)
    path, _, index = e.layer.partition("[")
    assert index in ("", "0]")  # a block that also returns its attention has the tokens first
    product = by_hand(net, x, path)
    torch.testing.assert_close(e.raw, product[0, 1:].sum(-1).reshape(4, 6))


def test_attention_and_tables_of_positions_are_no_grids():
    net, x = nets.seeded(vits.Vit(size=(32, 32))).eval(), nets.images(1, 3, 32, 32)
    found = grids(net, x)
    assert found["encoder.layer.0.attention.softmax"] == ()
    assert found["encoder.layer.0.attention.dropout"] == ()
    assert found["encoder.layer.0"] == (4, 4)
    survey_of = {str(firing.ref): firing for firing in surveyed(net, x).firings}
    assert not survey_of["positions"].depends
    assert survey_of["encoder.layer.0"].depends
    with pytest.raises(LayerError, match="has no spatial grid"):
        explain(net, x, 1, layer="encoder.layer.0.attention.softmax")


def test_the_class_token_alone_does_not_put_a_layer_on_the_path():
    net, x = nets.seeded(vits.Vit()).eval(), nets.images(1, 3, 32, 48)
    firings = {str(firing.ref): firing for firing in surveyed(net, x).firings}
    assert firings["encoder.layer.1.norm1"].connected
    assert firings["encoder.layer.1"].connected is False  # its class token goes on, no cell


def test_tokens_before_the_batch():
    net, x = nets.seeded(vits.SequenceFirst()).eval(), nets.images(2, 3, 32, 48)
    (e, _) = explain(net, x, 1, GRADIENT)
    assert (e.layer, e.grid) == ("ln_1", (4, 6))
    product = by_hand(net, x, "ln_1")
    torch.testing.assert_close(e.raw, product[1:, 0].sum(-1).reshape(4, 6))
    assert explain(net, x, 1, "scorecam")[0].grid == (4, 6)


def test_steps_of_a_recurrent_layer_are_no_layer_of_auto():
    class Reading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 8, 8)
            self.steps, self.head = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            steps, _ = self.steps(self.conv(x).tanh().flatten(2).transpose(1, 2))
            return self.head(steps[:, -1])

    (e,) = explain(nets.seeded(Reading()).eval(), nets.images(1, 3, 32, 48), 1, GRADIENT)
    assert e.layer == "conv"
    assert (e.raw != 0).all()  # of the LSTM, the last step alone has a gradient


class Gated(nn.Module):
    """Features scaled by a gate on a coarser grid."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.gate = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(6, 6, 3, padding=1), nn.Sigmoid())
        self.gated = nn.Conv2d(6, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        features = self.features(x)
        gate = nn.functional.interpolate(self.gate(features), scale_factor=2)
        return self.head(self.gated(features * gate).mean((2, 3)))


class Enlarged(Gated):
    """All of the image passes the coarser grid, which is enlarged."""

    def forward(self, x):
        coarse = nn.functional.interpolate(self.gate(self.features(x)), scale_factor=2)
        return self.head(self.gated(coarse).mean((2, 3)))


class Parallel(Gated):
    """Two grids side by side: the image passes neither alone."""

    def forward(self, x):
        features = self.features(x)
        return self.head(self.gate(features).mean((2, 3)) + features.amax((2, 3)))


@pytest.mark.parametrize(
    ("network", "layer"), [(Gated, "gated"), (Enlarged, "gate"), (Parallel, "gate")]
)
def test_a_gate_beside_the_trunk_is_no_layer_of_auto(network, layer):
    (e,) = explain(nets.seeded(network()).eval(), nets.images(1, 3, 16, 16), 1)
    assert e.layer == layer


def test_merged_tokens_are_a_coarser_grid():
    net, x = nets.seeded(vits.Windowed()).eval(), nets.images(1, 3, 32, 48)
    found = grids(net, x)
    assert found["block"] == (8, 12)
    assert found["merge"] == found["norm"] == (4, 6)
    (e,) = explain(net, x, 1, GRADIENT)
    assert (e.layer, e.grid) == ("norm", (4, 6))


class MergedOnSomeAxes(nn.Module):
    """Patches of a video, of which rows and columns are merged two by two, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv3d(3, 6, (2, 4, 4), (2, 4, 4))
        self.first, self.second = nn.Linear(24, 6), nn.Linear(24, 6)
        self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 2)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 4, 1)
        for merge in (self.first, self.second):
            corners = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
            x = merge(torch.cat(corners, -1)).relu()
        return self.head(self.norm(x).mean((1, 2, 3)))


def test_merging_on_some_axes_leaves_a_grid():
    """In closed form: cells are the head's weights times the normalised activations."""
    net, x = nets.seeded(MergedOnSomeAxes()).eval(), nets.images(1, 3, 8, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT)
    assert (e.layer, e.grid) == ("norm", (4, 2, 3))
    kept = []
    net.norm.register_forward_hook(lambda module, args, output: kept.append(output))
    net(x)
    activations = kept[0][0].detach()
    torch.testing.assert_close(e.raw, (activations @ net.head.weight[1]).detach() / 24)


def test_windows_are_refused_with_the_block_around_them():
    net, x = nets.seeded(vits.Windowed()).eval(), nets.images(1, 3, 32, 48)
    with pytest.raises(LayerError, match=r"works on windows of the image.*around it, block"):
        explain(net, x, 1, layer="block.attention.proj")


def test_tokens_light_up_where_the_image_does():
    net = nets.seeded(vits.Vit(prefix=3)).eval()
    dark, lit = torch.zeros(1, 3, 32, 48), torch.zeros(1, 3, 32, 48)
    lit[:, :, 8:16, 32:40] = 3.0
    with frozen(net):
        forwards = [capture(net, (x,), ["encoder.layer.0.norm1"]) for x in (dark, lit)]
    cells = [forward.layers[0].activations.detach()[0] for forward in forwards]
    change = (cells[1] - cells[0]).abs().sum(0)
    assert change.nonzero().tolist() == [[1, 4]]


# Of ReLU networks alone, and of networks without norms of layers.
OF_OTHERS = ("guided_gradcam", "lrp", "relevancecam")
OF_A_LAYER = [name for name, each in METHODS.items() if each.at_layer and name not in OF_OTHERS]


@pytest.mark.parametrize("method", OF_A_LAYER)
def test_every_method_of_a_layer_runs_on_tokens(method):
    net, x = nets.seeded(vits.Vit(pool="mean")).eval(), nets.images(1, 3, 32, 48)
    assert explain(net, x, 1, method)[0].grid == (4, 6)


class Ordered(nn.Module):
    """Tokens in an order of one's own, two blocks of PyTorch, and the mean."""

    def __init__(self, order, prefix: int = 0, behind: int = 0) -> None:
        super().__init__()
        self.patches, self.order = nn.Conv2d(3, 16, 8, 8), order
        self.others = nn.Parameter(torch.randn(1, prefix + behind, 16))
        self.prefix = prefix
        # The norm comes after the attention: no layer shows tokens before they are mixed.
        blocks = (nn.TransformerEncoderLayer(16, 2, 24, batch_first=True) for _ in range(2))
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.order(self.patches(x))
        first, last = self.others.expand(len(x), -1, -1).tensor_split([self.prefix], 1)
        tokens = self.blocks(torch.cat([first, cells, last], 1))
        return self.head(tokens[:, 0] if self.prefix else tokens.mean(1))


def by_rows(cells: Tensor) -> Tensor:
    return cells.flatten(2).mT


@pytest.mark.parametrize(("prefix", "behind"), [(6, 0), (1, 4), (0, 1)])
def test_tokens_that_are_mixed_at_once_keep_their_prefix(prefix, behind):
    net, x = nets.seeded(Ordered(by_rows, prefix, behind)).eval(), nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[0, prefix : prefix + 24].sum(-1)
    torch.testing.assert_close(e.raw, product.reshape(4, 6))


@pytest.mark.parametrize(("start", "count"), [(12, 1), (9, 3)])
def test_tokens_in_the_middle_are_no_cells(start: int, count: int) -> None:
    """Vision Mamba has its class token there."""
    token = nets.images(1, count, 16)

    def around(cells: Tensor) -> Tensor:
        rows = by_rows(cells)
        middle = token.expand(len(rows), -1, -1)
        return torch.cat([rows[:, :start], middle, rows[:, start:]], 1)

    net, x = nets.seeded(Ordered(around)).eval(), nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, "blocks.0")
    product = by_hand(net, x, "blocks.0")[0].sum(-1)
    cells = torch.cat([product[:start], product[start + count :]])
    torch.testing.assert_close(e.raw, cells.reshape(4, 6))
    (ablated,) = explain(net, x, 1, "ablationcam", "blocks.0")
    assert ablated.grid == (4, 6)


@pytest.mark.parametrize("size", [(32, 48), (40, 40)])
def test_tokens_column_by_column_are_seen(size):
    net = nets.seeded(Ordered(lambda cells: by_rows(cells.mT))).eval()
    x = nets.images(1, 3, *size)
    rows, columns = size[0] // 8, size[1] // 8
    (e,) = explain(net, x, 1, GRADIENT)
    product = by_hand(net, x, "blocks")[0].sum(-1)
    torch.testing.assert_close(e.raw, product.reshape(columns, rows).T)
    assert explain(net, x, 1, "ablationcam")[0].grid == (rows, columns)


def test_tokens_in_groups_are_no_grid():
    def grouped(cells: Tensor) -> Tensor:
        groups = cells.unflatten(3, (2, -1)).unflatten(2, (2, -1))  # (B, K, 2, h, 2, w)
        return groups.permute(0, 2, 4, 3, 5, 1).flatten(1, 4)

    net, x = nets.seeded(Ordered(grouped)).eval(), nets.images(1, 3, 64, 64)
    with pytest.raises(LayerError, match="lie neither in rows nor in columns"):
        explain(net, x, 1, layer="blocks.1")
    (e,) = explain(net, x, 1)
    assert e.layer == "patches"
    assert [warning.code for warning in e.scan.warnings] == ["layer.stem"]


def test_as_many_channels_as_rows_and_columns_are_told_apart():
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.keep, self.head = nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.keep(self.conv(x).movedim(1, -1)).mean((1, 2)))

    net, x = nets.seeded(Last()).eval(), nets.images(1, 3, 32, 32)
    (e,) = explain(net, x, 1, GRADIENT, "keep")
    torch.testing.assert_close(e.raw, by_hand(net, x, "keep")[0].sum(-1))


# --- a grid that the user states ------------------------------------------------------------------


def test_a_grid_that_cannot_be_traced_is_stated():
    net, x = nets.seeded(vits.Hidden()).eval(), nets.images(1, 3, 32, 44)
    with pytest.raises(LayerError, match=r"no spatial grid.*state grid="):
        explain(net, x, 1, layer="blocks")
    (e,) = explain(net, x, 1, GRADIENT, grid=(5, 7))
    assert (e.layer, e.grid) == ("blocks", (5, 7))
    product = by_hand(net, x, "blocks")
    torch.testing.assert_close(e.raw, product[0].sum(-1).reshape(5, 7))


def test_a_fallback_to_the_first_projection_is_said():
    net, x = nets.seeded(vits.Hidden()).eval(), nets.images(1, 3, 32, 44)
    (e,) = explain(net, x, 1)
    assert e.layer == "stem"
    (warning,) = e.scan.warnings
    assert (warning.code, warning.values["layer"]) == ("layer.stem", "stem")
    (stated,) = explain(net, x, 1, grid=(5, 7))
    assert stated.scan.warnings == ()


def test_a_stated_prefix():
    net = nets.seeded(vits.Vit(prefix=1, suffix=2)).eval()
    x = nets.images(1, 3, 32, 48)
    (e,) = explain(net, x, 1, GRADIENT, "encoder.layer.1.norm1", grid=(4, 6), prefix=1)
    (traced,) = explain(net, x, 1, GRADIENT, "encoder.layer.1.norm1")
    assert torch.equal(e.raw, traced.raw)


@pytest.mark.parametrize(("grid", "prefix"), [((0, 4), None), ((4, -1), 0), (None, -1)])
def test_an_impossible_statement_is_refused(grid, prefix):
    net, x = nets.seeded(vits.Vit()).eval(), nets.images(1, 3, 32, 48)
    with pytest.raises(UsageError):
        explain(net, x, 1, grid=grid, prefix=prefix)


def test_what_is_stated_fits_only_such_tokens():
    assert TokenGrid((4, 6)).prefix_of(25) == 1
    assert TokenGrid((4, 6), prefix=1).prefix_of(28) == 1  # three more behind the cells
    assert TokenGrid((4, 6)).prefix_of(24 * 4) is None  # an earlier, finer stage
    assert TokenGrid((), prefix=1).prefix_of(25) is None


# --- the path of the score ------------------------------------------------------------------------


class SideBranch(nn.Module):
    """What fires last, at the coarsest grid, is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.side = nn.Conv2d(3, 6, 3, 2), nn.Conv2d(6, 6, 3, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv(x).relu()
        self.side(features)
        return self.head(features.mean((2, 3)))


class Both(nn.Module):
    """An encoder whose output holds a map beside what the score is made from."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.encoder, self.head = Pair(named), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(items_of(self.encoder(x))[1])


class Pair(nn.Module):
    def __init__(self, named: bool) -> None:
        super().__init__()
        self.conv, self.named = nn.Conv2d(3, 6, 3, 2), named

    def forward(self, x: Tensor) -> dict[str, Tensor] | tuple[Tensor, Tensor]:
        features = self.conv(x).relu()
        pair = (features * 1, features.mean((2, 3)))
        return dict(zip(("map", "pooled"), pair)) if self.named else pair


OFF_THE_PATH = {
    "side branch": (SideBranch(), "conv"),
    "dict": (Both(True), "encoder.conv"),
    "tuple": (Both(False), "encoder.conv"),
}


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "ablationcam", "scorecam"])
@pytest.mark.parametrize("name", OFF_THE_PATH)
def test_auto_takes_a_layer_that_the_score_depends_on(name, method):
    net, layer = OFF_THE_PATH[name]
    e = explain(nets.seeded(net), nets.images(1, 3, 33, 33), 1, method)[0]
    assert e.layer.startswith(layer)
    assert bool(e.raw.any())


def test_a_family_whose_layer_is_not_used():
    """Named like a ResNet, but the score comes from its third stage."""

    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for i in range(1, 5):
                self.add_module(f"layer{i}", nn.Conv2d(3, 3, 3, 2, 1))
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            third = self.layer3(self.layer2(self.layer1(x)))
            self.layer4(third)
            return self.head(third.mean((2, 3)))

    net, x = nets.seeded(Cut()), nets.images(1, 3, 64, 64)
    for method in ("gradcam", "eigencam", "scorecam"):
        assert explain(net, x, 1, method)[0].layer == "layer3"
    assert [info.path for info in list_layers(net, x) if info.auto] == ["layer3"]


@pytest.mark.parametrize("method", ["eigencam", "ablationcam", "scorecam"])
def test_a_named_layer_off_the_path_has_an_honest_reason(method):
    net, x = nets.seeded(SideBranch()), nets.images(1, 3, 33, 33)
    (e,) = explain(net, x, 1, method, "side")
    assert e.empty_reason == Message("empty.independent")
    assert not bool(e.raw.any())
    token_net, image = nets.seeded(vits.Vit()).eval(), nets.images(1, 3, 32, 48)
    (e,) = explain(token_net, image, 1, method, "encoder.layer.1")
    assert e.empty_reason == Message("empty.independent")


@pytest.mark.parametrize("final", [nn.Softmax(1), nn.Sigmoid()])
def test_a_saturated_output_hides_no_layer(final):
    net = nets.seeded(nets.Cnn(final=final))
    with torch.no_grad():
        net.head.weight.mul_(1e4)
    assert surveyed(net, nets.images(1, 3, 12, 10)).auto.ref.path == "act"


# --- one at a time --------------------------------------------------------------------------------


def test_a_constant_image_is_surveyed_as_any_other():
    net = nets.seeded(vits.Vit()).eval()
    assert explain(net, torch.zeros(1, 3, 32, 48), 1)[0].layer == "encoder.layer.1.norm1"


def test_a_model_for_one_image_alone():
    class Single(nets.Cnn):
        def forward(self, x: Tensor) -> Tensor:
            assert len(x) == 1
            return super().forward(x)

    assert explain(nets.seeded(Single()), nets.images(1, 3, 12, 10), 1)[0].layer == "act"


def test_a_survey_leaves_the_random_state_alone():
    net, x = nets.seeded(nets.Cnn()), nets.images(1, 3, 12, 10)
    state = torch.get_rng_state()
    explain(net, x, 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_queries_of_a_decoder_are_no_cells():
    """As many as the merged grid would have: they hold what was asked, not where."""
    tracer = GridTracer((32, 48), 3, 2)
    conv, norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
    assert tracer(conv, (), torch.rand(2, 8, 8, 12)) is not None
    queries = torch.rand(1, 24, 8).expand(2, -1, -1)
    assert tracer(norm, (queries,), queries) is None
    decoded = torch.rand(2, 24, 8)
    assert tracer(norm, (decoded,), decoded) is None


class Decoding(nn.Module):
    """Learned queries, which attend to the image's 4 × 6 cells, are pooled."""

    def __init__(self, queries, by_name):
        super().__init__()
        self.by_name = by_name
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
        self.queries = nn.Parameter(torch.randn(1, queries, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.decoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        cells = self.encoder(self.patches(x).flatten(2).transpose(1, 2))
        queries = self.queries.expand(len(x), -1, -1)
        if self.by_name:
            attended, _ = self.attention(query=queries, key=cells, value=cells)
        else:
            attended, _ = self.attention(queries, cells, cells)
        return self.head(self.decoder(queries + attended).mean(1))


@pytest.mark.parametrize("queries", [10, 24])
@pytest.mark.parametrize("by_name", [True, False])
def test_queries_as_many_as_cells_are_no_cells(queries, by_name):
    net = nets.seeded(Decoding(queries, by_name)).eval()
    (e,) = explain(net, nets.images(1, 3, 32, 48), 1)
    assert (e.layer, e.grid) == ("encoder", (4, 6))


class Counted(torch.autograd.Function):
    """Hands its input on, and counts passes forwards and backwards."""

    @staticmethod
    def forward(ctx, x, counts):
        ctx.counts = counts
        counts["forward"] += 1
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.counts["backward"] += 1
        return gradient, None


class Deep(nn.Module):
    """Ten convolutions; each counts its passes."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(1, 1, 3, padding=1) for _ in range(10)])
        self.head = nn.Linear(1, 2)
        self.counts = [{"forward": 0, "backward": 0} for _ in self.convs]

    def forward(self, x):
        for conv, counts in zip(self.convs, self.counts):
            x = conv(Counted.apply(x, counts))
        return self.head(x.mean((2, 3)))


def test_a_survey_takes_gradients_from_the_layer_of_auto_on():
    net = Deep()
    lazy = surveyed(net, torch.rand(1, 1, 8, 8))
    assert str(lazy.auto.ref) == "convs.9"
    assert [counts["forward"] for counts in net.counts] == [1] * 10
    assert [counts["backward"] for counts in net.counts] == [0] * 10
    assert len(lazy.untested) == 9
    assert all(firing.connected for firing in lazy.firings if firing.cells)
    with frozen(net):
        whole = survey(net, (torch.rand(1, 1, 8, 8),), whole=True)
    assert whole.auto.ref == lazy.auto.ref
    assert not whole.untested
    assert [counts["backward"] for counts in net.counts] == [0] + [1] * 9


class Unused(Deep):
    """The last eight convolutions are on the graph of the score, which does not depend on them."""

    def forward(self, x):
        for conv, counts in zip(self.convs[:2], self.counts):
            x = conv(Counted.apply(x, counts))
        y = x
        for conv, counts in zip(self.convs[2:], self.counts[2:]):
            y = conv(Counted.apply(y, counts))
        return self.head((x + 0 * y).mean((2, 3)))


def test_layers_without_a_gradient_are_passed_over_in_few_backward_passes():
    net = Unused()
    lazy = surveyed(net, torch.rand(1, 1, 8, 8))
    assert str(lazy.auto.ref) == "convs.1"
    assert max(counts["backward"] for counts in net.counts) <= 4
    off = [firing.ref.path for firing in lazy.firings if firing.cells and not firing.connected]
    assert off == [f"convs.{i}" for i in range(2, 10)]


class Chosen(nn.Module):
    """Tokens, some of which go on in the order of a score of theirs."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.patches, self.count = nn.Conv2d(1, 16, 8, 8), count
        self.before, self.after = nn.Linear(16, 16), nn.LayerNorm(16)
        self.score, self.head = nn.Linear(16, 1), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.before(self.patches(x).flatten(2).transpose(1, 2)).tanh()
        best = self.score(tokens).topk(self.count, 1).indices
        return self.head(self.after(tokens.gather(1, best.expand(-1, -1, 16))).mean(1))


@pytest.mark.parametrize("count", [12, 48])
@pytest.mark.parametrize("seed", range(4))
def test_tokens_that_are_chosen_by_the_image_are_no_cells(count: int, seed: int) -> None:
    """As many as merging two by two would leave, or all of them in another order."""
    model, images = nets.seeded(Chosen(count), seed), nets.images(2, 1, 48, 64)
    with pytest.raises(LayerError, match="lie neither in rows nor in columns"):
        explain(model, images, 0, layer="after")
    explanations = explain(model, images, 0)
    assert {each.layer for each in explanations} <= {"before", "patches"}
    assert {each.grid for each in explanations} == {(6, 8)}


class Crossed(nn.Module):
    """Tokens row by row and, beside them, column by column."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 8, 8)
        self.rows, self.columns = nn.LayerNorm(16), nn.LayerNorm(16)
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.patches(x)
        rows = self.rows(maps.flatten(2).transpose(1, 2))
        columns = self.columns(maps.transpose(2, 3).flatten(2).transpose(1, 2))
        return self.head(rows.tanh().mean(1) + columns.tanh().mean(1))


@pytest.mark.parametrize("layer", ["rows", "columns"])
def test_branches_have_an_order_of_cells_each(layer: str) -> None:
    model, image = nets.seeded(Crossed()), nets.images(1, 1, 48, 64)
    changed = image.clone()
    changed[..., 8:16, 48:56] += 1
    maps = [explain(model, x, 0, "hirescam", layer)[0].raw for x in (image, changed)]
    assert (maps[1] - maps[0]).nonzero().tolist() == [[1, 6]]


class BranchALabel(nn.Module):
    """Each label has a convolution of its own, as with probabilistic-CAM pooling."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.Tanh(), nn.Conv2d(6, 6, 3, 2, 1))
        self.heads = nn.ModuleList(nn.Conv2d(6, 1, 1) for _ in range(labels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.encoder(x).tanh()
        scores = []
        for head in self.heads:
            share = head(maps).sigmoid()
            pooled = (maps * share).sum((2, 3), True) / share.sum((2, 3), True)
            scores.append(head(pooled).flatten(1))
        return torch.cat(scores, 1)


@pytest.mark.parametrize("labels", [2, 3, 30])
def test_labels_with_branches_of_their_own_share_a_layer(labels: int) -> None:
    model, image = nets.seeded(BranchALabel(labels)), nets.images(1, 1, 16, 16)
    for label in (0, labels - 1):
        (explanation,) = explain(model, image, label)
        assert explanation.layer == "encoder"
        assert not explanation.scan.warnings
        assert explanation.empty_reason is None


class Pooled(nn.Module):
    """Four tokens of a row that follow each other become one: as many as merging would leave."""

    def __init__(self, stride: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.patches, self.norm = nn.Conv2d(1, 16, 8, 8), nn.LayerNorm(16)
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2)
        tokens = tokens[..., ::4] if self.stride else nn.functional.avg_pool1d(tokens, 4)
        return self.head(self.norm(tokens.transpose(1, 2)).tanh().mean(1))


@pytest.mark.parametrize("stride", [True, False])
def test_tokens_that_are_pooled_one_after_the_other_are_no_grid(stride: bool) -> None:
    model, image = nets.seeded(Pooled(stride)), nets.images(1, 1, 48, 64)
    with pytest.raises(LayerError, match="lie neither in rows nor in columns"):
        explain(model, image, 0, layer="norm")
    assert explain(model, image, 0)[0].layer == "patches"
