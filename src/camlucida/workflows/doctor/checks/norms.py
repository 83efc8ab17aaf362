"""Batch normalisation: are there running statistics, and do they fit the images?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from camlucida.core.messages import declare
from camlucida.io.tables import listing
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Severity, Values, finding

NEAR_SPREAD, NEAR_SHIFT = 2.5, 2.0
"""Up to these the statistics of a few images are those of training."""

FAR_SPREAD, FAR_SHIFT = 6.0, 8.0
"""Beyond these the images reach the network on another scale."""

declare(
    "doctor",
    {
        "no_statistics": (
            "{count} of {norms} batch normalisations have no running statistics: {names}; an "
            "image's output depends on the other images of its batch"
        ),
        "no_statistics_mend": (
            "train with track_running_stats=True, or use group or instance normalisation"
        ),
        "never_updated": (
            "the running statistics of {count} of {norms} batch normalisations are those of a new "
            "network (mean 0, variance 1): {names}"
        ),
        "never_updated_mend": (
            "the checkpoint was saved without its buffers, or the layers never ran in training "
            "mode; save state_dict() after training, with running_mean and running_var"
        ),
        "untrained": (
            "the running statistics of all {norms} batch normalisations are those of a new network"
        ),
        "untrained_mend": "give the weights: --checkpoint FILE",
        "statistics": (
            "at {layer}, the first batch normalisation, the images have {spread} times the "
            "standard deviation of training, and their mean lies {shift} of these away"
        ),
        "statistics_mend": (
            "images reach the network on another scale than in training, or are of another kind; "
            "correct [input] of the card; camlucida fit-preprocessing finds it from stored "
            "predictions"
        ),
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether batch normalisations have statistics, and whether these fit the images."""
    named = examination.module.named_modules()
    norms = {path: part for path, part in named if isinstance(part, _BatchNorm)}
    without = [path for path, part in norms.items() if part.running_mean is None]
    unset = [path for path, part in norms.items() if _is_unset(part)]
    if without:
        values: Values = {"count": len(without), "norms": len(norms), "names": listing(without)}
        yield finding("norms", "fault", "no_statistics", values)
    if unset and len(unset) == len(norms) and examination.model.checkpoint is None:
        yield finding("norms", "note", "untrained", {"norms": len(norms)})
    elif unset:
        values = {"count": len(unset), "norms": len(norms), "names": listing(unset)}
        yield finding("norms", "fault", "never_updated", values)
    trained = {path: part for path, part in norms.items() if path not in (*without, *unset)}
    if trained:
        yield _of_images(examination, trained)


def _is_unset(norm: _BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return False
    return not bool(mean.any()) and bool((variance == 1).all())


@dataclass
class _First:
    """The first batch normalisation that runs: its name, and what goes in."""

    path: str = ""
    entered: Tensor | None = None


def _of_images(examination: Examination, norms: dict[str, _BatchNorm]) -> Finding:
    first = _First()

    def hook(path: str) -> Any:
        def note(module: nn.Module, args: tuple[Any, ...]) -> None:
            if first.entered is None:
                first.path, first.entered = path, args[0].detach().float()

        return note

    handles = [norm.register_forward_pre_hook(hook(path)) for path, norm in norms.items()]
    try:
        examination.read(examination.inputs)
    finally:
        for handle in handles:
            handle.remove()
    if first.entered is None:
        return finding("norms", "note", "no_norm_runs", {"count": len(norms)})
    spread, shift = _against(norms[first.path], first.entered)
    factor = max(spread, 1 / max(spread, 1e-6))
    far = factor > FAR_SPREAD or shift > FAR_SHIFT
    near = factor <= NEAR_SPREAD and shift <= NEAR_SHIFT
    # Packaged films are not the user's: another scale of theirs shows nothing.
    severity: Severity = "ok" if near else "fault" if far and not examination.packaged else "note"
    values: Values = {"layer": first.path, "spread": f"{spread:.2g}", "shift": f"{shift:.2g}"}
    return finding("norms", severity, "statistics", values)


declare(
    "doctor",
    {
        "no_norm_runs": "none of {count} batch normalisations runs",
        "no_norm_runs_mend": "forward leaves them out; see whether it is that of training",
    },
)


def _against(norm: _BatchNorm, entered: Tensor) -> tuple[float, float]:
    """Standard deviation and shift of activations in units of the running statistics.

    Args:
        norm: with statistics.
        entered: (B, K, …).

    Returns:
        Medians over the channels.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    values = entered.movedim(1, 0).flatten(1)
    deviation = (norm.running_var.float() + norm.eps).sqrt()
    spread = values.std(1, correction=0) / deviation
    shift = (values.mean(1) - norm.running_mean).abs() / deviation
    return float(torch.median(spread)), float(torch.median(shift))
