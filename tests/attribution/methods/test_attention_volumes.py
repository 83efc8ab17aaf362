"""A transformer of volumes one slice deep gives the maps of the same transformer of images."""

import pytest
import torch
from torch import nn

import camlucida as cl

nets = pytest.importorskip("monai.networks.nets")

SIZE, PATCH = (16, 24), (4, 4)


class Logits(nn.Module):
    """MONAI's ViT without the hidden states that it returns beside its output."""

    def __init__(self, spatial_dims, **sides):
        super().__init__()
        self.vit = nets.ViT(
            in_channels=1,
            **{"hidden_size": 8, "mlp_dim": 16, "num_layers": 2, "num_heads": 2},
            **{"classification": True, "num_classes": 3, "post_activation": None},
            spatial_dims=spatial_dims,
            **sides,
        )

    def forward(self, x):
        return self.vit(x)[0]


@pytest.fixture(scope="module")
def pair():
    """The same weights for images and for volumes of one slice."""
    torch.manual_seed(0)
    flat = Logits(2, img_size=SIZE, patch_size=PATCH).eval()
    deep = Logits(3, img_size=(1, *SIZE), patch_size=(1, *PATCH)).eval()
    shapes = {name: value.shape for name, value in deep.state_dict().items()}
    state = {name: value.reshape(shapes[name]) for name, value in flat.state_dict().items()}
    deep.load_state_dict(state)
    return flat, deep


@pytest.mark.parametrize(
    "method", ["attention_rollout", "gradient_rollout", "legrad", "gradcam", "eigencam"]
)
def test_a_volume_of_one_slice_is_an_image(pair, method):
    flat, deep = pair
    image = torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    (of_image,) = cl.explain(flat, image, target=1, method=method)
    (of_volume,) = cl.explain(deep, image[:, :, None], target=1, method=method)
    assert tuple(of_volume.grid) == (1, *of_image.grid)
    assert of_image.raw.std() > 0
    assert torch.allclose(of_volume.raw[0], of_image.raw, atol=1e-6, rtol=1e-6)
