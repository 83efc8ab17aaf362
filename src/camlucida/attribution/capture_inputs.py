"""Which of a model's image inputs a layer saw, so that its map is laid over that image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from camlucida.attribution.capture_breaks import altered
from camlucida.attribution.watch import Captured
from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import Message, declare
from camlucida.models.remembered import Remembered
from camlucida.models.state import forwarding, items_of, main_tensor

declare(
    "image_inputs",
    {
        "several": (
            "Layer {layer} sees inputs {inputs} together, so its map lies over none of them."
        ),
        "unknown": (
            "Which input layer {layer} sees is not known, so its map lies over none of them."
        ),
    },
)

_Key = tuple[str, tuple[tuple[int, ...], ...]]

_SEEN: Remembered[_Key, tuple[int, ...]] = Remembered()
"""Layer and sizes of the inputs → the images that the layer saw."""


def image_inputs(inputs: Sequence[Tensor]) -> tuple[int, ...]:
    """Which inputs are images: of floating-point numbers and with spatial axes.

    Args:
        inputs: what the model is called with; the first is the image batch (B, C, *spatial).

    Returns:
        Their positions, the first of which is 0. A table (B, F) is none, nor is a sequence of
        tokens beside an image.

    >>> image, table = torch.zeros(1, 3, 8, 8), torch.zeros(1, 5)
    >>> image_inputs((image, table, torch.zeros(1, 1, 16, 16)))
    (0, 2)
    """
    axes = inputs[0].ndim
    return tuple(
        position
        for position, tensor in enumerate(inputs)
        if tensor.is_floating_point() and (tensor.ndim == axes or tensor.ndim >= 4)
    )


def find_images(model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured]) -> None:
    """Note in each layer which images it saw: ``Captured.images``.

    Each image in turn is replaced by another, and the layer's output either follows or not. This
    takes a forward pass for each image and one more, once a model, layer and input size. A gradient
    would cost less and miss what the model runs under ``no_grad``.

    Args:
        model: a plain module, frozen.
        inputs: what it was called with.
        layers: as they were captured; changed in place.
    """
    images = image_inputs(inputs)
    if len(images) < 2:
        return
    remembered = _SEEN.of(model)
    sizes = tuple(tuple(tensor.shape) for tensor in inputs)
    unknown = [layer for layer in layers if (str(layer.ref), sizes) not in remembered]
    if unknown:
        before = layer_outputs(model, inputs, unknown)
        changes = []
        for image in images:
            other = (*inputs[:image], altered(inputs[image]), *inputs[image + 1 :])
            after = layer_outputs(model, other, unknown)
            changes.append([_changed(*pair) for pair in zip(before, after)])
        for number, layer in enumerate(unknown):
            of_layer = [changed[number] for changed in changes]
            remembered[str(layer.ref), sizes] = _seen(images, of_layer)
    for layer in layers:
        layer.images = remembered[str(layer.ref), sizes]


def layer_outputs(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured]
) -> list[Tensor | None]:
    """Each layer's output in the call in which it was captured, of one more forward pass.

    Args:
        model: a plain module.
        inputs: what it is called with.
        layers: as they were captured before.

    Returns:
        As the layer's module returns it; None if it does not run.
    """
    return run_with_layers(model, inputs, layers)[1]


@torch.no_grad()
def run_with_layers(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured]
) -> tuple[Any, list[Tensor | None]]:
    """What the model returns in one more forward pass, and what layers put out in it.

    Args:
        model, inputs, layers: as of :func:`layer_outputs`.

    Returns:
        As the model returns it, None if it does not run; and as of :func:`layer_outputs`.
    """
    outputs: dict[int, Tensor] = {}
    handles = [
        model.get_submodule(layer.ref.path).register_forward_hook(_keep(layer, number, outputs))
        for number, layer in enumerate(layers)
    ]
    try:
        with forwarding(inputs) as given:
            returned = model(*given)
    except CamlucidaError:  # a model may refuse pixels of these values
        return None, [None] * len(layers)
    finally:
        for handle in handles:
            handle.remove()
    return returned, [outputs.get(number) for number in range(len(layers))]


def _keep(layer: Captured, number: int, outputs: dict[int, Tensor]) -> Callable[..., None]:
    calls = 0

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == layer.call + 1:
            index = layer.ref.index
            tensor = main_tensor(output) if index is None else items_of(output)[index]
            # A clone, for what follows may change it in place.
            outputs[number] = cast(Tensor, tensor).detach().clone()

    return keep


def _changed(before: Tensor | None, after: Tensor | None) -> bool | None:
    if before is None or after is None or before.shape != after.shape:
        return None
    first, second = before.float(), after.float()
    # On a GPU the same numbers may come out differently rounded.
    tolerance = 1e-5 * first.abs().amax()
    return bool(((first - second).abs() > tolerance).any())


def _seen(images: Sequence[int], follows: Sequence[bool | None]) -> tuple[int, ...]:
    if None in follows:
        return ()
    return tuple(image for image, changed in zip(images, follows) if changed)


def no_picture(layer: Captured) -> Message | None:
    """Why the map of a layer lies over no image.

    Args:
        layer: after :func:`find_images`, and the search for misplaced grids.

    Returns:
        None where it lies over one.
    """
    if len(layer.images) == 1:
        return layer.misplaced
    if not layer.images:
        return Message("image_inputs.unknown", {"layer": str(layer.ref)})
    numbers = [str(image + 1) for image in layer.images]
    return Message("image_inputs.several", {"layer": str(layer.ref), "inputs": numbers})
