"""What autograd raises, as one line that names the cause and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from camlucida.core.errors import LayerError, ModelError

_WITHOUT = "scorecam, ablationcam and eigencam need no gradient"

_CAUSES: Sequence[tuple[str, str, str]] = (
    (
        r"cudnn RNN backward",
        "cuDNN gives no gradient of a recurrent layer in evaluation mode",
        "call it within torch.backends.cudnn.flags(enabled=False) in forward",
    ),
    (
        r"out of memory",
        "the gradient needs more memory than there is",
        "use a smaller --batch-size",
    ),
    (
        r"backward through the graph a second time|freed",
        "the model keeps tensors of an earlier forward pass, whose graph is gone",
        f"detach what forward keeps for the next call; {_WITHOUT}",
    ),
    (
        r"derivative for .* is not implemented|not implemented the .*backward|no derivative",
        "an operation of the model has no derivative",
        _WITHOUT,
    ),
)
"""Pattern of PyTorch's message, what it means, how to mend it."""


class InPlaceError(ModelError):
    """An in-place operation changed a tensor that the gradient needs."""

    code = "in_place"


class MixedBatchError(LayerError):
    """The rows of a layer, or of the output, are not those of the images of the batch."""

    code = "mixed_batch"


def shared_out(layer: str, rows: int, images: int) -> MixedBatchError:
    """The error of a layer that saw a part of the batch.

    Args:
        layer: as it was requested.
        rows: images that it saw.
        images: of the batch.
    """
    return MixedBatchError(
        f"layer {layer!r} saw {rows} of {images} images: the model shares the images of a batch "
        "out among its parts",
        "explain one image at a time: batch_size = 1",
    )


@contextmanager
def differentiating() -> Iterator[None]:
    """What a backward pass raises becomes one line.

    Raises:
        InPlaceError: the model overwrote a tensor that the gradient needs.
        ModelError: anything else that PyTorch or a backward function of the model's raises.

    >>> x = torch.ones(2, requires_grad=True)
    >>> y = x.sigmoid()
    >>> _ = y.mul_(2)
    >>> with differentiating():
    ...     torch.autograd.grad(y.sum(), x)
    Traceback (most recent call last):
        ...
    camlucida.attribution.capture_errors.InPlaceError: an in-place operation of the model ...
    """
    try:
        yield
    except Exception as error:  # a backward function of the model's own may raise anything
        raise _named(error) from error


def _named(error: Exception) -> ModelError:
    message = " ".join(str(error).split())
    if "modified by an inplace operation" in message:
        return InPlaceError(
            f"an in-place operation of the model changes {_changed(message)} after it was "
            "computed, and the gradient needs it as it was",
            f"write y = y * 2, not y.mul_(2) or y *= 2, in forward; {_WITHOUT}",
        )
    for pattern, what, fix in _CAUSES:
        if re.search(pattern, message, re.IGNORECASE):
            return ModelError(f"{what}: {_first_sentence(message)}", fix)
    return ModelError(
        f"the gradient of the score cannot be computed: {_first_sentence(message)}", _WITHOUT
    )


def _changed(message: str) -> str:
    """The tensor that an in-place operation changed, in words."""
    match = re.search(r"\[\S+ (\[[\d, ]*\])\](?:, which is output \d+ of (\w+),)?", message)
    if match is None:
        return "a tensor"
    size, operation = match.groups()
    shape = size.replace("[", "(").replace("]", ")")
    made_by = "" if operation is None else f" of {operation.removesuffix('Backward0')}"
    return f"the output{made_by} of shape {shape}" if made_by else f"a tensor of shape {shape}"


def _first_sentence(message: str) -> str:
    first, _, _ = message.partition(". ")
    return first.rstrip(".")


@contextmanager
def values_kept() -> Iterator[None]:
    """Forward passes keep copies of what the gradient needs: in-place operations may follow.

    Costs memory and time for the copies; for models that :class:`InPlaceError` was raised of.

    >>> x = torch.zeros(2, requires_grad=True)
    >>> with values_kept():
    ...     y = x.sigmoid()
    >>> _ = y.mul_(2)
    >>> torch.autograd.grad(y.sum(), x)
    (tensor([0.5000, 0.5000]),)
    """

    def copy(tensor: Tensor) -> Tensor:
        return tensor.detach().clone()

    def unchanged(tensor: Tensor) -> Tensor:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(copy, unchanged):
        yield
