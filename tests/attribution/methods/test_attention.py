"""Maps of a transformer's attention, against rewrites of their papers in float64."""

import gc
import weakref
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution import attention_maps
from camlucida.attribution.attention import Attentions
from camlucida.attribution.engine import explain_by
from camlucida.attribution.methods import METHODS as METHODS_BY_NAME
from camlucida.attribution.token_attention import TokenAttention
from camlucida.attribution.transformer_blocks import Blocks
from camlucida.core.errors import ModelError, NoEvidenceError
from camlucida.phantom.nets import small_vit
from tests.support import nets, transformers

METHODS = nets.ATTENTION
SIZE = (32, 48)
LABEL = 1


def images(count: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    return nets.images(count, 3, *size).double()


def raw(net: nn.Module, method: str, inputs: Tensor) -> Tensor:
    return torch.stack([e.raw for e in explain(net, inputs, LABEL, method)])


# --- the papers, with loops over heads and tokens -------------------------------------------------


def rollout_by_loops(layers: list[Tensor]) -> Tensor:
    """(N, N) of attentions (heads, N, N)."""
    total = torch.eye(layers[0].shape[-1], dtype=torch.float64)
    for layer in layers:
        mixed = torch.zeros_like(total)
        for i in range(len(total)):
            for j in range(len(total)):
                mixed[i, j] = 0.5 * sum(head[i, j] for head in layer) / len(layer)
            mixed[i, i] += 0.5
        total = mixed @ total
    return total


def chefer_by_loops(layers: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """(N, N) the relevance of tokens to tokens."""
    total = torch.eye(layers[0].shape[-1], dtype=torch.float64)
    for layer, gradient in zip(layers, gradients):
        mean = torch.zeros_like(total)
        for head, of_head in zip(layer, gradient):
            mean += (head * of_head).clamp(min=0) / len(layer)
        total = total + mean @ total
    return total


def legrad_by_loops(gradients: list[Tensor]) -> Tensor:
    """(N,) of each layer's gradient of its own score."""
    total = 0
    for gradient in gradients:
        heads, count, _ = gradient.shape
        for head in gradient:
            for row in head:
                total = total + row.clamp(min=0) / (heads * count * len(gradients))
    return total


def by_hand(net: transformers.Vit, image: Tensor) -> dict[str, Tensor]:
    """The three maps of the handwritten transformer, run step by step."""
    x = net.embed(image) if net.prefix == 0 else None
    if x is None:
        x = torch.cat([net.extra[:, : net.prefix].expand(1, -1, -1), net.embed(image)], 1)
    x = (x + net.positions(x)).detach().requires_grad_()
    layers, scores = [], []
    for block in net.encoder.layer:
        normal, attention = block.norm1(x), block.attention
        q, k, v = (
            part(normal).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
            for part in (attention.query, attention.key, attention.value)
        )
        layers.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1))
        x = x + attention.proj((layers[-1] @ v).transpose(1, 2).flatten(2))
        x = x + block.mlp(block.norm2(x))
        normal = net.norm(x)
        pooled = normal[:, 0] if net.pool == "class" else normal[:, net.prefix :].mean(1)
        scores.append(net.head(pooled)[0, LABEL])
    own = [
        torch.autograd.grad(score, layer, retain_graph=True)[0][0]
        for score, layer in zip(scores, layers)
    ]
    gradients = [gradient[0] for gradient in torch.autograd.grad(scores[-1], layers)]
    layers = [layer[0].detach() for layer in layers]
    rollout, chefer = rollout_by_loops(layers), chefer_by_loops(layers, gradients)
    if net.pool == "class":
        rollout, chefer = rollout[0], chefer[0]
    else:
        rollout = rollout[net.prefix :].mean(0)
        chefer = (chefer - torch.eye(len(chefer)))[net.prefix :].mean(0)
    maps = dict(zip(METHODS, (rollout, chefer, legrad_by_loops(own))))
    return {name: values[net.prefix :].reshape(net.grid) for name, values in maps.items()}


@pytest.mark.parametrize(("pool", "prefix"), [("class", 1), ("class", 3), ("mean", 0), ("mean", 2)])
def test_maps_as_in_the_papers(pool: str, prefix: int) -> None:
    net = nets.seeded(transformers.Vit(pool=pool, prefix=prefix, depth=3)).double()
    image = images()
    expected = by_hand(net, image)
    for method in METHODS:
        assert expected[method].any()
        torch.testing.assert_close(raw(net, method, image)[0], expected[method])


# --- networks of other libraries ------------------------------------------------------------------


def small_timm(name: str = "vit_tiny_patch16_224", **options: object) -> nn.Module:
    shape = {"img_size": SIZE, "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 2}
    net = timm.create_model(name, num_classes=3, **shape, **options)
    return nets.seeded(net).double()


class Mixed(timm.models.vision_transformer.Block):
    """A block whose tokens are centred together: none can run without the others."""

    def forward(self, x: Tensor, **options: object) -> Tensor:
        x = super().forward(x, **options)
        return x - x.mean(1, keepdim=True)


def small_torchvision() -> nn.Module:
    net = torchvision.models.VisionTransformer(32, 8, 2, 2, 12, 24, num_classes=3)
    return nets.seeded(net).double()


def followed(net: nn.Module, image: Tensor, kept: list[Tensor]) -> dict[str, Tensor]:
    """Rollouts of attentions (1, heads, N, N) that the run of a net of one class token keeps."""
    score = net(image.clone().requires_grad_())
    score = getattr(score, "logits", score)[0, LABEL]
    gradients = [gradient[0] for gradient in torch.autograd.grad(score, kept)]
    layers = [layer[0].detach() for layer in kept]
    rollout, chefer = rollout_by_loops(layers), chefer_by_loops(layers, gradients)
    return {"attention_rollout": rollout[0, 1:], "gradient_rollout": chefer[0, 1:]}


def test_fused_attention_of_timm_gives_the_maps_of_the_unfused() -> None:
    net, image, kept = small_timm(), images(), []
    unfused = deepcopy(net)
    for block in unfused.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, args, out: kept.append(out))
    assert all(block.attn.fused_attn for block in net.blocks)
    for method, expected in followed(unfused, image, kept).items():
        torch.testing.assert_close(raw(net, method, image)[0].flatten(), expected)
    assert all(block.attn.fused_attn for block in net.blocks)


def test_maps_are_named_by_the_blocks_that_are_read() -> None:
    methods = ["attention_rollout", "gradient_rollout", "legrad", "input_x_gradient"]
    *of_blocks, of_pixels = explain(small_timm(), images(), LABEL, methods)
    for each in of_blocks:
        assert each.layer == "(input)"
        assert each.provenance["attention_blocks"] == ["blocks.0", "blocks.1"]
        assert each.shown_layer == "blocks.0 … blocks.1"
    assert of_pixels.shown_layer == "(input)"


def test_attention_of_torchvision_that_returns_no_weights() -> None:
    net, image, kept = small_torchvision(), images(size=(32, 32)), []

    def attend(module: nn.MultiheadAttention, x: Tensor) -> Tensor:
        parts = F.linear(x, module.in_proj_weight, module.in_proj_bias).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for part in parts)
        kept.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1))
        return module.out_proj((kept[-1] @ v).transpose(1, 2).flatten(2))

    by_steps = deepcopy(net)
    for layer in by_steps.encoder.layers:
        attention = layer.self_attention
        attention.forward = lambda q, k, v, need_weights, own=attention: (attend(own, q), None)
    for method, expected in followed(by_steps, image, kept).items():
        torch.testing.assert_close(raw(net, method, image)[0].flatten(), expected)


def test_attention_of_hugging_face_fused_and_eager() -> None:
    transformers_library = pytest.importorskip("transformers")
    options = {"image_size": SIZE, "patch_size": 8, "hidden_size": 12, "num_hidden_layers": 2}
    options |= {"num_attention_heads": 2, "intermediate_size": 24, "num_labels": 3}
    eager, fused = (
        transformers_library.ViTForImageClassification(
            transformers_library.ViTConfig(**options, attn_implementation=kind)
        )
        for kind in ("eager", "sdpa")
    )
    nets.seeded(eager).double()
    fused.load_state_dict(eager.state_dict())
    fused.double().eval()
    image = images()
    kept = list(eager(image.clone().requires_grad_(), output_attentions=True).attentions)
    layers = [layer[0].detach() for layer in kept]
    expected = rollout_by_loops(layers)[0, 1:]
    for method in METHODS:
        maps = raw(eager, method, image)[0], raw(fused, method, image)[0]
        # The eager attention has its softmax in float32.
        torch.testing.assert_close(maps[0].double(), maps[1], rtol=1e-4, atol=1e-7)
        if method == "attention_rollout":
            torch.testing.assert_close(maps[1].flatten(), expected.double(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: small_timm("deit_tiny_distilled_patch16_224"),
        lambda: small_timm("beit_base_patch16_224"),
        lambda: small_timm("vit_small_patch14_reg4_dinov2"),
        lambda: nets.seeded(transformers.SequenceFirst()).double(),
    ],
    ids=["distilled", "beit", "registers", "sequence-first"],
)
def test_a_batch_gives_the_maps_of_single_images(make: object) -> None:
    net, inputs = make(), images(3)
    for method in METHODS:
        together = raw(net, method, inputs)
        assert together.shape == (3, 4, 6)
        assert (together >= 0).all()
        assert together.flatten(1).std(1).all()
        torch.testing.assert_close(raw(net, method, inputs[1:2])[0], together[1])


class HeadsFirst(transformers.Attention):
    """Heads and images on one axis, the heads outside: nothing tells whose rows are whose."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parts = (part(x) for part in (self.query, self.key, self.value))
        q, k, v = (torch.cat(part.chunk(self.heads, -1)) for part in parts)
        weights = self.softmax(q @ k.mT / q.shape[-1] ** 0.5)
        return self.proj(torch.cat((weights @ v).chunk(self.heads), -1)), weights


def test_images_whose_heads_cannot_be_told_apart_run_one_by_one() -> None:
    net, inputs = nets.seeded(transformers.Vit(depth=2)).double(), images(3)
    expected = {method: raw(net, method, inputs) for method in METHODS}
    for block in net.encoder.layer:
        block.attention.__class__ = HeadsFirst
    for method in METHODS:
        torch.testing.assert_close(raw(net, method, inputs), expected[method])


def test_all_methods_and_images_share_one_forward_pass() -> None:
    net, inputs, calls = small_timm(), images(3), []
    raw(net, "legrad", inputs)  # the first looks at the model, too
    attention = net.blocks[0].attn
    attention.register_forward_hook(lambda module, args, output: calls.append(output.shape[:2]))
    together = explain(net, inputs, [0, 1], [*METHODS, "gradcam"], layer="blocks.0")
    assert calls == [(3, 25)]  # of legrad the head alone runs again, on tokens that are kept
    for e in together:
        image = inputs[int(e.scan.id[-1])][None]
        (alone,) = explain(net, image, int(e.target), e.method, "blocks.0")
        torch.testing.assert_close(e.raw, alone.raw)


def on_graph(net: nn.Module, method: object, inputs: Tensor) -> list[bool]:
    """Whether the score has a gradient by each attention of the pass of which maps are made."""
    kept = []

    def noted(attention: TokenAttention) -> Tensor:
        kept.append([layer.requires_grad for layer in attention._layers])
        return METHODS_BY_NAME["attention_rollout"].run(attention)

    explain_by(net, inputs, replace(method, run=noted), LABEL)
    return kept[0]


def test_rollout_has_a_graph_from_the_last_attention_on_alone() -> None:
    net, inputs = small_timm(), images(2)
    rollout, legrad = (METHODS_BY_NAME[name] for name in ("attention_rollout", "legrad"))
    first = raw(net, "attention_rollout", inputs)  # which attentions there are
    assert on_graph(net, rollout, inputs) == [False, True]
    assert on_graph(net, legrad, inputs) == [True, True]
    torch.testing.assert_close(raw(net, "attention_rollout", inputs), first, rtol=0, atol=0)
    (again,) = {e.provenance["attention_blocks"][0] for e in explain(net, inputs, 1, rollout.name)}
    assert again == "blocks.0"
    net.blocks.append(deepcopy(net.blocks[0]))
    assert on_graph(net, rollout, inputs) == [True, True, True]
    assert on_graph(net, rollout, inputs) == [False, False, True]


def test_a_method_without_labels_may_ask_for_gradients_all_the_same() -> None:
    net, inputs = small_timm(), images(2)
    raw(net, "attention_rollout", inputs)
    for name in ("gradient_rollout", "legrad"):
        expected = raw(net, name, inputs)
        method = replace(METHODS_BY_NAME[name], class_specific=False)
        made = torch.stack([e.raw for e in explain_by(net, inputs, method, LABEL)])
        torch.testing.assert_close(made, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_pass_is_gone_with_its_maps(method: str) -> None:
    """Without waiting for the garbage collector: a graph is a hundred MiB."""
    net, inputs = small_timm(), images(1)
    raw(net, method, inputs)
    alive: list[weakref.ref[Tensor]] = []
    handle = net.blocks[-1].register_forward_hook(
        lambda module, args, output: alive.append(weakref.ref(output))
    )
    gc.collect()
    gc.disable()
    try:
        raw(net, method, inputs)
        assert alive
        assert not any(reference() is not None for reference in alive)
    finally:
        gc.enable()
        handle.remove()


@pytest.mark.parametrize(
    ("make", "by_rows"),
    [
        (small_torchvision, True),
        (small_timm, True),
        (partial(small_timm, qkv_bias=True, class_token=True, init_values=0.5), True),
        (partial(small_timm, global_pool="avg", class_token=False), False),  # reads all rows
        (partial(small_timm, "vit_tiny_patch16_224", block_fn=Mixed), False),
    ],
)
def test_legrad_from_the_rows_that_are_read(
    make: Callable[[], nn.Module], by_rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = make()
    inputs = images(2, (32, 32) if make is small_torchvision else SIZE)
    whole, found = attention_maps.gradient_by_rows, []

    def noted(*args: object) -> Tensor | None:
        found.append(whole(*args))
        return found[-1]

    monkeypatch.setattr(attention_maps, "gradient_by_rows", noted)
    maps = raw(net, "legrad", inputs)
    assert len(found) == 2
    assert all((gradient is not None) == by_rows for gradient in found)
    monkeypatch.setattr(attention_maps, "gradient_by_rows", lambda *args: None)
    torch.testing.assert_close(maps, raw(net, "legrad", inputs), rtol=1e-9, atol=1e-12)


class Hooked(nn.Module):
    """Doubles the gradient on its way, which the graph does not show."""

    def __init__(self, on_node: bool) -> None:
        super().__init__()
        self.on_node = on_node

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad and self.on_node:
            x.grad_fn.register_hook(lambda given, _: (2 * given[0],))
        elif x.requires_grad:
            x.register_hook(lambda gradient: 2 * gradient)
        return x


@pytest.mark.parametrize("on_node", [False, True], ids=["tensor", "node"])
def test_a_gradient_that_the_model_changes_on_its_way_counts(on_node: bool) -> None:
    net = small_timm()
    once = raw(net, "legrad", images())
    for block in net.blocks:
        block.ls1 = Hooked(on_node)
    torch.testing.assert_close(raw(net, "legrad", images()), 2 * once)


class InPlace(nn.Module):
    """Works on its input itself."""

    runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        x += 1
        return x.mul_(2)


@pytest.mark.parametrize("changed", ["patch_embed.norm", "pos_drop", "norm_pre", "blocks.0.ls1"])
def test_what_comes_before_the_blocks_runs_once(
    changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = small_timm()
    net.set_submodule(changed, InPlace())
    once = raw(net, "legrad", images())
    net.get_submodule(changed).runs = 0
    torch.testing.assert_close(raw(net, "legrad", images()), once, rtol=0, atol=0)
    assert net.get_submodule(changed).runs == 1
    monkeypatch.setattr(Blocks, "_keep", lambda *_: None)
    torch.testing.assert_close(raw(net, "legrad", images()), once, rtol=0, atol=0)


def test_attention_is_made_only_where_a_method_asks_for_it(monkeypatch: object) -> None:
    made = []
    monkeypatch.setattr(Attentions, "_keep", lambda self, layer: made.append(layer))
    explain(small_timm(), images(), LABEL, ["gradcam", "eigencam", "scorecam"], "blocks.1")
    assert made == []


def test_maps_are_those_of_another_label_but_for_rollout() -> None:
    net, inputs = small_timm(), images()
    for method in METHODS:
        first, second = explain(net, inputs, [0, 2], method)
        assert torch.equal(first.raw, second.raw) == (method == "attention_rollout")


def test_the_network_is_left_as_it_was() -> None:
    net, inputs = small_timm().train(), images()

    def state() -> list[object]:
        hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in net.modules()]
        return [*hooks, *("forward" in vars(m) or m.training for m in net.modules())]

    before = state()
    for method in METHODS:
        raw(net, method, inputs)
        assert state() == before
        with pytest.raises(ModelError):
            raw(net, method, images(size=(24, 48)))
        assert state() == before


# --- what is refused ------------------------------------------------------------------------------


class Twice(nn.Module):
    """Two attentions of the same tokens, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 12, 8, 8), nn.LayerNorm(12)
        self.first, self.second = transformers.Attention(12), transformers.Attention(12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.patches(x).flatten(2).mT)
        return self.head((x + self.first(x)[0] + self.second(x)[0]).mean(1))


class Pooled(Twice):
    """A learned query reads the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.patches(x).flatten(2).mT)
        x = x + self.first(x)[0]
        query = self.norm.weight.expand(len(x), 1, -1)
        return self.head(F.scaled_dot_product_attention(query, x, x)[:, 0])


class HalfFrozen(Twice):
    """The first attention has no graph."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.norm(self.patches(x).flatten(2).mT)
            x = x + self.first(x)[0]
        return self.head((x + self.second(x)[0]).mean(1))


class Loose(Twice):
    """Residual steps that are no modules of their own."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.patches(x).flatten(2).mT)
        x = x + self.first(x)[0]
        x = x + self.second(self.norm(x))[0]
        return self.head(x.mean(1))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (nets.Cnn(), "this model's score depends on none"),
        (transformers.Windowed(), "within windows of 4 tokens"),
        (Twice(), "attentions run side by side"),
        (Pooled(), "1 token attends to 24"),
        (transformers.Hidden(), "depends on none"),
        (HalfFrozen(), r"1 of 2 attentions of this model run under torch\.no_grad"),
    ],
    ids=["convolutions", "windows", "parallel", "pooled by attention", "no attention", "no graph"],
)
@pytest.mark.parametrize("method", METHODS)
def test_other_networks_are_refused(net: nn.Module, words: str, method: str) -> None:
    with pytest.raises(NoEvidenceError, match=words):
        raw(nets.seeded(net).double(), method, images())


def test_legrad_is_refused_where_blocks_are_no_modules() -> None:
    net = nets.seeded(Loose()).double()
    assert raw(net, "gradient_rollout", images()).any()
    with pytest.raises(NoEvidenceError, match="the blocks of this transformer are not modules"):
        raw(net, "legrad", images())


def test_passes_that_find_out_what_a_model_is_are_not_taken_for_the_one_that_is_explained() -> None:
    """Alone, a method of attention needs no survey of an unknown network; beside another it has."""
    net, film = small_vit(3).eval(), nets.images(2, 1, 128, 128)
    beside = explain(net, film, [0, 1], ["gradcam", *METHODS])
    fresh = deepcopy(net)
    for method in METHODS:
        alone = explain(fresh, film, [0, 1], method)
        for one, other in zip(alone, [e for e in beside if e.method == method], strict=True):
            assert one.target == other.target
            torch.testing.assert_close(one.raw, other.raw)


# --- what is seen of attention --------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": torch.linspace(-1, 1, 25).reshape(5, 5).double()},
        {"attn_mask": torch.ones(5, 5).tril(1).bool()},
        {"enable_gqa": True},
    ],
    ids=["plain", "causal", "scale", "added mask", "mask", "grouped"],
)
def test_an_attention_that_is_followed_gives_the_same_output(options: dict[str, object]) -> None:
    q = nets.images(2, 4, 5, 3).double()
    k, v = (nets.images(2, 4, 5, 3, seed=seed).double() for seed in (1, 2))
    if "enable_gqa" in options:
        k, v = k[:, :2], v[:, :2]
    with Attentions() as attentions:
        output = F.scaled_dot_product_attention(q, k, v, **options)
    torch.testing.assert_close(output, F.scaled_dot_product_attention(q, k, v, **options))
    (probabilities,) = attentions.probabilities
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 4, 5).double())


@pytest.mark.parametrize("need_weights", [False, True])
def test_multi_head_attention_gives_the_same_output(need_weights: bool) -> None:
    attention = nets.seeded(nn.MultiheadAttention(6, 2, batch_first=True)).double()
    x = nets.images(2, 5, 6).double()
    with Attentions() as attentions:
        output, weights = attention(x, x, x, need_weights=need_weights)
    expected, known = attention(x, x, x)
    torch.testing.assert_close(output, expected)
    (probabilities,) = attentions.probabilities
    mean = probabilities.reshape(2, 2, 5, 5).mean(1)
    torch.testing.assert_close(mean, known)
    assert (weights is None) == (not need_weights)
