"""Networks that answer differently to different pictures, without training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def settled(net: nn.Module, *inputs: Tensor, head: nn.Linear, spread: float = 1.5) -> nn.Module:
    """``net`` in eval mode, with statistics of these inputs in its norms.

    A network with random weights answers nearly the same to every picture. Here the outputs of
    ``head`` over the inputs have mean 0 and standard deviation ``spread``.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        net.train()
        net(*inputs)
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        net.eval()
        outputs = net(*inputs)
        scale = spread / outputs.std(0).clamp_min(1e-6)
        head.weight *= scale[:, None]
        head.bias.copy_((head.bias - outputs.mean(0)) * scale)
    return net


def normalised(pixels: np.ndarray) -> Tensor:
    """(H, W) or (H, W, 3) uint8 → (3, H, W), as training on ImageNet weights has it."""
    grey = np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels
    values = torch.from_numpy(grey.copy()).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    return (values - mean) / std
