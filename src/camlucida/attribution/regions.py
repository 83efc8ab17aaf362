"""Regions of a dense output as targets: predicted, given, of one component, or one pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.targets import Label, Region, RegionOrigin, RegionSource
from camlucida.core.errors import EmptyRegionError, TargetError, UnknownTargetError

_MASK_NAMES: dict[RegionSource, str] = {"given": "(given mask)", "true": "true region"}


def predicted_mask(output: ModelOutput, channel: int) -> Tensor:
    """Where ``channel`` is predicted: the largest output of those that exclude each other.

    Of one channel, or of channels that can overlap: probability above ½.

    Args:
        output: dense, (C, *spatial).
        channel: index of the output channel.

    Returns:
        Bool (*spatial), on the output's grid.
    """
    if len(output.logits) > 1 and not output.overlapping:
        return output.logits.argmax(0) == channel
    if output.probabilities is not None:
        return output.probabilities[channel] > 0.5
    return output.logits[channel] > 0


def region_target(
    output: ModelOutput, channel: int, name: str, mask: Tensor, origin: RegionOrigin
) -> Region:
    """The region of ``mask`` as a target; its probability is the mean over it.

    Args:
        output: dense, (C, *spatial).
        channel: index of the output channel.
        name: what people read.
        mask: bool (*spatial), on the output's grid.
        origin: how the mask came about.

    Raises:
        EmptyRegionError: the mask is empty.
    """
    if not bool(mask.any()):
        label = output.labels[channel]
        of_label = f" of {label!r}" if label else ""
        raise EmptyRegionError(
            f"the model predicts no pixel{of_label}, so there is nothing to explain",
            "explain a pixel or a mask instead",
        )
    probability = None
    if output.probabilities is not None:
        probability = float(output.probabilities[channel][mask].mean())
    score = output.region_score
    if score == "sum":
        name = f"{name} (sum)"
    return Region(channel, name, mask, probability, output.labels[channel], origin, score)


def predicted_region(output: ModelOutput, label: Label) -> Region:
    """The region where a label is predicted.

    Args:
        output: dense, (C, *spatial).
        label: whose region it is.

    Raises:
        EmptyRegionError: no pixel is predicted.
    """
    mask = predicted_mask(output, label.index)
    name = f"{label.name} region"
    return region_target(output, label.index, name, mask, RegionOrigin("predicted"))


def masked_region(
    output: ModelOutput, mask: Tensor, label: str | int | None, source: RegionSource
) -> Region:
    """The region of a mask in original pixels: the output's cells that lie at least half inside.

    Args:
        output: dense, (C, *spatial).
        mask: bool (*original).
        label: whose channel is explained; None for that of :func:`foreground`.
        source: "given" or "true".

    Raises:
        TargetError: the mask is of another size; a given mask is empty on the output's grid.
        EmptyRegionError: the true mask is empty there.
    """
    if tuple(mask.shape) != output.geometry.original:
        raise TargetError(
            f"the mask has size {tuple(mask.shape)} and the image {output.geometry.original}"
        )
    on_model = output.geometry.map_to_model(mask[None].float())
    size = output.logits.shape[1:]
    share = torch.nn.functional.interpolate(on_model[None], size=size, mode="area")[0, 0]
    region = share >= 0.5
    if not bool(region.any()):
        kind = EmptyRegionError if source == "true" else TargetError
        raise kind(
            f"the {_MASK_NAMES[source].strip('()')} is empty: "
            "no pixel of the model's output is half inside",
            "give another target",
        )
    region = region.to(output.logits.device)
    chosen = foreground(output, region) if label is None else output.find(label)
    name = f"{chosen.name} {_MASK_NAMES[source]}"
    return region_target(output, chosen.index, name, region, RegionOrigin(source))


def component_region(output: ModelOutput, label: Label, number: int) -> Region:
    """A connected component of a label's predicted region; 1 is the largest.

    Args:
        output: dense, (C, *spatial).
        label: whose region it is.
        number: of the component, from 1; of equal sizes the first in array order comes first.

    Raises:
        UnknownTargetError: ``number`` is less than 1.
        EmptyRegionError: the region has fewer components.
    """
    from scipy import ndimage

    mask = predicted_mask(output, label.index)
    neighbours = ndimage.generate_binary_structure(mask.ndim, mask.ndim)  # diagonal ones too
    parts, count = ndimage.label(mask.cpu().numpy(), neighbours)
    if number < 1:
        raise UnknownTargetError(f"component {number} does not exist", "they count from 1")
    if number > count:
        raise EmptyRegionError(
            f"component {number} of {label.name!r} does not exist: {count} in this image"
        )
    sizes = ndimage.sum_labels(parts > 0, parts, range(1, count + 1))
    by_size = (-sizes).argsort(kind="stable")
    chosen = int(by_size[number - 1]) + 1
    mask = torch.from_numpy(parts == chosen).to(output.logits.device)
    origin = RegionOrigin("component", component=number)
    return region_target(output, label.index, f"{label.name} component {number}", mask, origin)


def pixel_region(output: ModelOutput, point: Sequence[int], name: str | None) -> Region:
    """The one cell of the output that a pixel of the original image lies in.

    Args:
        output: dense, (C, *spatial).
        point: (row, column) in original pixels.
        name: of the label; None for the one that is strongest there.

    Raises:
        TargetError: the pixel is outside the image, or was cropped away before the model.
    """
    point = tuple(point)
    written = ",".join(map(str, point))
    original = output.geometry.original
    inside = all(0 <= p < n for p, n in zip(point, original))
    if len(point) != len(original) or not inside:
        raise TargetError(
            f"pixel {written} is outside the image of {original} pixels (rows, columns)"
        )
    on_model = output.geometry.to_model([p + 0.5 for p in point])
    size, model = output.logits.shape[1:], output.geometry.model
    cell = [int(p * n // m) for p, n, m in zip(on_model, size, model)]
    if any(not 0 <= c < n for c, n in zip(cell, size)):
        raise TargetError(f"pixel {written} was cropped away before the model saw it")
    mask = torch.zeros(size, dtype=torch.bool, device=output.logits.device)
    mask[tuple(cell)] = True
    label = output.find(name) if name else _strongest_at(output, mask)
    origin = RegionOrigin("pixel", pixel=point)
    return region_target(output, label.index, f"{label.name} at {written}", mask, origin)


def foreground(output: ModelOutput, within: Tensor) -> Label:
    """The channel predicted in most pixels of a mask.

    Where none is, that of the highest mean logit. Where two or more channels exclude each other,
    channel 0 is the background and never chosen.

    Args:
        output: dense, (C, *spatial).
        within: bool (*spatial), on the output's grid.
    """
    if len(output.logits) == 1:
        return output.label(0)
    inside = output.logits[:, within]
    if output.overlapping:
        masks = [predicted_mask(output, channel)[within] for channel in range(len(inside))]
        areas = torch.stack([mask.sum() for mask in masks])
        areas[[not name for name in output.labels]] = -1  # not trained
        strength = areas if bool((areas > 0).any()) else inside.mean(1)
        return output.label(int(strength.argmax()))
    counts = torch.bincount(inside.argmax(0), minlength=len(inside))[1:]
    strength = counts if bool(counts.any()) else inside[1:].mean(1)
    return output.label(1 + int(strength.argmax()))


def named_or_foreground(output: ModelOutput, name: str | None) -> Label:
    """The label of this name; without a name the :func:`foreground` of the whole image."""
    if name:
        return output.find(name)
    return foreground(output, torch.ones_like(output.logits[0], dtype=torch.bool))


def _strongest_at(output: ModelOutput, pixel: Tensor) -> Label:
    if len(output.logits) == 1:
        return output.label(0)
    return output.label(int(output.logits[:, pixel][:, 0].argmax()))
