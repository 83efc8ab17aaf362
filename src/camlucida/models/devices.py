"""The device that a model is put on."""

from __future__ import annotations

import torch

from camlucida.core.errors import UsageError


def find_device(name: str | torch.device) -> torch.device:
    """A device that this machine has.

    Args:
        name: of a device; ``auto`` for CUDA, else Apple's GPU, else the CPU.

    Raises:
        UsageError: there is no such device, or not here.

    >>> find_device("cpu")
    device(type='cpu')
    """
    if str(name) == "auto":
        return _best()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device {name!r}", 'known: "auto", "cpu", "cuda", "cuda:1", "mps"'
        ) from error
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(
            f"device {str(name)!r} requested, but PyTorch sees {count} CUDA devices",
            'use "cpu" or "auto", or install PyTorch with CUDA',
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError('device "mps" requested, but there is none here', 'use "cpu" or "auto"')
    return device


def _best() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
