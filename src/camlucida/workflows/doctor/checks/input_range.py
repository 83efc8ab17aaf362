"""The values that reach the model, the scale of the card, and what the model expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from camlucida.core.messages import declare
from camlucida.io.tables import listing
from camlucida.models.factory import defaults
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.preprocessing.steps import Normalise, Scale, ZScore
from camlucida.models.preprocessing.values import scaled
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Severity, Values, finding

NARROW = 0.25
"""Images that use less of the scale are dark, bright, or of fewer bits than their file."""

OUTSIDE = 0.05
"""Share of the scale by which a resize may overshoot its ends."""

declare(
    "doctor",
    {
        "input": (
            "images reach the model from {low} to {high}, mean {mean}, standard deviation {std}; "
            "the card's scale is {black} to {white}"
        ),
        "volumes": (
            "volumes reach the model from {low} to {high}, mean {mean}, standard deviation {std}"
        ),
        "z_score": (
            "images reach the model from {low} to {high}, mean {mean}, standard deviation {std}, "
            "each with its own scale (z-score)"
        ),
        "outside": (
            "images reach the model from {low} to {high}, outside the card's scale of {black} to "
            "{white}"
        ),
        "outside_mend": "see the order of steps in [input] of the card: scale or normalise is last",
        "narrow": ("images use {share} of the card's scale of {black} to {white}: {low} to {high}"),
        "narrow_mend": (
            "are these 12-bit values in a 16-bit file? If training stretched its images, the card "
            'says so: intensity = "min-max", percentiles or window'
        ),
        "constant": "{count} of {images} images are the same everywhere: {names}",
        "constant_mend": "look at these files, and at window, crop and percentiles of the card",
        "other_scale": ("the model expects {expected} ({origin}), and the card says {stated}"),
        "other_scale_mend": (
            "correct range, or mean and std, in [input] of the card, unless it was trained with "
            "the card's own"
        ),
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the images, the card and the model agree on the values of the input."""
    yield from _constant(examination)
    if examination.model.card.volume is not None:
        yield _of_volumes(examination)
        return
    yield from _of_images(examination)
    yield from _against_model(examination)


def _constant(examination: Examination) -> Iterator[Finding]:
    scans = examination.scans
    names = [scan.id for scan in scans if float(scan.tensor.max()) == float(scan.tensor.min())]
    if names:
        values: Values = {"count": len(names), "images": len(scans), "names": listing(names)}
        yield finding("input", "fault", "constant", values)


def _of_volumes(examination: Examination) -> Finding:
    """What is measured of volumes, whose units the card's scale does not end."""
    inputs = examination.inputs.float()
    low, high = map(float, inputs.aminmax())
    seen = {"low": f"{low:.4g}", "high": f"{high:.4g}"}
    about = {"mean": f"{float(inputs.mean()):.3g}", "std": f"{float(inputs.std()):.3g}"}
    return finding("input", "ok", "volumes", {**seen, **about})


def _of_images(examination: Examination) -> Iterator[Finding]:
    inputs = examination.inputs.float()
    spec = examination.model.card.input
    low, high = map(float, inputs.aminmax())
    seen: Values = {"low": f"{low:.4g}", "high": f"{high:.4g}"}
    about: Values = {"mean": f"{float(inputs.mean()):.3g}", "std": f"{float(inputs.std()):.3g}"}
    if any(isinstance(step, ZScore) for step in spec.pipeline()):
        yield finding("input", "ok", "z_score", {**seen, **about})
        return
    ends = _ends(spec)
    black, white = float(ends.min()), float(ends.max())
    scale: Values = {"black": f"{black:.4g}", "white": f"{white:.4g}"}
    span = white - black
    share = (high - low) / span
    if low < black - OUTSIDE * span or high > white + OUTSIDE * span:
        yield finding("input", "fault", "outside", {**seen, **scale})
    elif share < NARROW:
        yield finding("input", "note", "narrow", {"share": f"{share:.1%}", **seen, **scale})
    else:
        yield finding("input", "ok", "input", {**seen, **about, **scale})


def _ends(spec: InputSpec) -> Tensor:
    """Black and white of every channel on the card's scale: (channels, 2)."""
    ends = torch.tensor([0.0, 1.0]).expand(spec.channels, 2)
    for step in spec.pipeline():
        if isinstance(step, (Scale, Normalise)):
            ends = scaled(ends, step)
    return ends


def _against_model(examination: Examination) -> Iterator[Finding]:
    """What the factory of a known package was trained with, against the card."""
    model = examination.model
    card, stated = model.card, model.card.input
    known = defaults(card.factory, card.args, model.checkpoint is None, model.module)
    expected = known.get("input", {})
    if not any(step in expected for step in ("range", "mean")) or stated.steps is not None:
        return
    if stated.intensity == "z-score" or _same_scale(expected, stated):
        return
    origin = card.factory.partition(":")[0]
    texts = {"expected": _scale_of(expected), "stated": _scale_of(stated.model_dump())}
    # Only TorchXRayVision's scale is a part of its networks: others are trained anew with any.
    severity: Severity = "note"
    if "range" in expected or model.checkpoint is None:
        severity = "fault"
    yield finding("input", severity, "other_scale", {**texts, "origin": origin})


def _same_scale(expected: Mapping[str, Any], stated: InputSpec) -> bool:
    wanted = InputSpec(**{**_scale(expected), "channels": stated.channels})
    return torch.allclose(_ends(wanted), _ends(stated), rtol=1e-2)


def _scale(fields: Mapping[str, Any]) -> dict[str, Any]:
    names = ("range", "mean", "std")
    return {name: fields[name] for name in names if fields.get(name) is not None}


def _scale_of(fields: Mapping[str, Any]) -> str:
    parts = [f"{name} {_numbers(value)}" for name, value in _scale(fields).items()]
    return ", ".join(parts) or "range 0 to 1"


def _numbers(values: Any) -> str:
    return "/".join(f"{value:.4g}" for value in values)
