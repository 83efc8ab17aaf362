"""Networks of segmentation-models-pytorch, with decoders of any shape."""

import json

import pytest
import torch

from camlucida.core.errors import ModelError
from camlucida.models import load_model
from camlucida.models.checkpoint import load_state
from camlucida.models.recognise import recognise
from camlucida.models.segmenters import named_segmenter
from tests.support.networks import codes, same_output, settled

smp = pytest.importorskip("segmentation_models_pytorch")


SMALL = "mobilenet_v2"
FEW = {"decoder_channels": (16, 12, 8, 6, 4)}
DECODERS = {
    "Unet, by default": ("Unet", {"classes": 2}),
    "Unet, four levels, attention": (
        "Unet",
        {"encoder_depth": 4, "decoder_attention_type": "scse"}
        | {"decoder_channels": (32, 32, 16, 16)},
    ),
    "Unet, no norm, grey": ("Unet", {**FEW, "decoder_use_norm": False, "in_channels": 1}),
    "Unet, instance norm": (
        "Unet",
        {**FEW, "decoder_use_norm": {"type": "instancenorm", "affine": True}},
    ),
    "Unet that also classifies": ("Unet", {**FEW, "aux_params": {"classes": 3}}),
    "UnetPlusPlus": ("UnetPlusPlus", FEW),
    "MAnet": ("MAnet", {**FEW, "decoder_pab_channels": 8}),
    "Linknet": ("Linknet", {}),
    "FPN": ("FPN", {"decoder_pyramid_channels": 16, "decoder_merge_policy": "cat"}),
    "PSPNet, four levels": (
        "PSPNet",
        {"encoder_depth": 4, "upsampling": 16, "psp_out_channels": 32},
    ),
    "DeepLabV3": ("DeepLabV3", {"decoder_channels": 16, "decoder_aspp_separable": True}),
    "DeepLabV3Plus": ("DeepLabV3Plus", {"decoder_channels": 16}),
    "PAN": ("PAN", {"decoder_channels": 8}),
    "UPerNet": ("UPerNet", {"decoder_channels": 16}),
    "Segformer": ("Segformer", {"encoder_name": "mit_b0", "decoder_segmentation_channels": 16}),
}
PREFIXES = ("", "module.", "net.", "model.segmentor._orig_mod.")


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_is_built_as_its_shapes_are(tmp_path, name):
    architecture, args = DECODERS[name]
    whole = {"encoder_name": SMALL, "encoder_weights": None, **args}
    model = settled(getattr(smp, architecture)(**whole))
    prefix = PREFIXES[len(name) % len(PREFIXES)]
    state = {f"{prefix}{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "m.ckpt")
    recognised = recognise(tmp_path / "m.ckpt", task="segmentation")
    assert recognised.card.factory == f"smp:{architecture}"
    shown = " ".join(args)
    assert ("decoder.built" in codes(recognised)) == ("decoder" in shown or "depth" in shown)
    if "aux_params" in args:
        assert "decoder.classifies" in codes(recognised)
    loaded = load_model(recognised.card, device="cpu")
    side = 128 if architecture == "PAN" else 64
    x = torch.randn(2, whole.get("in_channels", 3), side, side)
    with torch.no_grad():
        outputs, expected = loaded.module(x), model(x)
    if "aux_params" in args:
        outputs, expected = outputs[0], expected[0]
    assert torch.equal(outputs, expected)


def test_an_encoder_of_few_levels_is_the_stated_one_and_so_is_the_interpolation(tmp_path):
    args = {"encoder_depth": 3, "decoder_channels": (16, 12, 8)}
    args["decoder_interpolation"] = "bilinear"
    model = settled(smp.Unet("tu-resnet18", encoder_weights=None, **args))
    torch.save(model.state_dict(), tmp_path / "m.pth")
    with pytest.raises(ModelError, match="no model that can be recognised"):
        recognise(tmp_path / "m.pth", task="segmentation")
    stated = {"encoder_name": "tu-resnet18", "decoder_interpolation": "bilinear"}
    (tmp_path / "config.json").write_text(json.dumps(stated))
    recognised = recognise(tmp_path / "m.pth", task="segmentation")
    assert "stated.interpolation" in codes(recognised)
    same_output(model, recognised.card)


def test_a_network_that_is_named_has_the_decoder_of_the_file(tmp_path):
    model = settled(smp.FPN(SMALL, encoder_weights=None, decoder_pyramid_channels=16))
    state = {f"net.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, tmp_path / "m.pth")
    recognised = named_segmenter(load_state(tmp_path / "m.pth"), "FPN", SMALL)
    assert recognised.card.args["decoder_pyramid_channels"] == 16
    same_output(model, recognised.update(checkpoint=str(tmp_path / "m.pth")).card)


def test_an_encoder_that_is_named(tmp_path):
    torch.save(smp.Unet("vgg11", encoder_weights=None).state_dict(), tmp_path / "m.pth")
    assert (
        recognise(tmp_path / "m.pth", task="segmentation", encoder="vgg11").card.args[
            "encoder_name"
        ]
        == "vgg11"
    )
    with pytest.raises(ModelError, match="vgg99"):
        recognise(tmp_path / "m.pth", task="segmentation", encoder="vgg99")
    with pytest.raises(ModelError, match="the weights of the encoder vgg11, not of resnet18"):
        recognise(tmp_path / "m.pth", task="segmentation", encoder="resnet18")
