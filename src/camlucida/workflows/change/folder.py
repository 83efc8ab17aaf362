"""What is made of two studies: a figure a label, the numbers, and one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.analysis.change.difference import SHIFTED, Change
from camlucida.analysis.change.registration import Alignment, Mirror
from camlucida.core.files import npy, slug, unique, write_bytes, write_json
from camlucida.figures.change import change_figure
from camlucida.figures.files import save_figure
from camlucida.io.image import RawImage
from camlucida.models import LoadedModel
from camlucida.report.page import render

MEANING = (
    "after = matrix · before + offset, each (row, column), pixel centres at whole numbers; rotation in degrees clockwise, "
    "magnification beyond the ratio of the films' sizes, shift (rows, columns) of the centre in pixels of the film after"
)


def present(
    found: Sequence[Change],
    shown: Sequence[str],
    films: Mapping[str, RawImage],
    model: LoadedModel,
    out: Path,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a figure a label (PNG and PDF), ``change.npy``, ``before.npy``, ``after.npy``, ``change.json`` and ``change.html``.

    Args:
        found: every label that was explained.
        shown: names of those that get a figure and a place in the arrays, in order.
        films: "before" and "after" as read.
        model: that was asked.
        out: the folder.
        about: command and versions.

    Returns:
        The content of ``change.json``.
    """
    by_name = {change.before.target: change for change in found}
    chosen = [by_name[name] for name in shown]
    names = (films["before"].id, films["after"].id)
    taken: set[str] = set()
    labels = []
    for change in chosen:
        stem = f"change_{slug(unique(change.before.target, taken))}"
        save_figure(change_figure(change, names), out / stem)
        labels.append(_numbers(change) | {"figure": f"{stem}.png"})
    for name, maps in (
        ("change", [change.difference for change in chosen]),
        ("before", [change.before_map for change in chosen]),
        ("after", [change.after_map for change in chosen]),
    ):
        write_bytes(out / f"{name}.npy", npy(np.stack(maps).astype(np.float32)))
    record = {
        **about,
        "films": {name: _film(film) for name, film in films.items()},
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "description": model.card.description,
            "task": model.card.task,
        },
        "method": found[0].before.method,
        "layer": found[0].before.layer,
        "alignment": _alignment(found[0].alignment),
        "labels": labels,
        "others": [_scores(change) for change in found if change.before.target not in shown],
        "rule": f"the most probable label of each study, and every one whose probability changed by {SHIFTED:g} or more",
        "synthetic": any(film.synthetic for film in films.values()),
        "notice": "Research use only",
    }
    write_json(out / "change.json", record)
    render("change.html.j2", out / "change.html", record=record)
    return record


def _film(film: RawImage) -> dict[str, Any]:
    return {
        "id": film.id,
        "path": film.source.get("path"),
        "sha256": film.source.get("sha256"),
        "size": list(film.pixels.shape[:2]),
        "warnings": list(film.warnings),
    }


def _alignment(alignment: Alignment) -> dict[str, Any]:
    return {
        "aligned": alignment.moved,
        "refused": alignment.refused,
        "meaning": MEANING,
        "matrix": alignment.matrix.tolist(),
        "offset": alignment.offset.tolist(),
        "rotation": alignment.rotation,
        "magnification": alignment.magnification,
        "shift": list(alignment.shift),
        "films_unaligned": asdict(alignment.unaligned),
        "films_aligned": asdict(alignment.aligned),
        "mirror": None if alignment.mirror is None else asdict(alignment.mirror),
        "mirror_note": _mirror_note(alignment.mirror),
    }


def _mirror_note(mirror: Mirror | None) -> str:
    """ "" where the second film fits best as it is."""
    if mirror is None or not mirror.suspected:
        return ""
    return (
        f"the second film mirrored fits the first better (correlation of small films {mirror.mirrored:.3f}, as it is "
        f"{mirror.plain:.3f}): one of them may be mirrored, or they are of two patients"
    )


def _scores(change: Change) -> dict[str, Any]:
    before, after = change.before, change.after
    return {
        "label": before.target,
        "score_kind": before.provenance.get("score_kind"),
        "score": {"before": before.score, "after": after.score, "change": change.score},
        "probability": {
            "before": before.probability,
            "after": after.probability,
            "change": change.probability,
        },
        "moved_score_change": None if change.moved is None else change.moved.score - before.score,
    }


def _numbers(change: Change) -> dict[str, Any]:
    return _scores(change) | {
        "unit": change.before.provenance.get("unit"),
        "grid": list(change.before.grid),
        "cell": [round(side, 1) for side in change.before.cell],
        "full_colour": change.limit,
        "empty": {"before": change.before.empty_reason, "after": change.after.empty_reason},
        "compared": float(np.isfinite(change.difference).mean()),
        "map_change": _spread(change.difference),
        "moved_map_change": None
        if change.moved_difference is None
        else _spread(change.moved_difference),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    """Of the pixels that can be compared; zeros where there is none."""
    known = values[np.isfinite(values)]
    known = known if known.size else np.zeros(1)
    return {
        "lowest": float(known.min()),
        "highest": float(known.max()),
        "largest": float(np.abs(known).max()),
        "mean_magnitude": float(np.abs(known).mean()),
    }
