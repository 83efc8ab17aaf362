"""Whether a model is run in bfloat16, where nothing but the time of many forward passes matters."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

_FAST = ("avx512_bf16", "amx_bf16")
"""Instructions that multiply numbers of 16 bits at twice the rate of 32, or more."""


@cache
def processor_is_fast() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32.

    Its instructions tell, and nothing is timed: on a busy machine the precision of a map would be
    left to chance.
    """
    capabilities: dict[str, object] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # newer than PyTorch 2.10
    return any(capabilities.get(name) is True for name in _FAST)


def runs_faster(model: nn.Module, images: Tensor) -> bool:
    """Whether altered images take less time in bfloat16: in float32, on such a processor.

    Args:
        model: that would be run.
        images: of any number.
    """
    if images.device.type != "cpu" or images.dtype != torch.float32:
        return False
    types = {each.dtype for each in model.parameters() if each.is_floating_point()}
    return types == {torch.float32} and processor_is_fast()
