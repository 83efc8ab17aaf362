"""Ground truth of public data sets, from the tables that TorchXRayVision carries.

The images are the user's; they are joined by their file names, and nothing is downloaded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_join import AnnotationJoin
from camlucida.io.annotations import AnnotatedImage, Annotation, BoxAnnotation, from_rle
from camlucida.io.annotations.annotation import Mask
from camlucida.io.annotations.masks import resized
from camlucida.io.image import image_id
from camlucida.io.tables import fold

declare(
    "notes",
    {
        "public_truth": (
            "{count} of {total} {total:|image|images} {count:|is|are} in the tables of {name}; "
            "{annotated} {annotated:|has|have} annotations of findings"
        ),
        "public_readers": (
            "the annotation of an image is what any reader marked; boxes are in pixels of the "
            "original DICOM file, not of a resized copy"
        ),
    },
)

NAMES = ("nih", "rsna", "siim", "vinbig")
"""Names of the data sets."""

_SIDE = 1024
"""Pixels a side of the images of NIH, RSNA and SIIM."""

_SYNONYMS = {
    "infiltrate": ("Infiltration",),
    "lungopacity": ("Pneumonia",),
    "pneumonia": ("Lung Opacity",),
    "pleuraleffusion": ("Effusion",),
    "pulmonaryfibrosis": ("Fibrosis",),
    "effusion": ("Pleural Effusion",),
    "fibrosis": ("Pulmonary Fibrosis",),
}
"""Folded label of a table → names of the same finding elsewhere."""

_XYWH = ["x", "y", "w", "h"]


@dataclass
class PublicTruth:
    """What the tables say of a user's images.

    Attributes:
        name: of the data set.
        join: annotations by image and label.
        patients: image → patient.
        views: image → view, PA or AP.
        labels: image → findings that are true of it.
        readers: image → label → reader → boxes.
        notes: how many images were joined.
    """

    name: str
    join: AnnotationJoin
    patients: dict[str, str] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    readers: dict[str, dict[str, dict[str, BoxAnnotation]]] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)
    known: set[str] = field(default_factory=set)


def read_public_truth(name: str, images: Sequence[Path], labels: Sequence[str]) -> PublicTruth:
    """The tables of a public data set, joined to a user's images.

    Args:
        name: one of :data:`NAMES`.
        images: files that are named as in the data set, of any suffix.
        labels: of the model; the tables' names of the same findings are turned into these.

    Raises:
        UsageError: another name, TorchXRayVision is not installed, or no image is in the tables.
    """
    if name not in _READERS:
        raise UsageError(f"--truth {name}", did_you_mean(name, NAMES))
    stems = {image_id(path, None) for path in images}
    truth = PublicTruth(name, AnnotationJoin(labels))
    _READERS[name](truth, stems)
    if not truth.known:
        raise UsageError(
            f"--truth {name}: none of {len(images)} images is in its tables",
            f"keep the files' names, such as {_EXAMPLES[name]}",
        )
    annotated = len({*truth.join.drawn, *truth.join.boxed})
    counts = {"count": len(truth.known), "total": len(images), "annotated": annotated}
    truth.notes.insert(0, Message("notes.public_truth", {**counts, "name": name}))
    truth.join.notes += truth.notes
    return truth


def table_path(file: str) -> Path:
    """A table that the installed TorchXRayVision carries.

    Args:
        file: its name.

    Raises:
        UsageError: the package or the table is not there.
    """
    spec = find_spec("torchxrayvision")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "data", file)
        if path.is_file():
            return path
    raise UsageError(
        f"the table {file} of TorchXRayVision is not installed", "pip install 'camlucida[zoo]'"
    )


def _read(file: str, column: str, stems: set[str]) -> pd.DataFrame:
    """Rows of the user's images; ``stem`` is added."""
    frame = pd.read_csv(table_path(file), skipinitialspace=True)
    names = frame[column].astype(str)
    frame = frame.assign(stem=names.str.replace(r"\.(png|dcm)$", "", regex=True))
    return frame[frame["stem"].isin(stems)]


def _nih(truth: PublicTruth, stems: set[str]) -> None:
    entries = _read("Data_Entry_2017_v2020.csv.gz", "Image Index", stems)
    columns = ["stem", "Patient ID", "View Position", "Finding Labels"]
    for stem, patient, view, findings in entries[columns].itertuples(index=False):
        truth.known.add(stem)
        truth.patients[stem] = str(patient)
        truth.views[stem] = str(view)
        names = [finding for finding in findings.split("|") if finding != "No Finding"]
        truth.labels[stem] = tuple(_label(truth, finding) for finding in names)
    boxes = _read("BBox_List_2017.csv.gz", "Image Index", stems)
    position = list(boxes.columns).index("Bbox [x")
    numbers = boxes.iloc[:, position : position + 4].set_axis(_XYWH, axis=1)
    boxes = numbers.assign(stem=boxes["stem"], label=boxes["Finding Label"])
    _add_boxes(truth, boxes, (_SIDE, _SIDE))


def _rsna(truth: PublicTruth, stems: set[str]) -> None:
    headers = _read("kaggle_stage_2_train_images_dicom_headers.csv.gz", "PatientID", stems)
    for stem, view in headers[["stem", "ViewPosition"]].itertuples(index=False):
        truth.known.add(stem)
        truth.patients[stem] = stem  # a patient has one image there
        truth.views[stem] = str(view)
    boxes = _read("kaggle_stage_2_train_labels.csv.zip", "patientId", stems)
    truth.known.update(boxes["stem"])
    label = _label(truth, "Pneumonia")
    for stem, target in boxes[["stem", "Target"]].itertuples(index=False):
        truth.labels[stem] = (label,) if target else ()
    boxes = boxes.rename(columns={"width": "w", "height": "h"}).assign(label=label)
    _add_boxes(truth, boxes.dropna(subset=_XYWH), (_SIDE, _SIDE))


def _siim(truth: PublicTruth, stems: set[str]) -> None:
    rows = _read("siim-pneumothorax-train-rle.csv.gz", "ImageId", stems)
    codes: dict[str, list[str]] = defaultdict(list)
    for stem, code in rows[["stem", "EncodedPixels"]].itertuples(index=False):
        truth.known.add(stem)
        if str(code).strip() != "-1":
            codes[stem].append(str(code))
    label = _label(truth, "Pneumothorax")
    for stem in truth.known:
        truth.labels[stem] = (label,) if stem in codes else ()
    for stem, of_image in codes.items():
        where = f"siim: {label!r} in {stem}"
        annotation = Annotation(where, partial(_siim_mask, tuple(of_image)))
        truth.join.drawn[stem][label].append(annotation)


def _siim_mask(codes: Sequence[str], where: str, image: AnnotatedImage) -> Mask:
    """Runs down the columns, each start counted from the end of the run before, as COCO's."""
    mask = np.zeros((_SIDE, _SIDE), np.bool_)
    for code in codes:
        runs = [int(number) for number in code.split()]
        runs.append(_SIDE * _SIDE - sum(runs))
        mask |= from_rle({"size": [_SIDE, _SIDE], "counts": runs})
    return resized(mask, where, image)


def _vinbig(truth: PublicTruth, stems: set[str]) -> None:
    rows = _read("vinbigdata-train.csv.gz", "image_id", stems)
    truth.known.update(rows["stem"])
    rows = rows.dropna(subset=["x_min"])
    boxes = rows.assign(
        label=rows["class_name"],
        x=rows["x_min"],
        y=rows["y_min"],
        w=rows["x_max"] - rows["x_min"],
        h=rows["y_max"] - rows["y_min"],
    )
    _add_boxes(truth, boxes, None)
    for (stem, label, reader), of_reader in boxes.groupby(["stem", "label", "rad_id"]):
        name = _label(truth, str(label))
        where = f"vinbig: {name!r} in {stem} by {reader}"
        of_label = truth.readers.setdefault(str(stem), {}).setdefault(name, {})
        of_label[str(reader)] = BoxAnnotation(where, of_reader[_XYWH].to_numpy(np.float64))
    truth.labels = {stem: tuple(truth.readers.get(stem, ())) for stem in truth.known}
    truth.notes.append(Message("notes.public_readers"))


def _add_boxes(truth: PublicTruth, boxes: pd.DataFrame, drawn_on: tuple[int, int] | None) -> None:
    for (stem, label), of_label in boxes.groupby(["stem", "label"]):
        name = _label(truth, str(label))
        where = f"{truth.name}: box of {name!r} in {stem}"
        rows = of_label[_XYWH].to_numpy(np.float64)
        truth.join.boxed[str(stem)][name] = BoxAnnotation(where, rows, drawn_on=drawn_on)


def _label(truth: PublicTruth, label: str) -> str:
    """The model's name of a finding; the table's own where the model has none."""
    by_name = truth.join.by_name
    for name in (label, *_SYNONYMS.get(fold(label), ())):
        if fold(name) in by_name:
            return by_name[fold(name)]
    return label


_READERS: Mapping[str, Callable[[PublicTruth, set[str]], None]] = {
    "nih": _nih,
    "rsna": _rsna,
    "siim": _siim,
    "vinbig": _vinbig,
}

_EXAMPLES = {
    "nih": "00000013_005.png",
    "rsna": "00436515-870c-4b36-a041-de91049b9ab4.dcm",
    "siim": "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm",
    "vinbig": "9a5094b2563a1ef3ff50dc5c7ff71345.dicom",
}
