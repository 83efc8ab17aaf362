"""The layer that is explained, why, and the layers that are not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from camlucida.attribution.watch import Captured
from camlucida.core.messages import Message, declare
from camlucida.models.firings import Firing, Survey
from camlucida.models.grids import has_one_cell
from camlucida.models.layer_list import auto_layer
from camlucida.models.layers import LayerRef, resolve
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

FEW_CELLS = 16
"""A grid of fewer cells hardly shows a place."""

REJECTED = 4
"""Layers that are listed as not taken."""

declare(
    "doctor",
    {
        "layer": "{layer}, {channels} channels on {grid} cells: {reason}",
        "layer_few": "{layer} has {grid} cells, which hardly show a place: {reason}",
        "layer_few_mend": "give larger images, or an earlier layer: --layer",
        "layer_family": "the family of this network is known, and this is its last layer of places",
        "layer_trunk": "the last layer that all of the image passes, of {candidates} with a grid",
        "layer_coarsest": (
            "the last of the coarsest grid that the score depends on, of {candidates} with a grid"
        ),
        "layer_stated": "as requested; auto takes {auto}",
        "rejected": "not taken: {layers}",
        "rejected_layer": "{layer} ({reason})",
        "not_connected": "the score does not depend on its cells",
        "one_cell": "one cell",
        "handed_on": "its input handed on, or a projection inside an attention",
        "is_score": "the scores themselves",
        "finer": "{grid} cells, finer",
        "coarser": "{grid} cells, beside the way that the image takes",
        "earlier": "the same grid, earlier",
        "later": "the same grid, later",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Which layer is explained and why, what is to be said of it, and the last ones not taken."""
    with examination.frozen():
        forward = examination.forward()
    layers = forward.layers
    survey = examination.survey
    auto = auto_layer(examination.module, survey)
    for captured in layers:
        yield _taken(examination, captured, survey, auto)
    for note in forward.notes:
        if note.code.startswith("layer."):
            yield Finding("layer", "note", note)
    rejected = _rejected(survey, [captured.ref for captured in layers])
    if rejected:
        yield finding("layer", "ok", "rejected", {"layers": rejected})


def _taken(
    examination: Examination, captured: Captured, survey: Survey, auto: LayerRef | None
) -> Finding:
    cells = tuple(captured.activations.shape[2:])
    reason = _reason(examination, captured.ref, survey, auto)
    values: Values = {"layer": captured.name, "grid": _grid(cells), "reason": reason}
    if math.prod(cells) < FEW_CELLS:
        return finding("layer", "note", "layer_few", values)
    channels = {"channels": captured.activations.shape[1]}
    return finding("layer", "ok", "layer", {**values, **channels})


def _reason(
    examination: Examination, ref: LayerRef, survey: Survey, auto: LayerRef | None
) -> Message:
    if ref != auto:
        return Message("doctor.layer_stated", {"auto": str(auto or "none")})
    if resolve(examination.module, "auto") == ref:
        return Message("doctor.layer_family")
    code = "doctor.layer_trunk" if survey.trunk == ref else "doctor.layer_coarsest"
    return Message(code, {"candidates": len(survey.candidates)})


def _rejected(survey: Survey, taken: Sequence[LayerRef]) -> list[Message]:
    """The last layers that hold places, or one, each with the reason why it is not explained."""
    fired = [firing for firing in survey.firings if firing.ref in taken]
    shown = [ref.path for ref in taken]
    listed = []
    for firing in reversed(survey.firings):
        path = firing.ref.path
        has_place = bool(firing.cells) or has_one_cell(firing.shape)
        # Of a container and its parts, one is enough.
        is_part = any(f"{path}.".startswith(f"{other}.") for other in shown)
        holds = firing.connected is not False and any(r.path.startswith(f"{path}.") for r in taken)
        if is_part or holds or not has_place or not firing.depends:
            continue
        shown.append(path)
        about: Values = {"layer": str(firing.ref), "reason": _against(firing, survey, fired)}
        listed.append(Message("doctor.rejected_layer", about))
    return listed[:REJECTED]


def _against(firing: Firing, survey: Survey, taken: Sequence[Firing]) -> Message:
    """Why a layer is not explained."""
    if not firing.cells:
        return Message("doctor.one_cell")
    if firing.connected is False:
        return Message("doctor.not_connected")
    if firing.inner:
        return Message("doctor.handed_on")
    if survey.dense and firing.channels == survey.dense:
        return Message("doctor.is_score")
    cells = math.prod(firing.cells)
    fewest = min((math.prod(each.cells) for each in taken), default=cells)
    if cells == fewest:
        order = survey.firings
        is_later = all(order.index(firing) > order.index(each) for each in taken)
        return Message("doctor.later" if is_later else "doctor.earlier")
    code = "doctor.finer" if cells > fewest else "doctor.coarser"
    return Message(code, {"grid": _grid(firing.cells)})


def _grid(cells: Sequence[int]) -> str:
    return "×".join(map(str, cells))
