"""Architectures that people bring, small and with random weights.

The layer that ``auto`` takes is the one that a reader of the architecture names; a batch gives the
maps of its images; and the network is left as it was. Those of known families are in
``families/test_families.py`` too, those of Hugging Face in ``zoo/test_huggingface.py``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from camlucida import explain
from tests.support import nets

Size = tuple[int, int]


class Case(NamedTuple):
    """A network, and what a reader of its forward expects.

    Attributes:
        build: makes it.
        size: height and width of the input.
        layer: the last on whose cells the score depends, before they are pooled: a final norm or
            activation where there is one. Of a class token's model, what the last attention reads.
        grid: of that layer.
        target: of the explanation.
    """

    build: Callable[[], nn.Module]
    size: Size
    layer: str
    grid: Size
    target: str | int = 1


def package(name: str) -> Any:
    return pytest.importorskip(name, reason="model zoo, an optional extra")


def timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: package("timm").create_model(name, num_classes=3, **options)


def of_timm(file: str, name: str, **options: Any) -> Callable[[], nn.Module]:
    """A class of timm, for those whose named models cannot be made smaller."""
    return lambda: getattr(getattr(package("timm").models, file), name)(num_classes=3, **options)


def mixer(block: str, mlp: str = "Mlp", **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        file = package("timm").models.mlp_mixer
        small = {"img_size": 64, "num_blocks": 2, "embed_dim": 24, "num_classes": 3}
        layers = {"block_layer": getattr(file, block), "mlp_layer": getattr(file, mlp)}
        return file.MlpMixer(**layers, **small, **options)

    return build


def torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: package("torchvision").models.get_model(
        name, weights=None, num_classes=3, **options
    )


def tv_segmenter(name: str) -> Callable[[], nn.Module]:
    return torchvision(name, weights_backbone=None)


def swin_v2() -> nn.Module:
    file = package("torchvision").models.swin_transformer
    return file.SwinTransformer(
        [4, 4],
        embed_dim=12,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=[4, 4],
        num_classes=3,
        block=file.SwinTransformerBlockV2,
        downsample_layer=file.PatchMergingV2,
    )


def smp(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(package("segmentation_models_pytorch"), name)(
        "resnet18", encoder_weights=None, classes=3, **options
    )


WIDE, SQUARE = (64, 96), (64, 64)
VIT: dict[str, Any] = {"img_size": 64, "embed_dim": 24, "depth": 2, "num_heads": 2}
VIT14 = {**VIT, "img_size": 56}
SWIN: dict[str, Any] = {"img_size": 64, "window_size": 4, "embed_dim": 12}
SWIN |= {"depths": (1, 1), "num_heads": (2, 2)}
TWINS: dict[str, Any] = {"img_size": 64, "embed_dims": (16, 16, 24, 24), "depths": (1, 1, 1, 1)}
TWINS |= {"num_heads": (1, 2, 2, 2)}
DAVIT: dict[str, Any] = {"embed_dims": (8, 16, 24, 32), "depths": (1, 1, 1, 1)}
DAVIT |= {"num_heads": (1, 2, 2, 2)}
TNT: dict[str, Any] = {"img_size": 64, "embed_dim": 24, "inner_dim": 8, "depth": 2}
TNT |= {"num_heads_inner": 2, "num_heads_outer": 2}
SAM: dict[str, Any] = {**VIT, "neck_chans": 16, "global_attn_indexes": (1,), "window_size": 2}
SEQUENCER: dict[str, Any] = {"layers": [1, 1], "embed_dims": [16, 24], "hidden_sizes": [8, 8]}
SEQUENCER |= {"img_size": 64, "patch_sizes": [8, 2], "mlp_ratios": [2.0, 2.0]}

CASES: dict[str, Case] = {
    # Convolutional networks.
    "resnext26ts": Case(timm("resnext26ts"), WIDE, "stages", (2, 3)),
    "regnety": Case(timm("regnety_002"), WIDE, "s4", (2, 3)),
    "regnet of torchvision": Case(torchvision("regnet_y_400mf"), WIDE, "trunk_output", (2, 3)),
    "nf_regnet": Case(timm("nf_regnet_b0"), WIDE, "final_act", (2, 3)),
    "efficientnetv2": Case(timm("tf_efficientnetv2_b0"), WIDE, "bn2", (2, 3)),
    "efficientnetv2 of torchvision": Case(
        torchvision("efficientnet_v2_s"), WIDE, "features.7", (2, 3)
    ),
    "mobilenetv1": Case(timm("mobilenetv1_100"), WIDE, "bn2", (2, 3)),
    # Its last convolution comes after the pooling.
    "mobilenetv4": Case(timm("mobilenetv4_conv_small_050"), WIDE, "blocks", (2, 3)),
    "mobilenetv3 of torchvision": Case(
        torchvision("mobilenet_v3_large"), WIDE, "features.16", (2, 3)
    ),
    "mnasnet": Case(timm("mnasnet_small"), WIDE, "bn2", (2, 3)),
    "lcnet": Case(timm("lcnet_035"), WIDE, "blocks", (2, 3)),
    "ghostnet": Case(timm("ghostnet_050"), WIDE, "blocks", (2, 3)),
    "hrnet": Case(timm("hrnet_w18_small"), WIDE, "final_layer", (2, 3)),
    "dla": Case(timm("dla46_c"), WIDE, "level5", (2, 3)),
    "vovnet": Case(timm("ese_vovnet19b_slim"), WIDE, "stages", (2, 3)),
    "convnextv2": Case(timm("convnextv2_atto"), WIDE, "stages.3", (2, 3)),
    "inception_next": Case(timm("inception_next_atto"), WIDE, "stages", (2, 3)),
    "dpn": Case(timm("dpn48b"), WIDE, "features", (2, 3)),
    "darknet": Case(timm("darknet17"), WIDE, "stages", (2, 3)),
    "hgnetv2": Case(timm("hgnetv2_b0"), WIDE, "stages", (2, 3)),
    "repvgg": Case(timm("repvgg_a0"), WIDE, "stages", (2, 3)),
    "resnest": Case(timm("resnest14d"), WIDE, "layer4", (2, 3)),
    "seresnet": Case(timm("legacy_seresnet18"), WIDE, "layer4", (2, 3)),
    "densenetblur": Case(timm("densenetblur121d"), WIDE, "features.norm5", (2, 3)),
    "starnet": Case(timm("starnet_s050"), WIDE, "norm", (2, 3)),
    "repvit": Case(timm("repvit_m0_9"), WIDE, "stages", (2, 3)),
    "shufflenet": Case(torchvision("shufflenet_v2_x0_5"), WIDE, "conv5", (2, 3)),
    # Its classifier is a convolution: the map of a class is there before it is pooled.
    "squeezenet": Case(torchvision("squeezenet1_1"), WIDE, "classifier.2", (3, 5)),
    # The auxiliary heads take an earlier layer, and do not run outside training.
    "googlenet": Case(torchvision("googlenet", init_weights=False), WIDE, "inception5b", (2, 3)),
    "inception_v3": Case(
        torchvision("inception_v3", init_weights=False), (139, 171), "Mixed_7c", (3, 4)
    ),
    "convmixer": Case(
        of_timm("convmixer", "ConvMixer", dim=24, depth=2, patch_size=16), WIDE, "blocks", (4, 6)
    ),
    # Attention and convolutions by turns.
    "edgenext": Case(timm("edgenext_xx_small"), WIDE, "stages", (2, 3)),
    "poolformer": Case(timm("poolformer_s12"), WIDE, "stages", (2, 3)),
    "focalnet": Case(
        of_timm("focalnet", "FocalNet", embed_dim=16, depths=(1, 1, 1, 1)), WIDE, "norm", (2, 3)
    ),
    "mobilevit": Case(timm("mobilevit_xxs"), SQUARE, "final_conv", (2, 2)),
    "mobilevitv2": Case(timm("mobilevitv2_050"), SQUARE, "stages", (2, 2)),
    "fastvit": Case(timm("fastvit_t8"), WIDE, "final_conv", (2, 3)),
    "coatnet": Case(timm("coatnet_pico_rw_224", img_size=64), SQUARE, "norm", (2, 2)),
    "maxvit": Case(timm("maxvit_rmlp_pico_rw_256", img_size=64), SQUARE, "norm", (2, 2)),
    "visformer": Case(timm("visformer_tiny", img_size=64), SQUARE, "norm", (2, 2)),
    "swiftformer": Case(timm("swiftformer_xs"), WIDE, "norm", (2, 3)),
    "shvit": Case(timm("shvit_s1"), (128, 192), "stages", (2, 3)),
    "efficientvit": Case(timm("efficientvit_b0"), WIDE, "head.in_conv", (2, 3)),
    "efficientformer": Case(timm("efficientformer_l1"), (224, 224), "norm", (7, 7)),
    "levit": Case(timm("levit_128s"), (224, 224), "stages", (4, 4)),
    "botnet": Case(timm("botnet26t_256", img_size=64), SQUARE, "stages", (2, 2)),
    # Transformers with a class token: it alone counts behind the last attention.
    "deit3": Case(timm("deit3_small_patch16_224", **VIT), SQUARE, "blocks.1.norm1", (4, 4)),
    "dinov2 with registers": Case(
        timm("vit_small_patch14_reg4_dinov2", **VIT14), (56, 56), "blocks.1.norm1", (4, 4)
    ),
    "clip": Case(timm("vit_base_patch16_clip_224", **VIT), SQUARE, "blocks.1.norm1", (4, 4)),
    "cait": Case(timm("cait_xxs24_224", **VIT), SQUARE, "blocks_token_only.1.norm1", (4, 4)),
    "xcit": Case(timm("xcit_nano_12_p16_224", depth=2), SQUARE, "cls_attn_blocks.1.norm1", (4, 4)),
    "convit": Case(
        timm("convit_tiny", **{**VIT, "depth": 3}, local_up_to_layer=1),
        SQUARE,
        "blocks.2.norm1",
        (4, 4),
    ),
    "tnt": Case(timm("tnt_s_patch16_224", **TNT), SQUARE, "blocks.1.norm_out", (4, 4)),
    # Transformers that pool their tokens.
    "siglip": Case(timm("vit_base_patch16_siglip_224", **VIT), SQUARE, "norm", (4, 4)),
    "beit": Case(timm("beit_base_patch16_224", **VIT), SQUARE, "blocks.1", (4, 4)),
    "eva02": Case(timm("eva02_tiny_patch14_224", **VIT14), (56, 56), "blocks.1", (4, 4)),
    "dinov3": Case(timm("vit_small_patch16_dinov3", **VIT), SQUARE, "norm", (4, 4)),
    "sam": Case(timm("samvit_base_patch16", **SAM), SQUARE, "neck", (4, 4)),
    "naflexvit": Case(
        timm("naflexvit_base_patch16_gap", embed_dim=24, depth=2, num_heads=2),
        SQUARE,
        "blocks.1",
        (4, 4),
    ),
    # Its class tokens count, and so do its tokens.
    "volo": Case(
        of_timm(
            "volo",
            "VOLO",
            layers=(1, 1, 1, 1),
            img_size=64,
            embed_dims=(16, 24, 24, 24),
            num_heads=(2, 2, 2, 2),
            mlp_ratio=(2, 2, 2, 2),
            stem_hidden_dim=8,
        ),
        SQUARE,
        "norm",
        (4, 4),
    ),
    # Windows and stages.
    "swin_v2 of torchvision": Case(swin_v2, SQUARE, "norm", (8, 8)),
    "swinv2": Case(timm("swinv2_tiny_window8_256", **SWIN), SQUARE, "norm", (8, 8)),
    "swinv2_cr": Case(timm("swinv2_cr_tiny_224", **SWIN), SQUARE, "stages", (8, 8)),
    "hiera": Case(
        timm("hiera_tiny_224", img_size=64, embed_dim=12, stages=(1, 1, 1, 1)),
        SQUARE,
        "blocks.3",
        (2, 2),
    ),
    "pvt": Case(timm("pvt_v2_b0"), WIDE, "stages", (2, 3)),
    "twins_pcpvt": Case(timm("twins_pcpvt_small", **TWINS), SQUARE, "norm", (2, 2)),
    "twins_svt": Case(timm("twins_svt_small", **TWINS), SQUARE, "norm", (2, 2)),
    "davit": Case(timm("davit_tiny", **DAVIT), WIDE, "stages", (2, 3)),
    "nest": Case(
        of_timm(
            "nest",
            "Nest",
            img_size=64,
            embed_dims=(8, 16, 24),
            depths=(1, 1, 1),
            num_heads=(1, 2, 2),
        ),
        SQUARE,
        "norm",
        (4, 4),
    ),
    "sequencer": Case(of_timm("sequencer", "Sequencer2d", **SEQUENCER), SQUARE, "norm", (4, 4)),
    # Perceptrons.
    "mixer": Case(mixer("MixerBlock", patch_size=32), SQUARE, "norm", (2, 2)),
    "gmlp": Case(
        mixer("SpatialGatingBlock", "GatedMlp", patch_size=16, mlp_ratio=6), SQUARE, "norm", (4, 4)
    ),
    "resmlp": Case(mixer("ResBlock", patch_size=16, mlp_ratio=4), SQUARE, "norm", (4, 4)),
}

SEGMENTERS: dict[str, Case] = {
    # The coarsest features of the encoder, as Seg-Grad-CAM takes them.
    **{
        name: Case(smp(name), SQUARE, "encoder[5]", (2, 2), "pixel:40,20")
        for name in ("FPN", "Linknet", "MAnet", "Segformer")
    },
    # Dilated, so that the encoder ends at a stride of 16.
    "DeepLabV3Plus": Case(smp("DeepLabV3Plus"), SQUARE, "encoder[5]", (4, 4), "pixel:40,20"),
    "lraspp of torchvision": Case(
        tv_segmenter("lraspp_mobilenet_v3_large"), SQUARE, "backbone.16", (4, 4), "pixel:40,20"
    ),
    "deeplabv3 of torchvision": Case(
        tv_segmenter("deeplabv3_mobilenet_v3_large"), SQUARE, "backbone.16", (4, 4), "pixel:40,20"
    ),
}


def ready(build: Callable[[], nn.Module]) -> nn.Module:
    """In evaluation mode; weights that come as zeros, of heads and residual scales, are not."""
    torch.manual_seed(0)
    net = build().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1 and not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return net


def state(net: nn.Module) -> dict[str, Any]:
    """What an explanation must leave as it was, but for the values of the weights."""
    return {
        "modes": [module.training for module in net.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in net.modules()],
        "backward": [len(module._backward_hooks) for module in net.modules()],
        "forwards": ["forward" in vars(module) for module in net.modules()],
        "learning": [parameter.requires_grad for parameter in net.parameters()],
        "gradients": [parameter.grad for parameter in net.parameters()],
    }


@pytest.mark.parametrize("name", [*CASES, *SEGMENTERS])
def test_an_architecture(name):
    case = (CASES | SEGMENTERS)[name]
    net, images = ready(case.build), nets.images(2, 3, *case.size)
    before, weights = state(net), {key: x.clone() for key, x in net.state_dict().items()}
    both = explain(net, images, case.target, "hirescam")
    assert (both[0].layer, both[0].grid) == (case.layer, case.grid)
    assert all(e.raw.any() for e in both)
    (single,) = explain(net, images[1:], case.target, "hirescam")
    scale = both[1].raw.abs().max()
    torch.testing.assert_close(single.raw / scale, both[1].raw / scale, rtol=0, atol=1e-3)
    assert state(net) == before
    after = net.state_dict()
    assert all(torch.equal(weights[key], after[key]) for key in weights)


def test_the_zoo_is_large():
    assert len(CASES | SEGMENTERS) > 70
