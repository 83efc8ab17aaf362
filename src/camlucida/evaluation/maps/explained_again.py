"""The maps of one image once more: by the model as it is now, or of altered copies of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ModelWithCard
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import ModelError, NoEvidenceError
from camlucida.core.scan import Scan

Key = tuple[str, str, str]
"""Target, method and layer."""


def key_of(explanation: Explanation) -> Key:
    """Target, method and layer of an explanation."""
    return explanation.target, explanation.method, explanation.layer


def maps_now(
    model: nn.Module | ModelWithCard, scan: Scan, explanations: Sequence[Explanation]
) -> list[Tensor]:
    """The same maps by the model as it is now, such as with random weights.

    Where the output is no longer finite, a map is as dead as one of zeros.

    Args:
        model: as for ``explain``.
        scan: the image.
        explanations: of it; each with the target that it explains.

    Returns:
        (*grid) each, in the order of ``explanations``.
    """
    try:
        again = of_copies(model, scan, explanations, [scan.tensor])
    except (ModelError, NoEvidenceError):
        return [torch.zeros(e.grid) for e in explanations]
    maps = {key: copies[0].map(copies[0].grid) for key, copies in again.items()}
    return [maps[key_of(e)] for e in explanations]


def of_copies(
    model: nn.Module | ModelWithCard,
    scan: Scan,
    explanations: Sequence[Explanation],
    tensors: Sequence[Tensor],
) -> dict[Key, list[Explanation]]:
    """Explanations of altered copies of an image, by the same methods, layers and targets.

    Args:
        model: as for ``explain``.
        scan: the image.
        explanations: of it.
        tensors: the copies, (C, *spatial) each.

    Returns:
        Target, method and layer → explanations, in the order of the copies.
    """
    scans = []
    for number, tensor in enumerate(tensors):
        scans.append(replace(scan, tensor=tensor, id=f"{scan.id} {number}"))
    targets = {e.target: e.explained for e in explanations if e.explained is not None}
    methods = list(dict.fromkeys(e.method for e in explanations))
    layers = list(dict.fromkeys(e.layer for e in explanations))
    again = explain(model, scans, target=list(targets.values()), method=methods, layer=layers)
    by_key: dict[Key, list[Explanation]] = {}
    for explanation in again:
        by_key.setdefault(key_of(explanation), []).append(explanation)
    return by_key
