"""Known orders of merit for metrics of how maps change: with the image, or with the weights.

The ground truth does not change with either, so maps made of it are no test of such a metric. Here
E is Grad-CAM's map of the model as it is, and R a smooth random map, another for each image, copy
and draw of the weights. Maps α · E + (1 − α) · R follow the model more, the larger α is; E blurred
follows it no better than E. Each rung is a method for the time of the test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from camlucida.attribution.methods import METHODS, Method
from camlucida.attribution.methods.gradcam import gradcam
from camlucida.attribution.methods.random import random
from camlucida.metrics.annotations import Floats
from camlucida.workflows.benchmark.meta import ALPHAS, BLURS, RUNGS, SHIFTS, shifted

CHANGING = ("psc", "emprt")
"""Metrics that are tested so."""

OfMap = Callable[[Floats, Floats], Floats]
"""E and R, (*grid) each, with a maximum of 1 → the map of a rung."""


@contextmanager
def rung_methods() -> Iterator[tuple[str, ...]]:
    """The names of the rungs; the registry holds a method for each meanwhile."""
    makers: list[OfMap] = [partial(_blend, alpha) for alpha in ALPHAS]
    makers += [partial(_shifted, cells) for cells in SHIFTS]
    makers += [partial(_blurred, sigma) for sigma in BLURS]
    for name, make in zip(RUNGS, makers):
        METHODS.add(name, _method(name, make))
    try:
        yield RUNGS
    finally:
        for name in RUNGS:
            METHODS.remove(name)


def _method(name: str, make: OfMap) -> Method:
    def run(activations: Tensor, gradients: Tensor) -> Tensor:
        own = gradcam(activations, gradients)
        pairs = zip(own, activations)
        return torch.stack([_rung(make, heat, values) for heat, values in pairs])

    return Method(
        name=name,
        title=name,
        run=run,
        kind="gradient",
        relu=False,
        class_specific=True,
        unit="score",
        cost="1 backward",
        paper="the meta-evaluation of the benchmark",
    )


def _rung(make: OfMap, heat: Tensor, activations: Tensor) -> Tensor:
    """The map of one rung for one image."""
    own = _unit(heat.detach().cpu().double().clamp(min=0).numpy())
    values = activations.detach().cpu().contiguous().numpy()
    seed = int.from_bytes(hashlib.blake2b(values.tobytes(), digest_size=4).digest())
    drawn = random(activations[None], seed=seed)[0].detach().cpu().double().numpy()
    return torch.from_numpy(make(own, _unit(drawn))).to(heat)


def _unit(heat: Floats) -> Floats:
    return heat / max(float(heat.max()), 1e-12)


def _blend(alpha: float, own: Floats, drawn: Floats) -> Floats:
    return alpha * own + (1 - alpha) * drawn


def _shifted(cells: int, own: Floats, drawn: Floats) -> Floats:
    return shifted(own, cells) if own.any() else own


def _blurred(sigma: float, own: Floats, drawn: Floats) -> Floats:
    return np.asarray(ndimage.gaussian_filter(own, sigma))
