"""Real architectures with random weights.

The layer ``auto`` takes, its grid, and that every tool means the same one.
"""

import importlib

import pytest
import torch
from torch import nn

from camlucida import explain, list_layers
from camlucida.attribution.capture import capture
from camlucida.core.messages import Message
from camlucida.models.families import FAMILIES, find_family, unet
from camlucida.models.families.base import CHANNELS_FIRST, CHANNELS_LAST, ModelFamily, tokens
from camlucida.models.layers import Layouts
from camlucida.models.state import frozen
from tests.support import nets
from tests.support.paths import REPOSITORY


def zoo(package: str):
    return pytest.importorskip(package, reason="model zoo, an optional extra")


def torchvision(name: str, **options):
    return lambda: getattr(zoo("torchvision").models, name)(weights=None, num_classes=3, **options)


def timm(name: str, **options):
    return lambda: zoo("timm").create_model(name, pretrained=False, num_classes=3, **options)


def timm_vit(**options):
    small = {
        "img_size": 64,
        "patch_size": 16,
        "embed_dim": 24,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 3,
    }
    return lambda: zoo("timm").models.vision_transformer.VisionTransformer(**small | options)


def timm_deit():
    small = {
        "img_size": 64,
        "patch_size": 16,
        "embed_dim": 24,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 3,
    }
    zoo("timm")
    return importlib.import_module("timm.models.deit").VisionTransformerDistilled(**small)


def torchvision_vit():
    vit = zoo("torchvision").models.vision_transformer.VisionTransformer
    net = vit(
        image_size=64,
        patch_size=16,
        num_layers=2,
        num_heads=2,
        hidden_dim=24,
        mlp_dim=48,
        num_classes=3,
    )
    nn.init.normal_(net.heads.head.weight)  # it comes as zeros
    return net


def timm_swin():
    swin = zoo("timm").models.swin_transformer.SwinTransformer
    return swin(
        img_size=(64, 96),
        window_size=2,
        embed_dim=12,
        depths=(2, 2),
        num_heads=(2, 2),
        num_classes=3,
    )


def torchvision_swin():
    swin = zoo("torchvision").models.swin_transformer.SwinTransformer
    return swin(
        [4, 4], embed_dim=12, depths=[2, 2], num_heads=[2, 2], window_size=[4, 4], num_classes=3
    )


def xrv_densenet():
    return zoo("torchxrayvision").models.DenseNet(weights=None, num_classes=3)


def xrv_resnet():
    """TorchXRayVision keeps a torchvision ResNet as ``model``.

    Its own class needs a download to be built.
    """

    class Like(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = zoo("torchvision").models.resnet18(num_classes=3)
            self.model.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)

        def forward(self, x):
            return self.model(x)

    return Like()


class Backbone(nn.Module):
    """A user's own model around a known network."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = zoo("torchvision").models.resnet18()
        self.backbone.fc = nn.Identity()
        self.mine = nn.Linear(512, 3)

    def forward(self, x):
        return self.mine(self.backbone(x))


# name → (builder, input (C, *size), family, layer, grid)
CASES = {
    "torchvision resnet18": (torchvision("resnet18"), (3, 64, 96), "ResNet", "layer4", (2, 3)),
    "timm resnet18": (timm("resnet18"), (3, 64, 96), "ResNet", "layer4", (2, 3)),
    "torchvision resnext50": (
        torchvision("resnext50_32x4d"),
        (3, 64, 64),
        "ResNet",
        "layer4",
        (2, 2),
    ),
    "torchvision densenet121": (
        torchvision("densenet121"),
        (3, 64, 96),
        "DenseNet",
        "features.norm5",
        (2, 3),
    ),
    "timm densenet121": (timm("densenet121"), (3, 64, 96), "DenseNet", "features.norm5", (2, 3)),
    "torchvision efficientnet_b0": (
        torchvision("efficientnet_b0"),
        (3, 64, 96),
        "EfficientNet",
        "features.8",
        (2, 3),
    ),
    "timm efficientnet_b0": (timm("efficientnet_b0"), (3, 64, 96), "EfficientNet", "bn2", (2, 3)),
    "torchvision mobilenet_v2": (
        torchvision("mobilenet_v2"),
        (3, 64, 96),
        "EfficientNet",
        "features.18",
        (2, 3),
    ),
    "timm mobilenetv2": (timm("mobilenetv2_050"), (3, 64, 96), "EfficientNet", "bn2", (2, 3)),
    "torchvision mobilenet_v3_small": (
        torchvision("mobilenet_v3_small"),
        (3, 64, 96),
        "EfficientNet",
        "features.12",
        (2, 3),
    ),
    "timm mobilenetv3_small": (
        timm("mobilenetv3_small_050"),
        (3, 64, 96),
        "EfficientNet",
        "blocks",
        (2, 3),
    ),
    "torchvision vgg11": (torchvision("vgg11"), (3, 64, 64), "VGG", "features.19", (4, 4)),
    "torchvision vgg11_bn": (torchvision("vgg11_bn"), (3, 64, 64), "VGG", "features.27", (4, 4)),
    "torchvision convnext_tiny": (
        torchvision("convnext_tiny"),
        (3, 64, 96),
        "ConvNeXt",
        "features.7",
        (2, 3),
    ),
    "timm convnext": (timm("convnext_atto"), (3, 64, 96), "ConvNeXt", "stages.3", (2, 3)),
    "torchvision swin": (torchvision_swin, (3, 64, 96), "Swin", "norm", (8, 12)),
    "torchvision swin, odd size": (torchvision_swin, (3, 70, 90), "Swin", "norm", (9, 11)),
    "timm swin": (timm_swin, (3, 64, 96), "Swin", "norm", (8, 12)),
    "torchvision vit": (
        torchvision_vit,
        (3, 64, 64),
        "Vision",
        "encoder.layers.encoder_layer_1.ln_1",
        (4, 4),
    ),
    "timm vit": (timm_vit(), (3, 64, 64), "Vision", "blocks.1.norm1", (4, 4)),
    "timm vit, any size": (
        timm_vit(dynamic_img_size=True),
        (3, 48, 96),
        "Vision",
        "blocks.1.norm1",
        (3, 6),
    ),
    "timm vit, padded": (
        timm_vit(dynamic_img_size=True, dynamic_img_pad=True),
        (3, 50, 90),
        "Vision",
        "blocks.1.norm1",
        (4, 6),
    ),
    "timm vit, registers": (
        timm_vit(reg_tokens=4),
        (3, 64, 64),
        "Vision",
        "blocks.1.norm1",
        (4, 4),
    ),
    "timm vit, no class token": (
        timm_vit(class_token=False, global_pool="avg"),
        (3, 64, 64),
        "Vision",
        "blocks.1",
        (4, 4),
    ),
    "timm deit": (timm_deit, (3, 64, 64), "Vision", "blocks.1.norm1", (4, 4)),
    "timm vit, hybrid": (
        timm("vit_tiny_r_s16_p8_224", img_size=64),
        (3, 64, 64),
        "Vision",
        "blocks.11.norm1",
        (2, 2),
    ),
    "xrv densenet": (xrv_densenet, (1, 64, 96), "DenseNet", "features.norm5", (2, 3)),
    "xrv resnet": (xrv_resnet, (1, 64, 96), "ResNet", "model.layer4", (2, 3)),
    "a user's backbone": (Backbone, (3, 64, 96), "ResNet", "backbone.layer4", (2, 3)),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    build, size, family, layer, grid = CASES[request.param]
    torch.manual_seed(0)
    return build().eval(), nets.images(1, *size), family, layer, grid


def test_auto(case):
    """The same layer in the list, for ``explain`` and by its path; gradients reach it.

    The map lies on its grid.
    """
    net, inputs, family, layer, grid = case
    found = find_family(net)
    assert found is not None
    assert found[1].name.startswith(family)
    (marked,) = [info for info in list_layers(net, inputs) if info.auto]
    (e,) = explain(net, inputs, 1, "hirescam")
    assert (e.layer, e.grid) == (marked.path, marked.grid) == (layer, grid)
    assert e.raw.any()
    (by_path,) = explain(net, inputs, 1, "hirescam", layer)
    torch.testing.assert_close(by_path.raw, e.raw)


def test_explained_scores_are_the_models(case):
    """Capturing the layer does not change the answer."""
    net, inputs, *_ = case
    with torch.no_grad():
        expected = net(inputs)[0, 1]
    (e,) = explain(net, inputs, 1)
    assert e.score == pytest.approx(float(expected), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision resnet18",
        "timm densenet121",
        "timm swin",
        "timm vit, registers",
        "torchvision vit",
    ],
)
def test_tail_replay_from_the_families_layer(name):
    build, size, _, _, _ = CASES[name]
    torch.manual_seed(0)
    net, inputs = build().eval(), nets.images(1, *size)
    with nets.probing(net, inputs, "auto") as probe:
        same = probe.score_tail(probe.activations.expand(3, *probe.activations.shape[1:]).clone())
        assert probe.replay == "tail"
        torch.testing.assert_close(same, probe.scores[:, None].expand(1, 3), rtol=1e-3, atol=1e-4)
        assert (
            probe.score_tail(torch.zeros_like(probe.activations)) - probe.scores
        ).abs().max() > 1e-6


def test_tail_replay_of_swin_equals_a_plain_hook():
    torch.manual_seed(0)
    net, inputs = torchvision_swin().eval(), nets.images(1, 3, 64, 96)
    with nets.probing(net, inputs, "features[-1]") as probe:
        altered = nets.images(1, *probe.activations.shape[1:], seed=7)
        found = probe.score_tail(altered)
    handle = net.features[-1].register_forward_hook(lambda *_: altered.movedim(1, -1).contiguous())
    with torch.no_grad():
        expected = net(inputs)[:, 1]
    handle.remove()
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [timm_vit(), torchvision_vit], ids=["timm", "torchvision"])
def test_after_the_last_block_of_a_class_token_model_there_is_no_evidence(build):
    torch.manual_seed(0)
    net = build().eval()
    last = "blocks[-1]" if hasattr(net, "blocks") else "encoder.layers[-1]"
    (e,) = explain(net, nets.images(1, 3, 64, 64), 1, layer=last)
    assert e.is_empty
    assert e.empty_reason == Message("empty.gradient")


# --- grids ----------------------------------------------------------------------------------------


def test_tokens_are_cells_row_by_row_behind_the_prefix():
    layout = tokens(2, (2, 3))
    sequence = torch.arange(8.0)[None, :, None].expand(1, 8, 5)
    grid = layout.to_grid(sequence)
    assert grid.shape == (1, 5, 2, 3)
    assert grid[0, 0].tolist() == [[2, 3, 4], [5, 6, 7]]
    assert torch.equal(layout.from_grid(grid, sequence), sequence)


def test_tokens_light_up_where_the_image_does():
    """The patch that a ViT sees at row 0, column 2 is the cell at row 0, column 2."""
    torch.manual_seed(0)
    net = timm_vit(dynamic_img_size=True)().eval()
    dark, lit = torch.zeros(1, 3, 32, 64), torch.zeros(1, 3, 32, 64)
    lit[:, :, :16, 32:48] = 5.0
    with frozen(net):
        cells = [
            capture(net, (x,), ["blocks[0].norm1"]).layers[0].activations.detach()
            for x in (dark, lit)
        ]
    change = (cells[1] - cells[0]).abs().sum(1)[0]
    assert change.shape == (2, 4)
    assert change.argmax() == 2
    assert change.flatten().sort().values[-2] < 1e-5


@pytest.mark.parametrize(
    ("pool", "layer"),
    [
        ({"global_pool": "avg", "fc_norm": True}, "blocks.1"),
        ({"global_pool": "avg", "fc_norm": False}, "norm"),
        ({"global_pool": "map"}, "norm"),
    ],
)
def test_patches_that_are_pooled_count_without_the_last_attention(pool, layer):
    """Its weights are 0: the patches reach the head on the way around it alone."""
    net = nets.seeded(timm_vit(class_token=False, **pool)()).eval()
    nn.init.zeros_(net.blocks[-1].attn.proj.weight)
    (e,) = explain(net, nets.images(1, 3, 64, 64), 1, "hirescam")
    assert (e.layer, e.grid) == (layer, (4, 4))
    assert (e.raw != 0).all()


def test_every_grid_of_a_vision_transformer_is_the_patch_grid():
    for options in ({}, {"dynamic_img_size": True}):
        found = list_layers(timm_vit(**options)().eval(), nets.images(1, 3, 64, 64))
        assert {info.grid for info in found} == {(), (4, 4)}
        assert any(info.path == "patch_embed" and info.grid for info in found)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((1, 16, 24, 12), CHANNELS_LAST), ((1, 12, 16, 24), CHANNELS_FIRST), ((1, 12, 5, 24), None)],
)
def test_swin_layouts(shape, layout):
    assert Layouts(torchvision_swin(), (64, 96))("features", torch.zeros(shape)) is layout


def test_a_vision_transformer_of_other_blocks_is_surveyed():
    # In parallel blocks there is no norm1 that every path from the patches passes.
    sizes = {"img_size": 32, "embed_dim": 24, "num_heads": 2, "depth": 2}
    net = timm("vit_small_patch16_18x2_224", **sizes)().eval()
    (e,) = explain(net, nets.images(1, 3, 32, 32), 1, "hirescam")
    assert (e.layer, e.grid) == ("blocks.1.attns.1.norm", (2, 2))
    assert (e.raw != 0).all()


class Around(nn.Module):
    """In the place of all blocks."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("wrap", [Around, lambda blocks: nn.Sequential()], ids=["wrapped", "none"])
def test_a_vision_transformer_whose_blocks_were_replaced_is_of_no_family(wrap):
    model = timm_vit()()
    model.blocks = wrap(model.blocks)
    assert find_family(model) is None


def test_a_layer_of_one_cell_is_no_grid():
    net = torchvision("resnet18")().eval()
    (e,) = explain(net, nets.images(1, 3, 32, 32), 1)
    assert (e.layer, e.grid) == ("layer3", (2, 2))


@pytest.mark.parametrize(
    ("name", "size", "layer", "grid"),
    [
        ("mambaout_femto", 64, "stages", (2, 2)),
        ("pit_ti_224", 224, "transformers.2.blocks.3.norm1", (7, 7)),
    ],
)
def test_auto_on_an_unknown_transformer_is_a_grid_of_the_image(name, size, layer, grid):
    net, inputs = timm(name)().eval(), nets.images(1, 3, size, size)
    (e,) = explain(net, inputs, 1)
    assert (e.layer, e.grid) == (layer, grid)
    assert [info.path for info in list_layers(net, inputs) if info.auto] == [layer]


# --- segmentation-models-pytorch ------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b0"])
@pytest.mark.parametrize("kind", ["Unet", "UnetPlusPlus"])
def test_segmentation_models(kind, encoder):
    smp = zoo("segmentation_models_pytorch")
    torch.manual_seed(0)
    channels = (32, 16, 8, 8, 8)
    net = getattr(smp, kind)(
        encoder, encoder_weights=None, decoder_channels=channels, classes=1
    ).eval()
    inputs = nets.images(1, 3, 64, 64)
    layers = ["auto", "encoder_last", "encoder_mid", "encoder_early", "decoder_last", "seg_head"]
    found = explain(net, inputs, "pixel:40,20", "hirescam", layers)
    assert [e.layer for e in found] == [
        "encoder[5]",
        "encoder[5]",
        "encoder[3]",
        "encoder[2]",
        "decoder",
        "segmentation_head.0",
    ]
    assert [e.grid for e in found] == [(2, 2), (2, 2), (8, 8), (16, 16), (64, 64), (64, 64)]
    assert all(e.raw.any() for e in found)
    assert found[0].provenance["task"] == "segmentation"
    (marked,) = [info for info in list_layers(net, inputs) if info.auto]
    assert marked.path == "encoder[5]"
    with nets.probing(net, inputs, "encoder_last", 0) as probe:
        torch.testing.assert_close(
            probe.score_tail(probe.activations.clone())[0], probe.scores, rtol=1e-3, atol=1e-4
        )
        assert probe.replay == "tail"


def test_segmentation_models_with_a_sigmoid_are_explained_by_their_logits():
    smp = zoo("segmentation_models_pytorch")
    torch.manual_seed(0)
    net = smp.Unet(
        "resnet18", encoder_weights=None, decoder_channels=(16, 8, 8, 8, 8), activation="sigmoid"
    ).eval()
    inputs = nets.images(1, 3, 64, 64)
    (e,) = explain(net, inputs, "pixel:40,20")
    with torch.no_grad():
        p = float(net(inputs)[0, 0, 40, 20])
    assert e.probability == pytest.approx(p, rel=1e-4)
    assert e.score == pytest.approx(float(torch.tensor(p).logit()), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("encoder", "last_blocks"),
    [("efficientnet-b0", (2, 4, 8, 15)), ("efficientnet-b5", (7, 12, 26, 38))],
)
def test_block_numbers_of_the_reference_page(encoder, last_blocks):
    smp = pytest.importorskip("segmentation_models_pytorch")
    with torch.device("meta"):
        model = smp.UnetPlusPlus(encoder, encoder_weights=None).eval()
        outputs = {}
        for number, block in enumerate(model.encoder._blocks):
            block.register_forward_hook(lambda _m, _i, out, n=number: outputs.update({n: out}))
        maps = model.encoder(torch.zeros(1, 3, 64, 64))
    assert [next(n for n, out in outputs.items() if out is each) for each in maps[2:]] == [
        *last_blocks
    ]
    page = (REPOSITORY / "docs/reference/layers.md").read_text("utf-8")
    for index, number in enumerate(last_blocks, 2):
        rows = [line for line in page.splitlines() if line.startswith(f"| `encoder[{index}]` | ")]
        assert any(f"after block {number} " in row for row in rows)


def test_the_middle_of_a_decoder():
    smp = pytest.importorskip("segmentation_models_pytorch")
    with torch.device("meta"):
        nets = [
            getattr(smp, name)("resnet18", encoder_weights=None)
            for name in ("Unet", "UnetPlusPlus", "FPN")
        ]
    middles = [unet.FAMILY.aliases(net).get("decoder_mid") for net in nets]
    assert middles == ["decoder.blocks.2", "decoder.blocks.x_0_2", None]


def test_a_network_is_compared_with_the_families_once_and_again_where_its_parts_change():
    tried = []

    def matches(module):
        tried.append(module)
        return isinstance(module, nn.Hardswish)

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    FAMILIES.add("hard", ModelFamily("hard", matches, lambda module: ""))
    try:
        assert find_family(net) is None
        assert find_family(net) is None
        assert len(tried) == 3  # the network and its two parts
        net[1] = nn.Hardswish()
        assert find_family(net) == ("1", FAMILIES["hard"])
    finally:
        FAMILIES.remove("hard")
    assert find_family(net) is None
