"""The main job: images in, a folder of explanations out. One bad image costs that image alone."""

from __future__ import annotations

import errno
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from camlucida import __version__
from camlucida.attribution.engine import DEFAULT_BATCH, explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.attribution.targets import target_identity
from camlucida.core.errors import CamlucidaError, LayerError, NoEvidenceError, UsageError
from camlucida.core.files import unique, write_json
from camlucida.core.messages import Message, quoted
from camlucida.core.scan import Scan
from camlucida.figures.save import file_stem, save_explanation, save_strip, strip_stem
from camlucida.models import LoadedModel
from camlucida.report.page import write_index

IDENTICAL = 1e-5
"""Two maps that differ by less than this share of their limit are one and the same."""

_HOPELESS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
"""What the next image would meet too: a full disk, one that cannot be written, a used-up quota."""


@dataclass(frozen=True)
class Failure:
    """An image that could not be explained, and why, in one line that names it."""

    image: str
    error: str


@dataclass
class ExplainOutcome:
    """What a job wrote.

    Attributes:
        records: the content of ``explanations.json``.
        explained: images that were explained, also those to which no target applied.
        failures: images without an explanation.
        notes: what a reader must know of the whole: methods that are one and the same, images without a target.
        index: the page.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    explained: int = 0
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
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
) -> ExplainOutcome:
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
    outcome = ExplainOutcome(failures=list(failures))
    missing = len(outcome.failures)
    size = batch_size or DEFAULT_BATCH.get(next(model.module.parameters()).device.type, 8)
    asked = layers or model.card.layer
    used_layers = [asked] if isinstance(asked, str) else list(asked)
    run = _Run(
        model,
        out,
        list(targets) if targets else None,
        list(methods),
        used_layers,
        colormap,
        frame,
        size,
        outcome,
    )
    for part in _parts(paths, size):
        run.explain(part)
        progress(len(part))
        if run.stopped:
            break
    outcome.notes += run.closing_notes()
    about = {
        "model": {
            "name": model.name,
            "description": model.card.description,
            "sha256": model.sha256,
            "card": model.card.model_dump(),
        },
        "methods": list(methods),
        "layers": sorted({record["layer"] for record in outcome.records}) or used_layers,
        "targets": [
            str(item) if isinstance(item, (str, int)) else "given mask" for item in targets or ()
        ]
        or "default of the task",
        "command": command,
        "versions": versions(),
        "device": str(next(model.module.parameters()).device),
        "images": len(paths) + missing,
        "explanations": len(outcome.records),
        "failures": [vars(failure) for failure in outcome.failures],
        "notes": outcome.notes,
        "synthetic": run.synthetic,
        "notice": "Research use only",
    }
    write_json(out / "explanations.json", outcome.records)
    write_json(out / "run.json", about)
    outcome.index = write_index(out, about, outcome.records, run.strips)
    return outcome


def versions() -> dict[str, str]:
    """Of what computed the maps."""
    return {
        "camlucida": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
    }


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
            if (
                min(sizes) > 0
                and float((first.raw / sizes[0] - second.raw / sizes[1]).abs().max()) < IDENTICAL
            ):
                yield first.method, second.method, first.layer


def _parts(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


@dataclass
class _Run:
    """A job while it runs: what was asked, the names that are taken, and what the whole will say."""

    model: LoadedModel
    out: Path
    targets: list[TargetLike] | None
    methods: list[str]
    layers: list[str]
    colormap: str | None
    frame: int | None
    batch_size: int
    outcome: ExplainOutcome
    strips: dict[str, list[str]] = field(default_factory=dict)
    synthetic: bool = False
    stopped: str = ""
    ids: set[str] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)
    same: set[tuple[str, ...]] | None = None
    undefined: dict[str, dict[str, str]] = field(default_factory=dict)
    """Image → "method at layer" → why there is no map, while the image is in hand."""
    left_out: dict[str, int] = field(default_factory=dict)
    """"method at layer: why" → in how many images."""

    def explain(self, paths: Sequence[Path]) -> None:
        """One batch, from reading to writing."""
        for scan, found in self._explained(list(self._read(paths))):
            self._save(scan, found)
            if self.stopped:
                return

    def closing_notes(self) -> Iterator[Message]:
        """What can be said only at the end."""
        for first, second, at in sorted(self.same or ()):
            same = f"{first} and {second} give the same map at {at}, before any ReLU"
            yield quoted(f"{same}, by construction; their agreement is no evidence.")
        for what, images in self.left_out.items():
            yield quoted(f"left out of {images} of {self.outcome.explained} images: {what}")
        if self.stopped:
            yield quoted(f"stopped after {self.outcome.explained} images: {self.stopped}")

    def _read(self, paths: Sequence[Path]) -> Iterator[Scan]:
        for path in paths:
            try:
                scan = self.model.read(path, self.frame)
            except CamlucidaError as error:
                self.outcome.failures.append(Failure(str(path), str(error)))
            else:  # ids that differ only in what a file name cannot hold would overwrite each other
                yield replace(scan, id=unique(scan.id, self.ids))

    def _explained(self, scans: Sequence[Scan]) -> Iterator[tuple[Scan, list[Explanation]]]:
        """Each scan with its explanations; where a batch fails, its scans are tried one by one."""
        if not scans:
            return
        try:
            maps = self._maps(scans, self.methods, self.layers)
        except CamlucidaError as error:
            # Before the first image is explained, the request itself is wrong; afterwards, this image is.
            if isinstance(error, (UsageError, LayerError)) and not self.outcome.explained:
                raise
            if len(scans) == 1:
                self._fail(scans[0], str(error))
                return
            for scan in scans:
                yield from self._explained([scan])
            return
        for scan in scans:
            found = _distinct(
                [explanation for explanation in maps if explanation.scan.id == scan.id]
            )
            undefined = self.undefined.pop(scan.id, {})
            if undefined and not found:
                self._fail(scan, next(iter(undefined.values())))
                continue
            for what, why in undefined.items():
                self.left_out[f"{what}: {why}"] = self.left_out.get(f"{what}: {why}", 0) + 1
            yield scan, found

    def _maps(
        self, scans: Sequence[Scan], methods: list[str], layers: list[str]
    ) -> list[Explanation]:
        """``explain``; a method that is undefined at a layer, or for one image, costs that map alone."""
        try:
            return explain(
                self.model, scans, self.targets, methods, layers, batch_size=self.batch_size
            )
        except NoEvidenceError as error:
            if len(methods) * len(layers) > 1:
                return [
                    e
                    for method in methods
                    for layer in layers
                    for e in self._maps(scans, [method], [layer])
                ]
            if len(scans) > 1:
                return [e for scan in scans for e in self._maps([scan], methods, layers)]
            self.undefined.setdefault(scans[0].id, {})[f"{methods[0]} at {layers[0]}"] = str(error)
            return []

    def _save(self, scan: Scan, found: Sequence[Explanation]) -> None:
        """Files and records of one image; an image whose files cannot be written has no record."""
        try:
            stems = [unique(file_stem(explanation), self.stems) for explanation in found]
            records = [
                save_explanation(e, self.out, self.colormap, stem) for e, stem in zip(found, stems)
            ]
            groups = [
                list(group) for _, group in groupby(sorted(found, key=_strip_key), key=_strip_key)
            ]
            strips = [self._strip(group) for group in groups if len(group) > 1]
        except OSError as error:
            reason = f"{self.out} cannot be written: {error.strerror}"
            self._fail(scan, reason)
            self.stopped = reason if error.errno in _HOPELESS else ""
            return
        self.outcome.explained += 1
        self.outcome.records += records
        self.synthetic |= scan.synthetic
        if strips:
            self.strips[scan.id] = strips
        if found:
            here = identical_methods(found)
            self.same = here if self.same is None else self.same & here
        else:
            self.outcome.notes.append(
                quoted(f"{scan.id}: no target applies ({', '.join(map(str, self.targets or ()))})")
            )

    def _strip(self, group: Sequence[Explanation]) -> str:
        return save_strip(group, self.out, self.colormap, unique(strip_stem(group[0]), self.stems))

    def _fail(self, scan: Scan, error: str) -> None:
        image = str(scan.source.get("path", scan.id))
        self.outcome.failures.append(Failure(image, f"{image}: {error}"))


def _distinct(explanations: Sequence[Explanation]) -> list[Explanation]:
    """Each target, method and layer once, however often and under whatever name it was asked for; by target."""
    once = {
        (target_identity(e.explained), e.method, e.layer): e
        for e in explanations
        if e.explained is not None
    }
    order = list(dict.fromkeys(explanation.target for explanation in once.values()))
    return sorted(once.values(), key=lambda explanation: order.index(explanation.target))
