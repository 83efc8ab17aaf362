"""The main job: images in, a folder of explanations out. One bad image costs that image alone."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from camlucida import __version__
from camlucida.engine import DEFAULT_BATCH, TargetLike, explain
from camlucida.errors import CamlucidaError, LayerError, UsageError
from camlucida.explanation import Explanation
from camlucida.figures.save import save_explanation, save_strip
from camlucida.files import slug, write_json
from camlucida.models import LoadedModel
from camlucida.report.page import write_index
from camlucida.types import Scan

IDENTICAL = 1e-5
"""Two maps that differ by less than this share of their limit are one and the same."""


@dataclass(frozen=True)
class Failure:
    """An image that could not be explained, and why, in one line that names it."""

    image: str
    error: str


@dataclass
class Outcome:
    """What a job wrote.

    Attributes:
        records: the content of ``explanations.json``.
        failures: images without an explanation.
        notes: what a reader must know of the whole: methods that are one and the same, images without a target.
        index: the page.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    index: Path = Path()


def explain_to_folder(
    model: LoadedModel,
    paths: Sequence[Path],
    out: Path,
    *,
    targets: Sequence[TargetLike] | None = None,
    methods: Sequence[str] = ("gradcam",),
    layers: Sequence[str] | None = None,
    colormap: str | None = None,
    batch_size: int | None = None,
    frame: int | None = None,
    command: str = "",
    failures: Iterable[Failure] = (),
    progress: Callable[[int], object] = lambda done: None,
) -> Outcome:
    """Explain images and write pictures, numeric maps, ``explanations.json``, ``run.json`` and ``index.html`` into ``out``.

    Args:
        model: what to explain.
        paths: image files.
        out: made if missing; files of the same name are replaced.
        targets, methods, layers, batch_size: as in :func:`camlucida.explain`.
        colormap: matplotlib name.
        frame: of files that have several; the first if None.
        command: what the user ran, for the record.
        failures: items that failed before.
        progress: called with the number of images done since the last call.

    Raises:
        UsageError, LayerError: the request fits no image at all; nothing more is written.
    """
    outcome = Outcome(failures=list(failures))
    missing = len(outcome.failures)
    used_methods, used_layers = list(methods), list(layers) if layers else [model.card.layer]
    strips: dict[str, list[str]] = {}
    synthetic = False
    size = batch_size or DEFAULT_BATCH.get(next(model.module.parameters()).device.type, 8)
    seen: dict[str, int] = {}
    same: set[tuple[str, ...]] | None = None
    for part in _parts(paths, size):
        scans = list(_read(model, part, frame, seen, outcome))
        wanted = {"target": list(targets) if targets else None, "method": list(methods), "layer": layers and list(layers)}
        for scan, found in _explained(model, scans, wanted, size, outcome):
            synthetic |= scan.synthetic
            if not found:
                outcome.notes.append(f"{scan.id}: no target applies ({', '.join(map(str, targets or ()))})")
            if found:
                here = identical_methods(found)
                same = here if same is None else same & here
            for explanation in found:
                outcome.records.append(save_explanation(explanation, out, colormap))
            for _, group in groupby(sorted(found, key=_strip_key), key=_strip_key):
                panels = list(group)
                if len(panels) > 1:
                    strips.setdefault(scan.id, []).append(save_strip(panels, out, colormap))
        progress(len(part))
    for pair in sorted(same or ()):
        first, second, at = pair
        outcome.notes.append(f"{first} and {second} give the same map at {at}, by construction; their agreement is no evidence.")
    run = {
        "model": {
            "name": model.name,
            "description": model.card.description,
            "sha256": model.sha256,
            "card": model.card.model_dump(),
        },
        "methods": used_methods,
        "layers": sorted({record["layer"] for record in outcome.records}) or [str(layer) for layer in used_layers],
        "targets": [str(item) if isinstance(item, (str, int)) else "given mask" for item in targets or ()]
        or "default of the task",
        "command": command,
        "versions": versions(),
        "device": str(next(model.module.parameters()).device),
        "images": len(paths) + missing,
        "explanations": len(outcome.records),
        "failures": [vars(failure) for failure in outcome.failures],
        "notes": outcome.notes,
        "synthetic": synthetic,
        "notice": "Research use only",
    }
    write_json(out / "explanations.json", outcome.records)
    write_json(out / "run.json", run)
    outcome.index = write_index(out, run, outcome.records, strips)
    return outcome


def versions() -> dict[str, str]:
    """Of what computed the maps."""
    return {"camlucida": __version__, "python": platform.python_version(), "torch": torch.__version__, "numpy": version("numpy")}


def identical_methods(explanations: Sequence[Explanation]) -> set[tuple[str, ...]]:
    """(method, method, layer) whose raw maps are one and the same up to scale, for every target given: Grad-CAM, HiResCAM and
    XGrad-CAM behind a pooling and linear head."""
    found: set[tuple[str, ...]] = set()
    for layer in {explanation.layer for explanation in explanations}:
        here = [explanation for explanation in explanations if explanation.layer == layer]
        by_target = [list(group) for _, group in groupby(sorted(here, key=_place), key=_place)]
        found |= set.intersection(*(set(_identical_pairs(group)) for group in by_target))
    return found


def _place(explanation: Explanation) -> tuple[str, str, str]:
    return explanation.scan.id, explanation.target, explanation.layer


def _strip_key(explanation: Explanation) -> tuple[str, str]:
    return explanation.method, explanation.layer


def _identical_pairs(group: Sequence[Explanation]) -> Iterator[tuple[str, ...]]:
    for i, first in enumerate(group):
        for second in group[i + 1 :]:
            sizes = [float(e.raw.abs().max()) for e in (first, second)]
            if min(sizes) > 0 and float((first.raw / sizes[0] - second.raw / sizes[1]).abs().max()) < IDENTICAL:
                yield first.method, second.method, first.layer


def _parts(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def _read(model: LoadedModel, paths: Sequence[Path], frame: int | None, seen: dict[str, int], outcome: Outcome) -> Iterator[Scan]:
    for path in paths:
        try:
            scan = model.read(path, frame)
        except CamlucidaError as error:
            outcome.failures.append(Failure(str(path), str(error)))
            continue
        key = slug(scan.id)  # ids that differ only in what a file name cannot hold would overwrite each other
        seen[key] = seen.get(key, 0) + 1
        yield scan if seen[key] == 1 else replace(scan, id=f"{scan.id}_{seen[key]}")


def _explained(
    model: LoadedModel, scans: Sequence[Scan], wanted: dict[str, Any], batch_size: int, outcome: Outcome
) -> Iterator[tuple[Scan, list[Explanation]]]:
    """Each scan with its explanations; where a batch fails, its scans are tried one by one."""
    if not scans:
        return
    try:
        found = explain(model, scans, batch_size=batch_size, **wanted)
    except (UsageError, LayerError):
        raise
    except CamlucidaError as error:
        if len(scans) == 1:
            image = str(scans[0].source.get("path", scans[0].id))
            outcome.failures.append(Failure(image, f"{image}: {error}"))
            return
        for scan in scans:
            yield from _explained(model, [scan], wanted, batch_size, outcome)
        return
    by_scan: dict[str, list[Explanation]] = {scan.id: [] for scan in scans}
    for explanation in found:
        by_scan[explanation.scan.id].append(explanation)
    for scan in scans:
        yield scan, by_scan[scan.id]
