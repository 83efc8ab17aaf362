"""Files that people take with them: maps as a ZIP file, and the report of a run."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd

from camlucida.attribution.explanation import Explanation
from camlucida.core.files import slug, unique, write_bytes, write_json
from camlucida.core.volume_scan import VolumeScan
from camlucida.figures.image_files import write_image
from camlucida.figures.notice import notice_line
from camlucida.figures.save import explanation_png, image_job, image_records
from camlucida.figures.volumes.figure import planes_png
from camlucida.figures.volumes.peak import map_peak
from camlucida.figures.volumes.save import write_volume
from camlucida.io import read_image
from camlucida.io.image import RawImage
from camlucida.io.tables.write import csv_bytes
from camlucida.io.volumes import Volume, read_volume
from camlucida.runs import Run
from camlucida.web.cases import RunCases

Kind = Literal["overlay", "heatmap", "figure", "strip", "map", "mask"]
"""Of files of a map, as of ``camlucida explain --write``."""

KINDS: tuple[Kind, ...] = ("overlay", "figure")
"""That are written where nothing else is wanted; the figure has title, legend and notice."""

COLUMNS = (
    *("film", "model", "folder", "target", "score", "score_kind", "probability"),
    *("method", "layer", "empty", "synthetic", "image_sha256", "model_sha256"),
    *("synthetic_model", "notice"),
)
"""Of the table of maps."""

PREDICTED = ("target", "score", "score_kind", "probability", "threshold", "above")
"""Of each prediction."""

SCORE_KINDS = ("logit", "value", "probability")
"""Columns of a run's predictions; a model without logits has probabilities alone."""

Step = Callable[[int, int], object]
"""Called with how much is done, and of how much."""


@dataclass(frozen=True)
class ExportedImage:
    """The maps of one film and one model.

    Attributes:
        film: its name, for people.
        model: name of the model.
        model_sha256: of its weights; None where it has no file.
        synthetic_model: whether it was trained on synthetic images alone.
        explanations: at least one.
        predictions: what the model predicts for the film, each with :data:`PREDICTED`.
    """

    film: str
    model: str
    model_sha256: str | None
    synthetic_model: bool
    explanations: list[Explanation] = field(default_factory=list)
    predictions: Sequence[Mapping[str, Any]] = ()


def export_zip(
    path: Path, images: Sequence[ExportedImage], step: Step, kinds: Sequence[Kind] = KINDS
) -> None:
    """Write a ZIP file.

    A folder a film and model has the film, the raw maps (``.npz``), and of each map the pictures
    that are wanted, or of a volume three planes and the map as NIfTI.
    ``explanations.json`` and ``explanations.csv`` describe all of them, and ``predictions.csv``
    has every prediction for each film, with or without a map.

    Args:
        path: of the file.
        images: at least one.
        step: called as the images are drawn.
        kinds: of files of each map of a film.

    Raises:
        UsageError: a map is not two-dimensional, or nibabel is not installed.
        OSError: there is no room for the files.
    """
    with TemporaryDirectory(dir=path.parent, prefix="unfinished-") as name:
        root = Path(name)
        folders: set[str] = set()
        records: list[dict[str, Any]] = []
        for number, image in enumerate(images):
            step(number, len(images))
            folder = slug(unique(f"{image.film}_{image.model}", folders))
            records += _written(image, root / folder, frozenset(kinds))
        write_json(root / "explanations.json", records)
        _write_table(root / "explanations.csv", records, COLUMNS)
        predictions: list[dict[str, Any]] = []
        for image in images:
            predictions += [_about(image) | dict(row) for row in image.predictions]
        columns = ("film", "model", "model_sha256", "synthetic_model", "image_sha256", *PREDICTED)
        _write_table(root / "predictions.csv", predictions, columns)
        _zip(root, path)


def export_cases(
    path: Path, run: Path, numbers: Iterable[int], step: Step, kinds: Sequence[Kind] = KINDS
) -> None:
    """Write the stored maps of cases as a ZIP file, as :func:`export_zip` does.

    ``cases.csv`` has in addition the rows of these cases, with what was measured of their maps.
    Thresholds are not stored in a run, so that ``predictions.csv`` has none.

    Args:
        path: of the file.
        run: its folder.
        numbers: of the cases.
        step: called as the images are drawn.
        kinds: of files of each map of a film.

    Raises:
        ImageError: a film is gone, or no longer that of the run.
        UsageError, OSError: as :func:`export_zip`.
    """
    cases = RunCases("", run)
    images: dict[tuple[str, str], ExportedImage] = {}
    chosen = cases.table.iloc[list(numbers)]
    for number, row in zip(chosen["case_id"], chosen.to_dict("records")):
        film = cases.film_of(number)
        (explanation, *_) = cases.explanations(number, _read(cases, number))
        key = (film.name, str(row["model"]))
        if key not in images:
            synthetic = cases.saw_synthetic_images(key[1])
            predicted = _predicted(cases.run, *key)
            images[key] = ExportedImage(
                *key, _weights(cases.run, key[1]), synthetic, predictions=predicted
            )
        images[key].explanations.append(explanation)
    export_zip(path, list(images.values()), step, kinds)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cases.csv", csv_bytes(chosen))


def _read(cases: RunCases, number: int) -> RawImage | Volume:
    path = cases.film_of(number).path
    return read_volume(path) if cases.is_volume(number) else read_image(path)


def annotated_png(explanation: Explanation) -> bytes:
    """One map as a picture with title, legend and notice: of a volume its three planes.

    Args:
        explanation: of a film or volume.

    Raises:
        UsageError: the map lies over no image.
    """
    scan = explanation.scan
    if isinstance(scan, VolumeScan):
        values = scan.to_stored(explanation.map())
        return planes_png(explanation, scan, values, map_peak(explanation, scan))
    return explanation_png(explanation)


def png_name(explanation: Explanation, film: str) -> str:
    """What the file of :func:`annotated_png` is called.

    Args:
        explanation: of the film.
        film: its name, for people.
    """
    parts = (film, explanation.target, explanation.method)
    return "_".join(map(slug, parts)) + ".png"


def export_report(path: Path, run: Path) -> None:
    """Write the report of a run: one HTML file that needs no other.

    Args:
        path: of the file.
        run: its folder.

    Raises:
        UsageError: nothing is done in the run yet.
    """
    from camlucida.workflows.report import write_report  # maps do not wait for its imports

    with TemporaryDirectory(dir=path.parent, prefix="unfinished-") as name:
        report, _ = write_report([run], Path(name))
        write_bytes(path, report.read_bytes())


def _weights(run: Run, model: str) -> str | None:
    """SHA-256 of the weights of a model of the run; None where it has no file."""
    hashes = [each["sha256"] for each in run.about["models"] if each["name"] == model]
    return hashes[0] if hashes else None


def _predicted(run: Run, image: str, model: str) -> list[dict[str, Any]]:
    """What a model of the run predicts for an image."""
    stored = run.predictions()
    rows = stored[(stored["image"] == image) & (stored["model"] == model)]
    return [_prediction(row) for row in rows.to_dict("records")]


def _prediction(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A stored prediction; its score is of the kind of the scores of its model's maps."""
    kind = next((kind for kind in SCORE_KINDS if pd.notna(row[kind])), None)
    return {
        "target": row["label"],
        "score": None if kind is None else row[kind],
        "score_kind": kind,
        "probability": row["probability"],
    }


def _about(image: ExportedImage) -> dict[str, Any]:
    source = image.explanations[0].scan.source
    return {
        "film": image.film,
        "image_sha256": source.get("sha256"),
        "model": image.model,
        "model_sha256": image.model_sha256,
        "synthetic_model": image.synthetic_model,
    }


def _written(image: ExportedImage, folder: Path, kinds: frozenset[str]) -> list[dict[str, Any]]:
    """The records of the files that are written of an image or volume."""
    scan = image.explanations[0].scan
    notice = notice_line(scan.synthetic, "image")
    about = _about(image) | {"folder": folder.name, "notice": notice}
    del about["image_sha256"]  # the records have it
    if isinstance(scan, VolumeScan):
        records = write_volume(image.explanations, scan, folder)
    else:
        job = image_job(image.explanations, folder, kinds)
        records = image_records(image.explanations, job, write_image(job))
    return [about | record for record in records]


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    write_bytes(path, csv_bytes(pd.DataFrame(rows, columns=list(columns))))


def _zip(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(filter(Path.is_file, root.rglob("*"))):
            archive.write(file, file.relative_to(root).as_posix())
