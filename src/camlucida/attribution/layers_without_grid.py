"""Why a layer that was named has no grid, and which one to name instead."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from camlucida.core.errors import LayerError
from camlucida.models.firings import Firing
from camlucida.models.grids import has_one_cell
from camlucida.models.layers import LayerRef

_NO_MAP = "a class activation map is not defined"


def no_layer(firings: Sequence[Firing]) -> LayerError:
    """The error of a model none of whose layers has a grid.

    Args:
        firings: of a survey of the model.

    >>> print(no_layer([Firing(LayerRef("fc"), "Linear", (1, 2), depends=True)]).what)
    no layer of this model has a spatial grid
    """
    if any(firing.depends and has_one_cell(firing.shape) for firing in firings):
        return LayerError(
            "no layer of this model has more than one cell on images of this size, and a map of "
            "one cell shows nothing of place",
            "give larger images, or a model that keeps rows and columns",
        )
    if any(firing.complex and len(firing.shape) > 3 for firing in firings):
        return LayerError(
            f"layers of this model return complex numbers, of which {_NO_MAP}, and no other has a "
            "spatial grid",
            "choose a method that works at the input, as occlusion or integrated_gradients",
        )
    return LayerError(
        "no layer of this model has a spatial grid",
        "a class activation map needs one; of a transformer whose tokens cannot be traced state "
        "grid= (and prefix=)",
    )


def without_grid(
    name: str, ref: LayerRef, shape: tuple[int, ...], firings: Sequence[Firing], fix: str
) -> LayerError:
    """The error of a layer that ran and has no grid.

    Args:
        name: as the user wrote it.
        ref: the layer.
        shape: of its output; () for no tensor.
        firings: of a survey of the model.
        fix: the layers that have a grid, in words.

    >>> str(without_grid("head", LayerRef("head"), (1, 2), [], "choose an earlier layer"))
    "layer 'head' has no spatial grid (its output is (1, 2)) (choose an earlier layer)"
    """
    what = f"layer {name!r} has no spatial grid (its output is {shape or 'no tensor'})"
    firing = next((firing for firing in firings if firing.ref == ref), None)
    if firing is None:
        return LayerError(what, fix)
    if firing.complex:
        return LayerError(
            f"layer {name!r} returns complex numbers {shape}, of which {_NO_MAP}", fix
        )
    if firing.windows:
        around = _block_around(ref, firings)
        block = f"choose the block around it, {around}" if around else fix
        return LayerError(f"layer {name!r} works on windows of the image, {shape}", block)
    if firing.unordered:
        what = f"layer {name!r} holds tokens {shape} that lie neither in rows nor in columns"
        return LayerError(f"{what}, so that their positions are not known", fix)
    if not firing.depends:
        return LayerError(f"layer {name!r} does not depend on the image (a table, say)", fix)
    if has_one_cell(shape):
        what = f"layer {name!r} has one cell alone (its output is {shape})"
        return LayerError(f"{what}, so that a map of it shows nothing of place", fix)
    if len(shape) == 3:
        fix = f"{fix}; of tokens that cannot be traced state grid= (and prefix=)"
    return LayerError(what, fix)


def stacked_images(
    model: nn.Module, shape: Sequence[int], firings: Sequence[Firing]
) -> LayerError | None:
    """The error of a stack of images, or of a volume, of which the layers see images.

    Args:
        model: a plain module.
        shape: of the input, batch first.
        firings: of a survey of the model.

    Returns:
        None where the input is no such stack.

    >>> encoder = Firing(LayerRef("0"), "Conv2d", (4, 8, 7, 7), depends=True)
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 8, 8))
    >>> print(stacked_images(model, (1, 4, 3, 56, 56), [encoder]).what)
    the input (1, 4, 3, 56, 56) is a stack of images: the layers see each as an image of its ...
    >>> stacked_images(model, (1, 3, 56, 56), [encoder])
    """
    flat = _flat(shape, firings)
    if flat and _axis_of_images(model, shape, flat[0]):
        return LayerError(
            f"the input {tuple(shape)} is a stack of images: the layers see each as an image of "
            "its own, so that none has a grid over the stack",
            "write a forward that takes each image as a tensor (B, C, H, W) of its own and runs "
            "the encoder on one after the other; the map is of the one that comes last",
        )
    if not flat:
        return None
    return LayerError(
        f"the input {tuple(shape)} has three axes behind its channels, and the layers see images "
        "of two that are made of it (a projection, sections, or slices as channels), so that none "
        "has a grid over the input",
        "make these images before the model and give them, (B, C, H, W), to a forward that starts "
        "with them",
    )


def _flat(shape: Sequence[int], firings: Sequence[Firing]) -> list[Firing]:
    """The convolutions of images in a model that is given a stack of them, or a volume."""
    if len(shape) != 5 or any("Conv3d" in firing.type for firing in firings):
        return []
    return [firing for firing in firings if "Conv2d" in firing.type and firing.depends]


def _axis_of_images(model: nn.Module, shape: Sequence[int], first: Firing) -> int:
    """The axis of the input that counts the images of a first convolution; 0 where none does.

    They are the batch of the convolution, or come one by one.
    """
    channels = getattr(model.get_submodule(first.ref.path), "in_channels", 1)
    for axis, other in ((1, 2), (2, 1)):
        images = first.shape[0] * first.calls
        # One image of many channels is taken for slices instead.
        is_stack = images > 1 or channels in (1, 3)
        if is_stack and shape[axis] == images and shape[other] in (channels, 1):
            return axis
    return 0


def added_up(
    model: nn.Module, shape: Sequence[int], firings: Sequence[Firing]
) -> LayerError | None:
    """The error of a map of pixels, where the second axis of the input counts images.

    Args:
        model: a plain module.
        shape: of the input, batch first.
        firings: of a survey of the model.

    Returns:
        None where that axis holds channels.
    """
    flat = _flat(shape, firings)
    if not flat or shape[1] == 1 or _axis_of_images(model, shape, flat[0]) != 1:
        return None
    return LayerError(
        f"the input {tuple(shape)} is a stack of images, (B, images, C, H, W), and a map of its "
        "pixels would add them up as if they were channels",
        "write a forward that takes (B, C, images, H, W) and exchanges the two axes: the slices of "
        "the map are then the images",
    )


def frames_first(model: nn.Module, shape: Sequence[int]) -> LayerError | None:
    """The error of a video whose frames lie before its channels, (B, frames, C, H, W).

    The network exchanges the two axes inside, so that the first axis of its grids would be laid
    over the colours.

    Args:
        model: a plain module.
        shape: of the input, batch first.

    Returns:
        None unless convolutions take the third axis of the input as channels, and none the second.

    >>> print(frames_first(nn.Conv3d(3, 8, 2), (1, 16, 3, 56, 56)).what)
    the input (1, 16, 3, 56, 56) is a video with its frames before its channels, and the map's ...
    >>> frames_first(nn.Conv3d(3, 8, 2), (1, 3, 16, 56, 56))
    """
    if len(shape) != 5:
        return None
    taken = [part.in_channels for part in model.modules() if isinstance(part, nn.Conv3d)]
    if not taken or taken[0] != shape[2] or shape[1] in taken:
        return None
    return LayerError(
        f"the input {tuple(shape)} is a video with its frames before its channels, and the map's "
        "frames would lie over the channels",
        "put the model into a module whose forward takes (B, C, frames, H, W) and calls it with "
        "x.transpose(1, 2)",
    )


def stacked_parts(images: int, firings: Sequence[Firing]) -> LayerError | None:
    """The error of a model that runs its layers on parts of its input, stacked along the batch.

    Args:
        images: inputs that are images.
        firings: of a survey of the model, without a layer that has a grid.

    Returns:
        None where no feature map is stacked.

    >>> tiles = Firing(LayerRef("conv"), "Conv2d", (4, 8, 7, 7), windows=True, depends=True)
    >>> print(stacked_parts(1, [tiles]).fix)
    choose a method that works at the input, as occlusion or integrated_gradients
    """
    maps = (firing for firing in firings if firing.windows and len(firing.shape) > 3)
    if all(has_one_cell(firing.shape) for firing in maps):
        return None
    if images > 1:
        return LayerError(
            f"the layers see the {images} images in one batch, so that none has a grid over one",
            "write a forward that runs the encoder on one image after the other; the map is of the "
            "one that comes last",
        )
    return LayerError(
        "the layers see parts of the input (tiles of the image, or channels that are views) in one "
        "batch, so that none has a grid over the image",
        "choose a method that works at the input, as occlusion or integrated_gradients",
    )


def _block_around(ref: LayerRef, firings: Sequence[Firing]) -> LayerRef | None:
    """The first layer with a grid that holds ``ref``."""
    above = [other.ref for other in firings if other.cells and _is_inside(ref, other.ref)]
    return above[0] if above else None


def _is_inside(ref: LayerRef, other: LayerRef) -> bool:
    return ref.path.startswith(f"{other.path}.")
