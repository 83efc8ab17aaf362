"""Against Captum 0.9.0, whose methods of pixels and whose Grad-CAM follow their papers."""

import pytest
import torch

from camlucida import explain
from tests.support import peers
from tests.support.reference.nets import conv_net

attr = pytest.importorskip("captum.attr", reason="the peer is not installed")
LABEL = 1
METHODS = {
    "gradcam": lambda net: attr.LayerGradCam(net, net.act),
    "guided_backprop": lambda net: attr.GuidedBackprop(net),
    "input_x_gradient": lambda net: attr.InputXGradient(net),
    "integrated_gradients": lambda net: attr.IntegratedGradients(net),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_map_is_captums(method):
    net, inputs = conv_net(dtype=torch.float64)
    x = inputs[:1]
    options = {"n_steps": 32} if method == "integrated_gradients" else {}
    with peers.quiet(net):
        theirs = METHODS[method](net).attribute(x, target=LABEL, **options)
    (mine,) = explain(net, x, LABEL, method, "act" if method == "gradcam" else "auto")
    expected = theirs.detach().sum(1)[0]
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(mine.raw.double(), expected, rtol=0, atol=1e-6 * scale)


def test_captum_enlarges_the_grad_cam_of_guided_gradcam_by_the_nearest_cell():
    net, inputs = conv_net(dtype=torch.float64)
    x = inputs[:1]
    (mine,) = explain(net, x, LABEL, "guided_gradcam", "act")
    with peers.quiet(net):
        peer = attr.GuidedGradCam(net, net.act)
        options = {"target": LABEL, "interpolate_mode": "bilinear"}
        linear = peer.attribute(x, **options).detach().sum(1)[0]
        nearest = peer.attribute(x, target=LABEL).detach().sum(1)[0]
    scale = float(linear.abs().max())
    torch.testing.assert_close(mine.raw.double(), linear, rtol=0, atol=1e-6 * scale)
    assert float((linear - nearest).abs().max()) > 0.01 * scale
