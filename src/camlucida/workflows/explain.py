"""Images in, a folder of explanations out. One bad image costs that image alone."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.identical import IdenticalPair, identical_groups, identical_methods
from camlucida.attribution.methods import METHODS
from camlucida.attribution.requests import TargetLike
from camlucida.attribution.steps import Progress, unreported
from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, unique, write_json
from camlucida.core.growing_list import GrowingList
from camlucida.core.messages import Message, declare, quoted
from camlucida.core.provenance import versions
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.figures.records import file_kinds
from camlucida.figures.save import image_job, image_records
from camlucida.figures.volumes.save import check_volume_kinds, write_volume
from camlucida.io.tables import listing
from camlucida.metrics.burned_in import letters_notes
from camlucida.models import LoadedModel
from camlucida.models.outputs import task_message
from camlucida.report.page import write_index
from camlucida.report.viewer.case_files import CaseFile, write_case
from camlucida.report.viewer.data import case_file
from camlucida.runs.keyed import GIVEN, IMAGE_NAMES, KEYED
from camlucida.workflows.explain_batches import BatchExplainer, Begun, group_of, layer_names
from camlucida.workflows.explain_files import ImageWriter, Written
from camlucida.workflows.prefetched import Prefetched

declare(
    "explain",
    {
        "identical": (
            "{methods} give the same map at {layer}, before any ReLU, by construction; "
            "their agreement is no evidence."
        ),
        "left_out": "left out of {images} of {explained} images: {method} at {layer}: {reason}",
        "slow": (
            "all leaves out {methods:,}, of thousands of forward passes an image; name them to "
            "have them"
        ),
        "interrupted": "interrupted after {explained} {explained:|image|images}",
        "stopped": "stopped after {explained} {explained:|image|images}: {reason}",
        "no_target": "{image}: no target applies ({targets:,})",
        "empty_region": "{count} {count:|image|images}: {reason} ({names})",
        "no_default_target": "{image}: none of the task's default targets applies",
    },
)

_HOPELESS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
"""Errors that the next image would meet too: disk full, read-only, quota used up."""


ExplainedImage = tuple[Scan, Sequence[Explanation]]
"""An image and its explanations, one at least."""


class WriteError(CamlucidaError):
    """The files of an image cannot be written."""

    code = "write"


@dataclass
class ExplainOutcome:
    """What a call of :func:`explain_to_folder` wrote.

    Attributes:
        records: the content of ``explanations.json``.
        explained: images that were explained, also those to which no target applied.
        failures: images without an explanation.
        notes: on the whole: methods whose maps are identical, images without a target.
        index: the page.
        strips: image id → file names of its strips.
        synthetic: whether an image is synthetic.
        task: of the model, and where it comes from; None before the first map.
        interrupted: whether the user ended it; what was done is written.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    explained: int = 0
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    index: Path = Path()
    strips: dict[str, list[str]] = field(default_factory=dict)
    synthetic: bool = False
    task: Message | None = None
    interrupted: bool = False


def explain_to_folder(
    model: LoadedModel,
    paths: Sequence[Path],
    out: Path,
    *,
    write: Collection[str] | None = None,
    targets: Sequence[TargetLike] | None = None,
    methods: Sequence[str] = ("gradcam",),
    layers: Sequence[str] | None = None,
    fuse: str | None = None,
    colormap: str | None = None,
    batch_size: int | None = None,
    frame: int | None = None,
    command: str = "",
    deidentify: bool = False,
    failures: Iterable[Failure] = (),
    progress: Callable[[int], object] = lambda done: None,
    passes: Progress = unreported,
    on_failure: Callable[[Failure], object] = lambda failure: None,
) -> ExplainOutcome:
    """Explain images into a folder.

    ``out`` gets films, raw maps, pictures, ``explanations.json``, ``run.json`` and ``index.html``.

    Args:
        model: what to explain.
        paths: image files.
        out: made if missing; files of the same name are replaced.
        write: which pictures of every explanation, see
            :data:`~camlucida.figures.records.KINDS`; None: the overlay of each image's top finding.
        targets, methods, layers, batch_size: as in :func:`camlucida.explain`.
        fuse: of the maps of several layers, a key of
            :data:`~camlucida.attribution.layer_fusion.FUSIONS`: one more map of each image,
            target and method.
        colormap: matplotlib name.
        frame: of files that have several; the first if None.
        command: the command line, for the record; it names files, so ``deidentify`` leaves it out.
        deidentify: keyed names in place of those of the files, whose paths are recorded with the
            user alone, and a warning where letters seem to be burned in.
        failures: images that failed before, for the record.
        progress: called with the number of images done since the last call.
        passes: as ``progress`` of :func:`camlucida.explain`.
        on_failure: called with each failure as it happens, also with those before.

    Raises:
        UsageError, LayerError: the request fits no image at all; nothing more is written.
    """
    kinds = file_kinds(write)
    if model.card.volume is not None:
        check_volume_kinds(kinds)
    missing = list(failures)
    explainer = BatchExplainer(
        model,
        list(targets) if targets else None,
        list(methods),
        layer_names(model, layers),
        batch_size or _default_batch(model),
        frame,
        fuse,
        group_of(out) if deidentify else "",
        passes=passes,
    )
    outcome = ExplainOutcome(failures=explainer.failures, notes=list(model.notes))
    writer = _Writer(
        out, colormap, kinds, explainer, outcome, ImageWriter(len(paths), kinds is not None)
    )
    lanes = explainer.lanes(len(paths))
    parts = [paths[start : start + lanes.part] for start in range(0, len(paths), lanes.part)]
    try:
        with lanes, Prefetched(explainer.read, parts) as batches:

            def report(failure: Failure) -> None:
                batches.wait()  # a decoder that runs has the error stream
                on_failure(failure)

            explainer.on_failure = report
            for failure in missing:
                explainer.add_failure(failure)
            for part, begun in zip(parts, explainer.begun(batches, lanes)):
                writer.explain(begun)
                batches.wait()
                progress(len(part))
                if writer.stopped_by is not None:
                    break
    except KeyboardInterrupt:
        outcome.interrupted = True
    try:
        writer.finish()
    finally:
        writer.files.close()
    outcome.notes += [*writer.closing_notes(), *explainer.record_names()]
    about = _about(explainer, outcome, command, len(paths) + len(missing))
    write_json(out / "run.json", about)
    outcome.index = write_index(out, about, outcome.records, outcome.strips, writer.scripts)
    return outcome


@dataclass
class _Writer:
    """Explains batch by batch, and writes the files of each image.

    Attributes:
        kinds: of files of every explanation, as :func:`camlucida.figures.save.file_kinds` gives.
        files: writes them, beside the model.
        stems: of file names that are taken.
        records: ``explanations.json``, a whole document at every instant.
        scripts: image id → file with the data of the page's viewer.
        identical: pairs of methods with identical maps in every image so far; None before any.
        stopped_by: the error after which nothing more can be written.
    """

    out: Path
    colormap: str | None
    kinds: frozenset[str] | None
    explainer: BatchExplainer
    outcome: ExplainOutcome
    files: ImageWriter[ExplainedImage]
    stems: set[str] = field(default_factory=set)
    script_stems: set[str] = field(default_factory=set)
    scripts: dict[str, str] = field(default_factory=dict)
    identical: set[IdenticalPair] | None = None
    stopped_by: WriteError | None = None
    records: GrowingList = field(init=False)

    def __post_init__(self) -> None:
        self.records = GrowingList(self.out / "explanations.json")

    def explain(self, batch: Begun) -> None:
        """One batch; its files are written meanwhile, or later."""
        for scan, explanations in self.explainer.explain(batch):
            if not explanations:
                self._note_absence(scan)
                continue
            if isinstance(scan, VolumeScan):
                self._write_volume(scan, explanations)
                if self.stopped_by is not None:
                    return
                continue
            job = image_job(explanations, self.out, self.kinds, self.colormap, stems=self.stems)
            case = self._case(explanations)
            for written in self.files.add((scan, explanations), job, case):
                self._record(written)
            if self.stopped_by is not None:
                return

    def finish(self) -> None:
        """Wait for what is still being written, and write the records that wait."""
        for written in self.files.rest():
            self._record(written)
        self.records.close()

    def closing_notes(self) -> Iterator[Message]:
        """The notes that only the whole shows."""
        explained = self.outcome.explained
        for group in identical_groups(self.identical or ()):
            yield Message("explain.identical", {"methods": group.methods, "layer": group.layer})
        for undefined, images in self.explainer.undefined.items():
            values = {"method": undefined.method, "layer": undefined.layer}
            counts = {"images": images, "explained": self.explainer.explained}
            reason = quoted(undefined.reason)
            yield Message("explain.left_out", {**values, **counts, "reason": reason})
        if self.outcome.interrupted:
            yield Message("explain.interrupted", {"explained": explained})
        for what, names in self.explainer.empty.items():
            counts = {"count": len(names)}
            about = {"reason": quoted(what), "names": quoted(listing(names))}
            yield Message("explain.empty_region", {**counts, **about})
        yield from letters_notes(self.explainer.with_letters, self.explainer.with_marker)
        if self.stopped_by is not None:
            reason = quoted(str(self.stopped_by))
            yield Message("explain.stopped", {"explained": explained, "reason": reason})

    def _record(self, written: Written[ExplainedImage]) -> None:
        """The records of an image; one whose files cannot be written has none."""
        scan, explanations = written.tag
        if written.error is not None:
            self._fail(scan, written.error)
            return
        records = image_records(explanations, written.job, written.regions)
        if not self._add(scan, explanations, records):
            return
        if written.case is not None:
            self.scripts[scan.id] = written.case.path.relative_to(self.out).as_posix()
        if written.job.strips:
            self.outcome.strips[scan.id] = [strip.file for strip in written.job.strips]

    def _write_volume(self, scan: VolumeScan, explanations: Sequence[Explanation]) -> None:
        """The files and records of a volume."""
        try:
            records = write_volume(
                explanations, scan, self.out, self.kinds, self.colormap, self.stems
            )
            case = self._case(explanations)
            if case is not None:
                write_case(case)
        except OSError as error:
            self._fail(scan, error)
            return
        if self._add(scan, explanations, records) and case is not None:
            self.scripts[scan.id] = case.path.relative_to(self.out).as_posix()

    def _add(
        self, scan: Scan, explanations: Sequence[Explanation], records: list[dict[str, Any]]
    ) -> bool:
        """Add the records of an image whose files are written; False where the system refuses."""
        try:
            self.records.add(records)
        except OSError as error:
            self._fail(scan, error)
            return False
        self.outcome.explained += 1
        self.outcome.records += records
        self.outcome.synthetic |= scan.synthetic
        self.outcome.task = task_message(explanations[0].provenance)
        pairs = identical_methods(explanations)
        self.identical = pairs if self.identical is None else self.identical & pairs
        return True

    def _case(self, explanations: Sequence[Explanation]) -> CaseFile | None:
        """The image for the page's viewer; None where no map lies over it."""
        if not (drawn := [each for each in explanations if each.no_picture is None]):
            return None
        name = unique(slug(drawn[0].scan.id), self.script_stems)
        return case_file(self.out / "view" / f"{name}.js", drawn, self.colormap)

    def _fail(self, scan: Scan, error: OSError) -> None:
        if self.stopped_by is not None:
            return  # the disk is full for the images behind it, too
        what = f"{self.out} cannot be written: {error.strerror}"
        failure = WriteError(what, "free space there or give another --out, then run it again")
        self.explainer.fail(scan, failure)
        self.stopped_by = failure if error.errno in _HOPELESS else None

    def _note_absence(self, scan: Scan) -> None:
        """An image to which no target applies has no files, and a note."""
        self.outcome.explained += 1
        self.outcome.synthetic |= scan.synthetic
        if any(scan.id in images for images in self.explainer.empty.values()):
            return
        self.outcome.notes.append(_no_target(scan, self.explainer.targets))


def slow_note() -> list[Message]:
    """What a request of every method leaves out; [] where no method is slow."""
    slow = [name for name, method in METHODS.items() if method.slow]
    return [Message("explain.slow", {"methods": slow})] if slow else []


def _no_target(scan: Scan, targets: Sequence[TargetLike] | None) -> Message:
    if not targets:
        return Message("explain.no_default_target", {"image": scan.id})
    names = [_target_name(target) for target in targets]
    return Message("explain.no_target", {"image": scan.id, "targets": names})


def _default_batch(model: LoadedModel) -> int:
    """Images in one forward pass: of volumes one, which is as large as a batch of images."""
    if model.card.volume is not None:
        return 1
    return DEFAULT_BATCH.get(_device(model).type, 8)


def _device(model: LoadedModel) -> Any:
    return next(model.module.parameters()).device


def _about(
    explainer: BatchExplainer, outcome: ExplainOutcome, command: str, images: int
) -> dict[str, Any]:
    """The content of ``run.json``."""
    model = explainer.model
    return {
        "model": {
            "name": model.name,
            "description": model.card.description,
            "sha256": model.sha256,
            "card": model.card.model_dump(),
        },
        "methods": explainer.methods,
        "layers": sorted({record["shown_layer"] for record in outcome.records}) or explainer.layers,
        "targets": [_target_name(target) for target in explainer.targets or ()],
        "command": "" if explainer.keyed else command,
        "deidentified": explainer.keyed,
        IMAGE_NAMES: KEYED if explainer.keyed else GIVEN,
        "task": outcome.task,
        "versions": versions(),
        "device": str(_device(model)),
        "images": images,
        "explanations": len(outcome.records),
        "failures": outcome.failures,
        "notes": outcome.notes,
        "synthetic": outcome.synthetic,
        "notice": "Research use only",
    }


def _target_name(target: TargetLike) -> str:
    """As the user wrote it; a target that is a function has no words."""
    return str(target) if isinstance(target, (str, int)) else "given mask"
