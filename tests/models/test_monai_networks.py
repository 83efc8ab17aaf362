"""Networks of MONAI, of images, volumes and stacked slices: the layer that is taken, its maps."""

import warnings

import pytest
import torch
from torch import nn

import camlucida as cl
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import NoEvidenceError
from tests.support.nets import ATTENTION

nets = pytest.importorskip("monai.networks.nets")

UNET = {"channels": (2, 4, 8), "strides": (2, 2)}


def stacked():
    """A classifier of five slices as channels."""
    features = [nn.Conv2d(5, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(4, 2))


NETWORKS = {
    "DenseNet121, volumes": (lambda: nets.DenseNet121(3, 1, 2), (1, 32, 32, 32), None, (2, 2, 2)),
    "ResNet-10, volumes": (
        lambda: nets.resnet10(spatial_dims=3, n_input_channels=1, num_classes=2),
        (1, 32, 32, 32),
        None,
        (2, 2, 2),
    ),
    "UNet, volumes": (
        lambda: nets.UNet(3, 1, 2, **UNET),
        (1, 16, 16, 16),
        "segmentation",
        (4, 4, 4),
    ),
    "UNet, images": (lambda: nets.UNet(2, 1, 2, **UNET), (1, 32, 32), "segmentation", (8, 8)),
    "SegResNet, volumes": (
        lambda: nets.SegResNet(3, 8, 1, 2),
        (1, 16, 16, 16),
        "segmentation",
        None,
    ),
    "SwinUNETR, images": (  # of volumes it needs 64 voxels a side, which take a minute
        lambda: nets.SwinUNETR(in_channels=1, out_channels=2, feature_size=12, spatial_dims=2),
        (1, 64, 64),
        "segmentation",
        None,
    ),
    "DenseNet121, images": (lambda: nets.DenseNet121(2, 1, 2), (1, 64, 64), None, (2, 2)),
    "stacked slices": (stacked, (5, 16, 16), None, (16, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_explained_at_its_own_layer(name):
    build, shape, task, grid = NETWORKS[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's own imports
        net = build().eval()
    image = torch.rand(1, *shape)
    explanations = cl.explain(net, image, method=["gradcam", "eigencam"], task=task)
    for explanation in explanations:
        assert len(explanation.grid) == len(shape) - 1
        assert grid is None or explanation.grid == grid
        assert explanation.raw.abs().max() > 0
        assert explanation.numpy().shape == shape[1:]


def small_densenet():
    blocks = {"init_features": 8, "growth_rate": 4, "block_config": (2, 2, 2)}
    return nets.DenseNet(3, 1, 3, **blocks)


EVERY_METHOD = {
    "DenseNet, volumes": (small_densenet, (1, 32, 32, 32), None, {"xrai"}),
    "UNet, volumes": (
        lambda: nets.UNet(3, 1, 3, act="RELU", **UNET),
        (1, 16, 24, 16),
        "segmentation",
        # No pooled linear head, no similar label; instance norms have no rule of relevance.
        {"xrai", "cam", "finercam", "lrp", "relevancecam"},
    ),
    "stacked slices": (stacked, (5, 16, 16), None, {"refinecam"}),  # of one grid
}
"""Network, shape of its input, task, and the methods that refuse it beside those of attention."""


@pytest.mark.parametrize("name", EVERY_METHOD)
@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_has_a_map_or_a_reason(name, method):
    build, shape, task, refused = EVERY_METHOD[name]
    if method in ("lrp", "relevancecam"):
        pytest.importorskip("zennit", reason="rules of relevance propagation, an optional extra")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's own imports
        net = build().eval()
    image = torch.rand(1, *shape)
    target = None if task else 0
    if method in refused or method in ATTENTION:
        with pytest.raises(NoEvidenceError):
            cl.explain(net, image, target, method, task=task)
        return
    (explanation,) = cl.explain(net, image, target, method, task=task)
    assert explanation.raw.isfinite().all()
    assert explanation.raw.any()
    assert explanation.numpy().shape == shape[1:]
