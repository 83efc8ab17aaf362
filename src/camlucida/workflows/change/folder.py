"""The folder of a change between two studies: a figure a label, arrays, a record and one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.analysis.change.alignment import Alignment
from camlucida.analysis.change.difference import SHIFTED, Change
from camlucida.core.files import npy, slug, unique, write_bytes, write_json
from camlucida.core.messages import Message, declare, prefixed
from camlucida.figures.change import change_figure
from camlucida.figures.files import save_figure
from camlucida.io.image import RawImage
from camlucida.models import LoadedModel
from camlucida.report.writers.html import write_page
from camlucida.workflows.change.alignment_record import alignment_record
from camlucida.workflows.change.page import change_page
from camlucida.workflows.change.view import write_views

declare(
    "change_notes",
    {
        "not_aligned": "not aligned: {reason}",
    },
)


def write_change(
    changes: Sequence[Change],
    shown: Sequence[str],
    images: Mapping[str, RawImage],
    model: LoadedModel,
    out: Path,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the figures, ``change.npy``, ``before.npy``, ``after.npy``, the record and the page.

    Args:
        changes: of every label that was explained.
        shown: names of the labels that get a figure and a place in the arrays, in order.
        images: "before" and "after" as read.
        model: that was explained.
        out: the folder.
        about: command and versions, and ``requested``: whether the labels were.

    Returns:
        The content of ``change.json``.
    """
    by_label = {change.before.target: change for change in changes}
    chosen = [by_label[label] for label in shown]
    names = (images["before"].id, images["after"].id)
    taken: set[str] = set()
    labels = []
    for change in chosen:
        stem = f"change_{slug(unique(change.before.target, taken))}"
        save_figure(change_figure(change, names), out / stem)
        labels.append(change_numbers(change) | {"figure": f"{stem}.png"})
    _write_arrays(out, chosen)
    first = changes[0]
    record = {
        **about,
        "images": {name: _image(image) for name, image in images.items()},
        "model": _model(model),
        "method": first.before.method,
        "layer": first.before.layer,
        "shown_layer": first.before.shown_layer,
        "alignment": alignment_record(first.alignment),
        "labels": labels,
        "others": [_scores(change) for change in changes if change.before.target not in shown],
        "shown_from": SHIFTED,
        "synthetic": any(image.synthetic for image in images.values()),
        "notice": "Research use only",
    }
    write_json(out / "change.json", record)
    write_page(change_page(record, write_views(chosen, images, out)), out / "change.html")
    return record


def change_notes(images: Mapping[str, RawImage], alignment: Alignment) -> Iterator[Message]:
    """Notes for the reader: warnings of the images, and whether they were aligned."""
    for image in images.values():
        for warning in image.warnings:
            yield prefixed(image.id, warning)
    if alignment.refused is not None:
        yield Message("change_notes.not_aligned", {"reason": alignment.refused})
    if alignment.mirror is not None and alignment.mirror.warning is not None:
        yield alignment.mirror.warning


def _write_arrays(out: Path, changes: Sequence[Change]) -> None:
    arrays = {
        "change": [change.difference for change in changes],
        "before": [change.before_map for change in changes],
        "after": [change.after_map for change in changes],
    }
    for name, maps in arrays.items():
        write_bytes(out / f"{name}.npy", npy(np.stack(maps).astype(np.float32)))


def _image(image: RawImage) -> dict[str, Any]:
    return {
        "id": image.id,
        "path": image.source.get("path"),
        "sha256": image.source.get("sha256"),
        "size": list(image.pixels.shape[:2]),
        "warnings": list(image.warnings),
    }


def _model(model: LoadedModel) -> dict[str, Any]:
    about = {"name": model.name, "sha256": model.sha256}
    return about | {"description": model.card.description, "task": model.card.task}


def _scores(change: Change) -> dict[str, Any]:
    before, after, moved = change.before, change.after, change.moved
    return {
        "label": before.target,
        "score_kind": before.provenance.get("score_kind"),
        "score": {"before": before.score, "after": after.score, "change": change.score},
        "probability": {
            "before": before.probability,
            "after": after.probability,
            "change": change.probability,
        },
        "moved_score_change": None if moved is None else moved.score - before.score,
    }


def change_numbers(change: Change) -> dict[str, Any]:
    """What ``change.json`` says of a label, without its figure.

    Args:
        change: of the label.
    """
    moved = change.moved_difference
    return _scores(change) | {
        "unit": change.before.provenance.get("unit"),
        "grid": list(change.before.grid),
        "cell": [round(side, 1) for side in change.before.cell],
        "full_colour": change.limit,
        "empty": {"before": change.before.empty_reason, "after": change.after.empty_reason},
        "compared": float(np.isfinite(change.difference).mean()),
        "map_change": _spread(change.difference),
        "moved_map_change": None if moved is None else _spread(moved),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    """Of the pixels that can be compared; zeros where there is none."""
    finite = values[np.isfinite(values)]
    finite = finite if finite.size else np.zeros(1)
    return {
        "lowest": float(finite.min()),
        "highest": float(finite.max()),
        "largest": float(np.abs(finite).max()),
        "mean_magnitude": float(np.abs(finite).mean()),
    }
