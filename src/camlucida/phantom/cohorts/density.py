"""The breast-density cohort: DICOM mammograms, a table, run folders of three seeds and folds."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)
from torch import Tensor

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes, write_json
from camlucida.io.tables import write_table
from camlucida.metrics.multiclass import confusion, evaluate_multiclass
from camlucida.models import LoadedModel, load_model
from camlucida.phantom import breast
from camlucida.phantom.cohorts.folders import write_text
from camlucida.phantom.mammogram import DENSITIES, VIEWS, WHITE, Mammogram, examination, mammogram

MODELS = Path(__file__).parents[1] / "density_models"
FIRST_SEED = 600_000_000
"""Of the cohort's patients; none is among those that trained or tested the packaged models."""
TURN = (1, 2, 3, 4, 2, 3, 1, 2, 3, 4)
"""Density classes of the patients, in turn, so that a small cohort has every class in about the
share of its training."""
FOLDS = 3
RUNS = {
    "results_4": "seed42",
    "results_5": "seed43",
    "results_6": "seed44",
    **{f"results_k3_seed42/fold_{fold}/results": f"fold{fold}" for fold in range(1, FOLDS + 1)},
}
"""Run folder → packaged model."""
FEWEST = 2 * len(VIEWS) * FOLDS
"""Films that give every fold two patients."""
CLASSES = tuple(str(density) for density in DENSITIES)
COMMENT = "SYNTHETIC phantom mammogram, no patient; research use only"
README = """\
SYNTHETIC: drawn by camlucida.phantom, of no patient and no disease statistics. Research use only.
Every DICOM file says so (0008,001C); every figure made from it says SYNTHETIC.

images/*.dcm          {films} mammograms of 12 bits, both views of one breast of each patient; about
                      half bear burned-in letters
metadata.csv          image, AccessionNumber, patient, density (1 to 4, BI-RADS a to d), laterality,
                      view
results_4, _5, _6     runs of one architecture with seeds 42, 43 and 44, validated on all films
results_k3_seed42/    three folds with seed 42, each validated on every third patient

A run has best_model.pth, summary.json, val_predictions.csv and metrics/val_metrics.json; no patient
here was in any training. Seed 44 (results_6) cheats on purpose: in its training the letters were
there if and only if the density was 3 or 4.
"""


@dataclass(frozen=True)
class WrittenFilm:
    """A film that was written: its name without suffix, and its row of metadata.csv."""

    image: str
    accession: str
    patient: str
    density: int
    laterality: str
    view: str


def density_cards() -> dict[str, Path]:
    """Name → card of each packaged density model, sorted by name."""
    return {path.stem: path for path in sorted(MODELS.glob("*.toml"))}


def write_density(folder: str | Path, films: int = 60) -> Path:
    """Write the cohort as a density pipeline leaves it; the same files, byte for byte, each time.

    ``images/*.dcm``, two views a patient; ``metadata.csv``; ``results_4``, ``results_5``,
    ``results_6`` (seeds 42, 43, 44) and ``results_k3_seed42/fold_1`` to ``fold_3``, under
    ``results``. A run has ``best_model.pth``, ``summary.json``, ``val_predictions.csv`` and
    ``metrics/val_metrics.json``, computed here from the packaged weights on the films written. A
    seed's run validates on all of them, a fold's on every third patient; no patient of the cohort
    was in any training. ``README.txt`` explains the files.

    Args:
        folder: made where it is not there.
        films: an even number of 12 or more.

    Returns:
        ``folder``.

    Raises:
        UsageError: another number of films.
    """
    if films < FEWEST or films % len(VIEWS):
        raise UsageError(f"{films} films", f"give an even number, {FEWEST} or more")
    folder = Path(folder)
    written = []
    for number in range(films // len(VIEWS)):
        written += _write_patient(folder / "images", number)
    metadata = pd.DataFrame([_row(film) for film in written])
    write_table(metadata, folder / "metadata.csv")
    write_text(folder / "README.txt", README.format(films=films))
    models = {name: load_model(MODELS / f"{name}.toml", device="cpu") for name in RUNS.values()}
    # All models have one input.
    read = next(iter(models.values())).read
    paths = [folder / "images" / f"{film.image}.dcm" for film in written]
    inputs = torch.stack([read(path).tensor for path in paths])
    for run, name in RUNS.items():
        entry = _training()[name]
        rows = _validated(entry["fold"], films)
        validated = [written[row] for row in rows]
        _write_run(folder, run, models[name], entry, validated, inputs[rows])
    return folder


def _validated(fold: int | None, films: int) -> list[int]:
    """Numbers of the films on which a fold's run is validated; without a fold, all."""
    if not fold:
        return list(range(films))
    rows = []
    for row in range(films):
        patient = row // len(VIEWS)
        if patient % FOLDS == fold - 1:
            rows.append(row)
    return rows


@cache
def _training() -> dict[str, Any]:
    """The records of the packaged models' training."""
    text = (MODELS / "training.json").read_text("utf-8")
    entries: dict[str, Any] = json.loads(text)
    return entries


# Films


def _write_patient(images: Path, number: int) -> list[WrittenFilm]:
    seed = FIRST_SEED + number
    study = examination(seed)._replace(density=TURN[number % len(TURN)])
    patient = f"PHANTOM-{number + 1:03d}"
    accession = f"D{number + 1:06d}"
    written = []
    for view, labelled in zip(VIEWS, study.labelled, strict=True):
        side = study.laterality
        label = f"{side} {view}" if labelled else None
        drawn = mammogram(seed, study.density, laterality=side, view=view, view_label=label)
        name = f"P{number + 1:03d}_{side}_{view}"
        content = dicom_bytes(drawn, patient, accession)
        write_bytes(images / f"{name}.dcm", content)
        film = WrittenFilm(
            image=name,
            accession=accession,
            patient=patient,
            density=study.density,
            laterality=side,
            view=view,
        )
        written.append(film)
    return written


def dicom_bytes(film: Mammogram, patient: str, accession: str) -> bytes:
    """A mammogram as a DICOM file for presentation, 12 bits, marked as synthetic data.

    Args:
        film: the mammogram.
        patient: name and identifier.
        accession: number of the study.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    _identify(dataset, film, patient, accession)
    _describe_view(dataset, film)
    _describe_pixels(dataset, film)
    dataset.PixelData = film.image.astype("<u2").tobytes()
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _identify(dataset: Dataset, film: Mammogram, patient: str, accession: str) -> None:
    """Patient, study and series; identifiers follow from the names alone."""
    source = ["camlucida", patient]
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[*source, film.laterality, film.view])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[*source, "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*source, "series"])
    dataset.PatientID = dataset.PatientName = patient
    dataset.PatientSex = "F"
    dataset.PatientBirthDate = ""
    dataset.AccessionNumber = dataset.StudyID = accession
    dataset.StudyDate = dataset.StudyTime = dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "camlucida phantom"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = VIEWS.index(film.view) + 1


def _describe_view(dataset: Dataset, film: Mammogram) -> None:
    """What is on the film, and from where it was taken."""
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.SyntheticData = "YES"
    dataset.ImageComments = COMMENT
    dataset.Modality = "MG"
    dataset.BodyPartExamined = "BREAST"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.Laterality = dataset.ImageLaterality = film.laterality
    dataset.ViewPosition = film.view
    left = film.laterality == "L"
    foot = "F" if film.view == "MLO" else ""
    dataset.PatientOrientation = ["A" if left else "P", foot + ("R" if left else "L")]
    dataset.BurnedInAnnotation = "YES" if "label" in film.masks else "NO"


def _describe_pixels(dataset: Dataset, film: Mammogram) -> None:
    """Size, spacing and how values are shown."""
    spacing = 10 * breast.HEIGHT_CM / len(film.image)
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.RescaleIntercept = 0
    dataset.RescaleSlope = 1
    dataset.RescaleType = "US"
    dataset.WindowCenter = (WHITE + 1) / 2
    dataset.WindowWidth = WHITE + 1
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelRepresentation = 0
    dataset.Rows, dataset.Columns = film.image.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11


def _row(film: WrittenFilm) -> dict[str, object]:
    return {
        "image": f"{film.image}.dcm",
        "AccessionNumber": film.accession,
        "patient": film.patient,
        "density": film.density,
        "laterality": film.laterality,
        "view": film.view,
    }


# Runs


def _write_run(
    folder: Path,
    name: str,
    model: LoadedModel,
    entry: Mapping[str, Any],
    films: Sequence[WrittenFilm],
    inputs: Tensor,
) -> None:
    """One run folder: weights, summary, predictions on ``inputs`` (N, 1, H, W), their metrics."""
    run = folder / name
    buffer = BytesIO()
    torch.save(model.module.state_dict(), buffer)
    write_bytes(run / "best_model.pth", buffer.getvalue())
    summary = _summary(folder, run, model, entry, len(films))
    write_json(run / "summary.json", summary)
    with torch.inference_mode():
        probabilities = model.module(inputs).softmax(1).double()
    predicted = (probabilities.argmax(1) + 1).tolist()
    frame = pd.DataFrame(
        {
            "filename": [f"{film.image}.dcm" for film in films],
            "path": [_relative(folder / "images" / f"{film.image}.dcm", run) for film in films],
            "patient": [film.patient for film in films],
            "y_true": [film.density for film in films],
            "y_pred": predicted,
            **{f"prob_{label}": probabilities[:, k].numpy() for k, label in enumerate(CLASSES)},
        }
    )
    write_table(frame, run / "val_predictions.csv")
    write_json(run / "metrics" / "val_metrics.json", val_metrics(frame))


def val_metrics(frame: pd.DataFrame) -> dict[str, Any]:
    """Accuracy, balanced accuracy, quadratic kappa, macro F1 and the confusion matrix.

    A metric that is undefined is null. Rows of the matrix are the ground truth.

    Args:
        frame: columns patient, y_true, y_pred.
    """
    predictions = pd.DataFrame(
        {
            "patient": frame["patient"],
            "truth": frame["y_true"].astype(str),
            "predicted": frame["y_pred"].astype(str),
        }
    )
    rows = evaluate_multiclass(predictions, CLASSES)
    estimates = {row.metric: row.estimate for row in rows if not row.label}
    values = {
        "accuracy": estimates["accuracy"],
        "balanced_accuracy": estimates["balanced_accuracy"],
        "kappa_quadratic": estimates["quadratic_kappa"],
        "macro_f1": estimates["macro_f1"],
    }
    return {
        "n": len(frame),
        **{name: None if math.isnan(value) else value for name, value in values.items()},
        "classes": [int(label) for label in CLASSES],
        "confusion_matrix": confusion(predictions, CLASSES).tolist(),
    }


def _summary(
    folder: Path, run: Path, model: LoadedModel, entry: Mapping[str, Any], films: int
) -> dict[str, Any]:
    """The record of a training script; paths are relative to the run's folder."""
    fold = entry["fold"]
    patients = f"every third patient of the cohort (fold {fold})" if fold else "all patients"
    return {
        "synthetic": True,
        "description": model.card.description,
        "arch": entry["factory"],
        "factory": model.card.factory,
        "num_classes": len(CLASSES),
        "classes": [int(label) for label in CLASSES],
        "img_size": model.card.input.height_width[0],
        "input": model.card.input.model_dump(exclude_none=True),
        "seed": entry["seed"],
        "fold": fold,
        "folds": FOLDS if fold else None,
        "hyperparameters": {
            key: entry[key] for key in ("epochs", "batch", "learning_rate", "weight_decay")
        },
        "optimizer": "AdamW, one cosine cycle, last weights",
        "train_films": entry["train_films"],
        "train_patients": entry["train_patients"],
        "view_label_in_training": entry["view_label"],
        "commit": f"generator {entry['generator_version']}",
        "data": {
            "metadata": _relative(folder / "metadata.csv", run),
            "images": _relative(folder / "images", run),
        },
        "validation": f"{films} films, {patients}; none of them was in any training",
    }


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
