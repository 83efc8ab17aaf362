"""The same map on the CPU and on a CUDA device, for every method and kind of network."""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.attribution.methods import METHODS
from camlucida.models import load_model
from camlucida.phantom import film, model_cards
from tests.support import nets, transformers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(autouse=True)
def full_precision():
    """TF32 keeps 10 bits of a product's factors, which would hide what this package does."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False, deterministic=True):
        yield


def both(
    net: nn.Module, inputs: torch.Tensor, method: str, layer: str, dtype: torch.dtype
) -> list[np.ndarray]:
    found = []
    for device in ("cpu", "cuda"):
        here = net.to(device, dtype)
        maps = explain(here, inputs.to(device, dtype), [0, 1], method, layer=layer)
        found.append(np.stack([e.raw.cpu().double().numpy() for e in maps]))
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "refinecam"])
def test_every_method_gives_the_map_of_the_cpu(method, dtype, tolerance):
    """``features`` precedes an in-place ReLU, which must not change the capture on a GPU."""
    net, inputs = nets.seeded(nets.Cnn()), nets.images(3, 3, 12, 10)
    if method in nets.ATTENTION:
        net, inputs = nets.seeded(transformers.Vit()), nets.images(3, 3, 32, 48)
    layer = "act" if method == "cam" else "features"
    cpu, cuda = both(net, inputs, method, layer, dtype)
    largest = np.abs(cpu).max()
    assert largest > 0
    np.testing.assert_allclose(cuda, cpu, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("name", list(model_cards()))
def test_packaged_models_see_a_film_alike(name):
    image = (
        torch.as_tensor(film(9_100_000, ["pneumothorax"], "PORT", 256).image)[None, None].float()
        / 127.5
        - 1
    )
    maps = []
    for device in ("cpu", "cuda"):
        model = load_model(model_cards()[name], device=device)
        maps.append(
            explain(
                model,
                image,
                target="pneumothorax",
                method=["gradcam", "hirescam", "layercam", "ablationcam"],
            )
        )
    for cpu, cuda in zip(*maps):
        assert cuda.score == pytest.approx(cpu.score, rel=1e-4, abs=1e-4)
        np.testing.assert_allclose(
            cuda.raw.cpu(), cpu.raw, rtol=0, atol=1e-3 * float(cpu.raw.abs().max())
        )


def test_a_model_on_cuda_stays_there_and_is_left_as_it_was():
    net = nets.seeded(nets.Cnn()).cuda().train()
    explain(net, nets.images(2, 3, 12, 10).cuda(), 1, layer="features")
    assert next(net.parameters()).is_cuda
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
    assert all(p.grad is None for p in net.parameters())
