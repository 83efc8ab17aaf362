"""Maps and segmentations in; rows, figures, thresholds, record and page out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import write_json
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.keyed_names import LEFT_OUT, keyed_message
from camlucida.evaluation.chexlocalize.measure import Measured, measure_maps
from camlucida.evaluation.chexlocalize.sources import (
    PatientTable,
    SavedMap,
    has_keyed_names,
    labels_of,
    saved_maps,
)
from camlucida.evaluation.chexlocalize.summary import summarise_maps
from camlucida.evaluation.chexlocalize.thresholds import (
    check_other_patients,
    read_thresholds,
    tune,
    tuned_thresholds,
)
from camlucida.evaluation.chexlocalize.truth import Segmentations, read_segmentations
from camlucida.figures.notice import NOTICE
from camlucida.io.records import records_of
from camlucida.io.tables import write_table
from camlucida.report.writers.html import write_page
from camlucida.runs.keyed import without_command
from camlucida.workflows.chexlocalize.page import ProtocolAbout, protocol_page

declare(
    "chexlocalize",
    {
        "tuned_here": (
            "Thresholds are those with the largest mean IoU on the {images} images of {where}, "
            "whose patients are others than those evaluated."
        ),
        "tuned_elsewhere": (
            "Thresholds are read from {where}. Whether they were tuned on other patients than "
            "those evaluated cannot be checked."
        ),
    },
)

TUNED_FILE = "tuning_results.csv"
Progress = Callable[[int], object]


@dataclass(frozen=True)
class ProtocolRequest:
    """What is evaluated.

    Attributes:
        maps: folder of map pickles, or of a run.
        truth: JSON of segmentations or outlines, or a folder of masks.
        table: of patients.
        thresholds: file of tuned thresholds.
        tune_maps, tune_truth: maps and truth of other patients, on which thresholds are tuned.
        out: folder.
    """

    maps: Path
    truth: Path
    table: PatientTable = field(default_factory=PatientTable)
    thresholds: Path | None = None
    tune_maps: Path | None = None
    tune_truth: Path | None = None
    out: Path = Path("chexlocalize")

    def check(self) -> None:
        """Check that the options fit each other.

        Raises:
            UsageError: thresholds and tuning, or half of what tuning needs.
        """
        if (self.tune_maps is None) != (self.tune_truth is None):
            raise UsageError(
                "tuning needs maps and their ground truth",
                "give both --tune-maps and --tune-truth, of the validation set",
            )
        if self.thresholds is not None and self.tune_maps is not None:
            raise UsageError(
                "thresholds are both given and to be tuned",
                "give --thresholds, or --tune-maps with --tune-truth",
            )


@dataclass
class ProtocolJob:
    """The opened files of a request.

    Attributes:
        request: the request.
        maps: that are evaluated.
        truth: their segmentations.
        tuning: maps and segmentations on which thresholds are tuned; None without tuning.
        thresholds: of the file; empty without one.
        keyed: whether the run has keyed names, so that nothing that is written holds others.
    """

    request: ProtocolRequest
    maps: list[SavedMap]
    truth: Segmentations
    tuning: tuple[list[SavedMap], Segmentations] | None
    thresholds: dict[str, float]
    keyed: bool = False

    @property
    def total(self) -> int:
        """Number of maps that are read."""
        return len(self.maps) + (len(self.tuning[0]) if self.tuning else 0)


@dataclass
class ProtocolResult:
    """What was measured, and the written files."""

    measured: Measured
    figures: pd.DataFrame
    written: list[Path]


def open_protocol(request: ProtocolRequest) -> ProtocolJob:
    """Open everything of a request; no map is read yet.

    Raises:
        UsageError: a file that cannot be read; options that do not fit; no image of the maps in
            the ground truth; tuning on the patients that are evaluated.
    """
    request.check()
    maps = saved_maps(request.maps, request.table)
    truth = _truth_of(request.truth, maps)
    thresholds: dict[str, float] = {}
    if request.thresholds is not None:
        thresholds = read_thresholds(request.thresholds, labels_of(maps))
    tuning = None
    if request.tune_maps is not None and request.tune_truth is not None:
        if has_keyed_names(request.tune_maps) != has_keyed_names(request.maps):
            raise UsageError(
                f"of {request.maps} and {request.tune_maps} one has keyed names: whether their "
                "patients are the same cannot be known",
                "compute both with --deidentify, or neither",
            )
        tuning_maps = saved_maps(request.tune_maps)
        check_other_patients(tuning_maps, maps)
        _check_one_series(tuning_maps, maps)
        tuning = tuning_maps, _truth_of(request.tune_truth, tuning_maps)
    return ProtocolJob(request, maps, truth, tuning, thresholds, has_keyed_names(request.maps))


def _truth_of(path: Path, maps: Sequence[SavedMap]) -> Segmentations:
    images = dict.fromkeys((saved.image, saved.path) for saved in maps)
    truth = read_segmentations(path, labels_of(maps), images)
    if not any(truth.lists(saved.image, saved.path) for saved in maps):
        annotated = next(iter(truth.truth.drawn), "none")
        raise UsageError(
            f"no image of the maps is in {path}: the maps are of {maps[0].image}, …; the ground "
            f"truth of {annotated}, …",
            "give the ground truth of these images",
        )
    return truth


def _check_one_series(tuning: Sequence[SavedMap], maps: Sequence[SavedMap]) -> None:
    """A threshold belongs to the maps of one model, method and layer."""
    series = {saved.series for saved in [*tuning, *maps]}
    if len(series) > 1:
        names = ", ".join(sorted(" ".join(filter(None, names)) or "–" for names in series))
        raise UsageError(
            f"thresholds are tuned for one model, method and layer, and there are {names}",
            "give folders with the maps of one",
        )


def run_protocol(
    job: ProtocolJob, about: Mapping[str, Any], progress: Progress = lambda done: None
) -> ProtocolResult:
    """Tune, measure, and write everything to the folder of the request.

    Args:
        job: of :func:`open_protocol`.
        about: ``command`` and ``versions``, for the record.
        progress: called with the number of maps done since the last call.
    """
    out = job.request.out
    written: list[Path] = []
    failures: list[Failure] = []
    notes: list[Message] = []
    thresholds = job.thresholds
    if job.request.thresholds is not None:
        where = str(job.request.thresholds)
        notes.append(Message("chexlocalize.tuned_elsewhere", {"where": where}))
    if job.tuning is not None:
        table, failures = tune(*job.tuning, progress)
        thresholds = tuned_thresholds(table)
        write_table(table, out / TUNED_FILE)
        written.append(out / TUNED_FILE)
        notes += _tuning_notes(job, table)
    measured = measure_maps(job.maps, job.truth, thresholds, progress)
    measured.failures[:0] = failures
    measured.notes[:0] = notes
    if job.keyed:
        measured.failures = [_without_words(failure) for failure in measured.failures]
        measured.notes = [keyed_message(note, {}) for note in measured.notes]
    figures = summarise_maps(measured)
    tables = {"rows": measured.rows, "pixels": measured.pixels, "summary": figures}
    for name, frame in tables.items():
        write_table(frame, out / f"{name}.csv")
        written.append(out / f"{name}.csv")
    record, page = out / "chexlocalize.json", out / "chexlocalize.html"
    write_json(record, _record(job, measured, figures, thresholds, about))
    write_page(_page(job, measured, figures, thresholds, about), page)
    return ProtocolResult(measured, figures, [*written, record, page])


def _without_words(failure: Failure) -> Failure:
    """A failure whose words may name a file of annotations, without them."""
    values: dict[str, Value] = {"case": failure.image, "code": failure.code}
    return Failure(failure.image, failure.code, str(Message("privacy.left_out", values)))


def _tuning_notes(job: ProtocolJob, table: pd.DataFrame) -> list[Message]:
    images = {saved.image for saved in job.tuning[0]} if job.tuning else set()
    where = str(job.request.tune_maps)
    notes = [Message("chexlocalize.tuned_here", {"images": len(images), "where": where})]
    without = table[table["threshold"].isna()]
    if len(without):
        labels = ", ".join(without["task"])
        notes.append(Message("chexlocalize.not_tuned", {"labels": labels}))
    return notes


def _record(
    job: ProtocolJob,
    measured: Measured,
    figures: pd.DataFrame,
    thresholds: Mapping[str, float],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    request = job.request
    paths = ("maps", "truth", "thresholds", "tune_maps", "tune_truth")
    given = {name: None if job.keyed else getattr(request, name) for name in paths}
    return {
        "settings": {name: None if path is None else str(path) for name, path in given.items()},
        "maps": len(job.maps),
        "images": len({saved.image for saved in job.maps}),
        "thresholds": dict(thresholds),
        "figures": records_of(figures.astype(object).where(figures.notna(), None)),
        "failures": [failure.to_json() for failure in measured.failures],
        "notes": measured.notes,
        "notice": NOTICE,
        **(without_command(about) if job.keyed else about),
    }


def _page(
    job: ProtocolJob,
    measured: Measured,
    figures: pd.DataFrame,
    thresholds: Mapping[str, float],
    about: Mapping[str, Any],
) -> Any:
    facts = ProtocolAbout(
        maps=LEFT_OUT if job.keyed else str(job.request.maps),
        truth=LEFT_OUT if job.keyed else str(job.request.truth),
        images=measured.pixels["image"].nunique(),
        patients=measured.pixels["patient"].nunique(),
        thresholds=thresholds,
        notes=measured.notes,
        failures=list(map(str, measured.failures)),
        command=LEFT_OUT if job.keyed else str(about["command"]),
        keyed=job.keyed,
        synthetic=any(saved.synthetic for saved in job.maps),
        versions=about["versions"],
    )
    return protocol_page(figures, facts)
