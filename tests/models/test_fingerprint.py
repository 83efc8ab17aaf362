"""The table of architectures: current, and the same whatever the use of a network."""

import sys

import pytest
import torch

from camlucida.models.fingerprint import TABLE, body_digest, named, style_of
from tests.support.paths import REPOSITORY

timm = pytest.importorskip("timm")
pytest.importorskip("segmentation_models_pytorch")

SAMPLE = (
    *("torchvision:resnet18", "torchvision:vgg11_bn", "torchvision:convnext_tiny"),
    *("timm:efficientnet_b0", "timm:vit_tiny_patch16_224", "timm:regnety_002", "timm:dla34"),
    *("encoder:resnet18", "encoder:mit_b0", "encoder:tu-convnext_atto"),
)


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    try:
        import architecture_table
    finally:
        sys.path.pop(0)
    return architecture_table


def test_the_table_is_of_these_versions(script):
    text = (REPOSITORY / "src/camlucida/models" / TABLE).read_text("utf-8")
    first, *rows = text.splitlines()
    assert first == script.versions(), "run: python scripts/architecture_table.py"
    listed = {name for row in rows for name in row.split("\t")[-1].split(" ")}
    factories = {name for name in script.names() if not name.startswith("encoder:")}
    assert len(factories - listed) <= 3


@pytest.mark.parametrize("name", SAMPLE)
def test_the_table_is_current(script, name):
    kind, style, digest = script.row(name)
    shapes = script.shapes_of(name)
    assert body_digest(shapes, style) == digest
    assert name.removeprefix("encoder:") in named(kind, style, shapes)


def test_uses_of_a_network_have_one_fingerprint():
    def fingerprint(**args):
        with torch.device("meta"):
            state = timm.create_model("vit_tiny_patch16_224", **args).state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
        style = style_of(shapes, ("head",))
        return style, body_digest(shapes, style)

    usual = fingerprint()
    assert fingerprint(num_classes=3) == usual
    assert fingerprint(in_chans=1) == usual
    assert fingerprint(img_size=64) == usual
