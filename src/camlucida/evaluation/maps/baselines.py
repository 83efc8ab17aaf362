"""Maps that know nothing of the model, and one that knows the truth.

What stands beside every method in every table.

Each is made on the grid of the layer that is evaluated, so that all maps are compared at one
resolution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from camlucida.attribution.methods.center import center
from camlucida.attribution.methods.random import random
from camlucida.attribution.methods.sobel import edges
from camlucida.core.geometry import Geometry
from camlucida.core.tensors import resize
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.ceiling import area_average
from camlucida.metrics.faithfulness import fake_cam

BASELINES: dict[str, str] = {
    "random": "smooth random map, another for each image",
    "center": "Gaussian at the image centre",
    "sobel": "strength of the image's edges",
    "intensity": "the image's own brightness",
    "average_mask": "mean truth of the other patients",
    "oracle": "the truth itself, at the map's resolution",
    "fake_cam": "all ones but one cell: wins average drop, knows nothing",
}
"""Name → what it is."""

ATLAS = 64
"""Cells a side of the mean truth."""


def baseline_map(
    name: str,
    image: Tensor,
    grid: Sequence[int],
    geometry: Geometry,
    image_id: str,
    truth: Mask | None,
    prior: Floats | None,
) -> Tensor | None:
    """One baseline on a layer's grid, (*grid).

    None where it does not exist: no truth is known, or of no other patient.

    Args:
        name: of ``BASELINES``.
        image: (C, *spatial) as the model sees it, any scale.
        grid: of the layer.
        geometry: from original to model pixels.
        image_id: decides the random map.
        truth: (*original) of the finding.
        prior: (ATLAS, …) from :class:`Atlas`.
    """
    blank = torch.zeros(1, 1, *grid)
    if name == "random":
        seed = int.from_bytes(hashlib.blake2b(image_id.encode(), digest_size=4).digest())
        return random(blank, seed=seed)[0]
    if name == "center":
        return center(blank)[0]
    if name == "fake_cam":
        return fake_cam(grid)
    grey = image.float().mean(0).cpu().double()
    if name == "sobel":
        return to_grid(torch.from_numpy(edges(grey.numpy())), grid)
    if name == "intensity":
        return to_grid(grey, grid)
    if name == "oracle":
        if truth is None or not truth.any():
            return None
        return torch.from_numpy(area_average(truth, grid, geometry)).float()
    if prior is None or not prior.any():
        return None
    original = resize(torch.from_numpy(prior)[None], geometry.original)
    return to_grid(geometry.map_to_model(original)[0], grid)


def to_grid(values: Tensor, grid: Sequence[int]) -> Tensor:
    """Reduce a map to a grid: each cell is the mean of its part of the image.

    Args:
        values: (*spatial), two axes.
        grid: cells along each axis.

    Returns:
        (*grid) float32.

    >>> to_grid(torch.tensor([[0.0, 2.0], [4.0, 6.0]]), (1, 2)).tolist()
    [[2.0, 4.0]]
    """
    reduced = F.interpolate(values[None, None], tuple(grid), mode="area")
    return reduced[0, 0].float()


@dataclass(frozen=True)
class Atlas:
    """Sums of the truths of each label, by patient, on a coarse grid in relative image coordinates.

    Attributes:
        sums: label → patient → (sum of masks (ATLAS, ATLAS), number of masks).
    """

    sums: Mapping[str, Mapping[str, tuple[Floats, int]]]

    def without(self, label: str, patient: str) -> Floats | None:
        """Mean truth of ``label`` over the other patients, in [0, 1].

        None where there is no other patient with one.
        """
        of_label = self.sums.get(label, {})
        others = [entry for other, entry in of_label.items() if other != patient]
        count = sum(number for _, number in others)
        if not count:
            return None
        total = sum(of_patient for of_patient, _ in others)
        return np.asarray(total / count)


def add_to_atlas(
    sums: dict[str, dict[str, tuple[Floats, int]]], patient: str, masks: Mapping[str, Mask]
) -> None:
    """Add the annotations of one image to the sums of an :class:`Atlas`; empty ones do not count.

    Args:
        sums: label → patient → (sum, number), changed in place.
        patient: of the image.
        masks: label → (H, W) bool.

    >>> sums = {}
    >>> everywhere, nowhere = np.ones((64, 64), bool), np.zeros((64, 64), bool)
    >>> add_to_atlas(sums, "p1", {"nodule": everywhere, "mass": nowhere})
    >>> {label: entry["p1"][1] for label, entry in sums.items()}
    {'nodule': 1}
    """
    for label, mask in masks.items():
        if mask.any():
            grid = (ATLAS,) * mask.ndim
            of_label = sums.setdefault(label, {})
            total, number = of_label.get(patient, (np.zeros(grid), 0))
            of_label[patient] = (total + area_average(mask, grid), number + 1)
