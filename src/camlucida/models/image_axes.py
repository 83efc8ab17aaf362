"""How to put the axes of images in the order (B, C, *spatial), where they are in another."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_CHANNELS = 4
"""A last axis of so few is one of channels: no image is as narrow."""

_LONGEST = 8
"""Times as long as wide an image is at most; a signal of many leads is longer."""


def has_channels_last(shape: Sequence[int]) -> bool:
    """Whether a batch has one channel, or three, on its last axis.

    Args:
        shape: (B, *axes).

    >>> has_channels_last((1, 64, 64, 3)), has_channels_last((1, 3, 64, 64))
    (True, False)

    An electrocardiogram of twelve leads has channels first:

    >>> has_channels_last((1, 12, 5000, 1))
    False
    """
    if len(shape) <= 3 or shape[-1] not in (1, 3):
        return False
    shortest, longest = min(shape[1:-1]), max(shape[1:-1])
    return shortest > _MOST_CHANNELS and longest <= _LONGEST * shortest


def axes_fix(shape: Sequence[int], error: str = "") -> str:
    """What to write for images of another order of axes.

    Args:
        shape: of what was given.
        error: what the model raised, if it did.

    Returns:
        "" where nothing shows that the axes are in another order.

    >>> axes_fix((8, 224, 224, 3))
    'channels come before rows and columns: give x.permute(0, 3, 1, 2)'
    >>> axes_fix((224, 224, 3))
    'channels come before rows and columns: give x.permute(2, 0, 1)[None]'
    >>> axes_fix((1, 16, 64, 64), "expected 5D input (got 4D input)")
    'volumes have five axes (B, C, D, H, W): give x[None] of one (C, D, H, W), x[:, None] of ...'
    """
    last = len(shape) - 1
    if last >= 2 and shape[-1] <= _MOST_CHANNELS < min(shape[max(last - 2, 0) : last]):
        spatial = range(1, last) if last > 2 else range(last)
        order = ", ".join(map(str, (last, *spatial)))
        call = f"x.permute(0, {order})" if last > 2 else f"x.permute({order})[None]"
        return f"channels come before rows and columns: give {call}"
    if len(shape) == 2:
        return "images have four axes (B, C, H, W): give x[None, None] of one (H, W)"
    if len(shape) == 3:
        return (
            "images have four axes (B, C, H, W): give x[None] of one (C, H, W), x[:, None] of many "
            "(B, H, W)"
        )
    if len(shape) == 4 and ("5D" in error or "5-D" in error):
        return (
            "volumes have five axes (B, C, D, H, W): give x[None] of one (C, D, H, W), x[:, None] "
            "of many (B, D, H, W)"
        )
    return ""
