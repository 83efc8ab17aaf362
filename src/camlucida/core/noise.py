"""Noisy copies of an image, the same on every run and every device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

SEED = 0

_GENERATOR = threading.RLock()


@contextmanager
def generator_kept() -> Iterator[None]:
    """The CPU's random state is afterwards what it was before, whatever a model draws inside.

    One thread at a time: another's would be put back over this one's.

    >>> before = torch.get_rng_state()
    >>> with generator_kept():
    ...     _ = torch.rand(1)
    >>> torch.equal(torch.get_rng_state(), before)
    True
    """
    with _GENERATOR, torch.random.fork_rng(devices=[]):
        yield


def random_state(device: torch.device) -> Tensor:
    """The state of a device's generator of random numbers, which each number changes.

    Args:
        device: the CPU or a GPU.
    """
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.get_rng_state()


def noisy(image: Tensor, count: int, deviation: float, seed: int = SEED) -> Tensor:
    """Copies of an image with Gaussian noise.

    Args:
        image: (C, *spatial).
        count: of copies.
        deviation: standard deviation of the noise, as a share of the image's range (SmoothGrad's
            noise level).
        seed: of the noise; the global generator is left alone.

    Returns:
        (count, C, *spatial).

    >>> copies = noisy(torch.tensor([[0.0, 10.0]]), 2000, 0.1)
    >>> copies.shape, round(float(copies.std(0).mean()), 1)
    (torch.Size([2000, 1, 2]), 1.0)
    """
    generator = torch.Generator().manual_seed(seed)
    # Drawn on the CPU and in one type, so that every device and precision sees the same noise.
    noise = torch.randn((count, *image.shape), generator=generator)
    scale = deviation * (image.max() - image.min())
    return image + scale * noise.to(image)
