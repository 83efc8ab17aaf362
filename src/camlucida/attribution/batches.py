"""The inputs of ``explain`` as batches on the model's device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from camlucida.attribution.targets import Truth
from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.models.image_axes import axes_fix, has_channels_last

declare("preprocessing", {"tensor": "given as a tensor"})

DEFAULT_BATCH = {"cpu": 8, "cuda": 32}
"""Images in one forward; on a CPU larger batches are slower, not faster."""

Inputs = Tensor | tuple[Tensor, ...] | Scan | Sequence[Scan] | Sequence[tuple[Scan, ...]]


@dataclass(frozen=True)
class Batch:
    """Images that go through the model together.

    Attributes:
        tensors: what the model is called with; the first is the image batch (B, C, *spatial).
        scans: one an image, of the first input.
        truth: one entry an image; None if unknown.
        probe_size: altered inputs in one forward of a perturbation method.
        cases: of each image the scan of each input.
    """

    tensors: tuple[Tensor, ...]
    scans: Sequence[Scan]
    truth: Sequence[Truth] | None
    probe_size: int
    cases: Sequence[tuple[Scan, ...]] = ()

    def scan(self, row: int, images: Sequence[int]) -> Scan:
        """The image that a layer saw: its tensor, geometry and picture.

        Args:
            row: number of the case in the batch.
            images: positions of the inputs that the layer saw. Where it is not one alone, the first
                input stands for the case; its picture is then not the map's.

        Returns:
            The scan, under the identifier of the case.
        """
        first = self.scans[row]
        if len(images) != 1 or images[0] == 0:
            return first
        if self.cases and self.cases[row][images[0]].display is not None:
            return replace(self.cases[row][images[0]], id=first.id)
        tensor = self.tensors[images[0]][row].detach().cpu()
        geometry = Geometry.identity(tuple(tensor.shape[1:]))
        return Scan(tensor, None, geometry, first.id, preprocessing=first.preprocessing)

    def singles(self) -> Iterator[Batch]:
        """Batches of one image each, also where altered inputs are scored."""
        for row in range(len(self.scans)):
            part = slice(row, row + 1)
            tensors = tuple(x[part] for x in self.tensors)
            truth = None if self.truth is None else self.truth[part]
            yield Batch(tensors, self.scans[part], truth, 1, self.cases[part])


def batches(
    module: nn.Module,
    inputs: Inputs,
    batch_size: int | None = None,
    truth: Sequence[Truth] | None = None,
) -> Iterator[Batch]:
    """Divide the inputs into batches, on the device and in the number type of the model.

    Args:
        module: the model.
        inputs: a tensor (B, C, *spatial), a tuple of tensors (images first), a Scan or Scans; or
            of each image a tuple of Scans, one an input.
        batch_size: images in one forward. None: tensors go through in one piece, Scans by
            :data:`DEFAULT_BATCH`.
        truth: ground truth, one entry an image.

    Raises:
        UsageError: there is no image, or the inputs do not fit each other.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch size is {batch_size}", "give 1 or more")
    device, dtype = _device_and_dtype(module)
    tensors = _tensors_of(inputs)
    cases = [] if tensors is not None else _checked_cases(inputs)
    scans = scans_of(tensors) if tensors is not None else [case[0] for case in cases]
    _check_counts(scans, truth)
    default = DEFAULT_BATCH.get(device.type, 8)
    size = batch_size or (default if tensors is None else len(scans))
    for start in range(0, len(scans), size):
        part = slice(start, start + size)
        rows = _rows(tensors, cases, part)
        ready = tuple(_ready(x, device, dtype) for x in rows)
        part_truth = None if truth is None else truth[part]
        yield Batch(ready, scans[part], part_truth, batch_size or default, cases[part])


def _check_counts(scans: Sequence[Scan], truth: Sequence[Truth] | None) -> None:
    if not scans:
        raise UsageError("there is no image to explain", "inputs is empty")
    if truth is not None and len(truth) != len(scans):
        raise UsageError(
            f"truth has {len(truth)} entries for {len(scans)} images",
            "give a list of labels an image",
        )


def _device_and_dtype(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Of the model's first parameter; CPU and float32 for a model without one."""
    weight = next(module.parameters(), None)
    if weight is None:
        return torch.device("cpu"), torch.float32
    return weight.device, weight.dtype if weight.is_floating_point() else torch.float32


def _tensors_of(inputs: Inputs) -> tuple[Tensor, ...] | None:
    """The tensors of the inputs; None for Scans."""
    if isinstance(inputs, Tensor):
        return (inputs,)
    if isinstance(inputs, tuple) and inputs and isinstance(inputs[0], Tensor):
        return cast(tuple[Tensor, ...], inputs)
    return None


def cases_of(inputs: Inputs) -> list[tuple[Scan, ...]]:
    """Of each image the scan of each input.

    Args:
        inputs: as of :func:`batches`; further tensors that are no images are scans all the same.

    Raises:
        UsageError: there is no image, or the inputs are none of these.

    >>> [len(case) for case in cases_of((torch.zeros(2, 1, 4, 4), torch.zeros(2, 3)))]
    [2, 2]
    """
    tensors = _tensors_of(inputs)
    cases = _listed_cases(inputs) if tensors is None else _cases_of_tensors(tensors)
    if not cases:
        raise UsageError("there is no image", "inputs is empty")
    return cases


def _cases_of_tensors(tensors: tuple[Tensor, ...]) -> list[tuple[Scan, ...]]:
    cases = []
    for row, first in enumerate(scans_of(tensors)):
        others = []
        for tensor in (x[row] for x in tensors[1:]):
            size = tuple(tensor.shape[1:])
            others.append(Scan(tensor.detach(), None, Geometry.identity(size), first.id))
        cases.append((first, *others))
    return cases


def _listed_cases(inputs: Inputs) -> list[tuple[Scan, ...]]:
    if isinstance(inputs, Mapping):
        raise UsageError(
            "inputs are a mapping, and a model is called with tensors one after the other",
            "give a tuple of tensors, the images first; a forward that takes a dict needs a module "
            "round it that makes one",
        )
    if isinstance(inputs, np.ndarray):
        raise UsageError(
            f"the images are an array {inputs.shape} of {inputs.dtype}",
            f"prepare them as in training, and give a tensor: {_as_tensor(inputs.shape)}",
        )
    is_collection = isinstance(inputs, Iterable) and not isinstance(inputs, Scan)
    items = list(cast(Iterable[Scan | tuple[Scan, ...]], inputs if is_collection else [inputs]))
    cases = [item if isinstance(item, tuple) else (item,) for item in items]
    for item in chain.from_iterable(cases):
        if isinstance(item, np.ndarray):
            raise UsageError(
                f"inputs hold an array {item.shape} of {item.dtype}",
                f"prepare it as in training, and give a tensor: {_as_tensor(item.shape)}",
            )
        if not isinstance(item, Scan):
            raise UsageError(
                f"inputs hold a {type(item).__name__}",
                "give a tensor (B, C, H, W), or Scans: model.read(path)",
            )
    counts = sorted(set(map(len, cases)))
    if len(counts) > 1:
        raise UsageError(
            f"the images have different numbers of inputs: {', '.join(map(str, counts))}",
            "give a tuple of Scans an image, one an input of the model",
        )
    return cases


def _of_floats(images: Tensor) -> str:
    """What to give instead of a tensor of integers, or of too few axes."""
    parts = [axes_fix(images.shape)]
    if not images.is_floating_point():
        parts.insert(0, "prepare the images as in training, of floating-point numbers")
    return "; ".join(filter(None, parts)) or "give a floating-point batch (B, C, H, W)"


def _as_tensor(shape: tuple[int, ...]) -> str:
    """What makes a tensor (B, C, *spatial) of an array of this shape."""
    call, fix = "x = torch.from_numpy(array).float()", axes_fix(shape)
    return f"{call} ({fix})" if fix else call


def _checked_cases(inputs: Inputs) -> list[tuple[Scan, ...]]:
    cases = _listed_cases(inputs)
    for scans in zip(*cases):
        shapes = {tuple(scan.tensor.shape) for scan in scans}
        if len(shapes) > 1:
            raise UsageError(
                f"the scans have different model sizes: {sorted(shapes)}",
                "explain them one size at a time",
            )
    return cases


def _rows(
    tensors: tuple[Tensor, ...] | None, cases: Sequence[tuple[Scan, ...]], part: slice
) -> tuple[Tensor, ...]:
    if tensors is not None:
        return tuple(x[part] for x in tensors)
    return tuple(map(_stacked, zip(*cases[part])))


def _stacked(scans: Iterable[Scan]) -> Tensor:
    return torch.stack([scan.tensor for scan in scans])


def _ready(x: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    x = x.detach().to(device, dtype if x.is_floating_point() else None)
    # A tensor made in inference mode cannot enter a graph; a clone made outside of it can.
    return x.clone() if x.is_inference() else x


def scans_of(tensors: tuple[Tensor, ...]) -> list[Scan]:
    """Bare tensors as scans without a picture.

    Args:
        tensors: the image batch (B, C, *spatial) of floating-point numbers, then any further
            inputs with the same first axis.

    Raises:
        UsageError: they are no such tensors.

    >>> [scan.id for scan in scans_of((torch.zeros(2, 1, 4, 4),))]
    ['input0', 'input1']
    """
    for item in tensors:
        if not isinstance(item, Tensor):
            raise UsageError(
                f"inputs hold a {type(item).__name__}",
                "give tensors, the images (B, C, H, W) first",
            )
    images = tensors[0]
    shape = tuple(images.shape)
    if images.ndim < 3 or not images.is_floating_point():
        raise UsageError(
            f"inputs have shape {shape} and type {images.dtype}",
            _of_floats(images),
        )
    if has_channels_last(shape):
        raise UsageError(
            f"inputs have shape {shape}, channels last",
            f"{axes_fix(shape)}; a model that takes them last needs a module round it that "
            "permutes them back",
        )
    if 0 in shape[1:]:
        raise UsageError(f"inputs have shape {shape}: an image without pixels")
    if any(len(extra) != len(images) for extra in tensors[1:]):
        raise UsageError(
            "the inputs have different batch sizes", "the first axis of every input is the image"
        )
    geometry = Geometry.identity(shape[2:])
    given = (Message("preprocessing.tensor"),)
    return [
        Scan(image.detach(), None, geometry, f"input{i}", preprocessing=given)
        for i, image in enumerate(images)
    ]
