"""The maps that are evaluated: a folder of CheXlocalize's pickles, or a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.tensors import resize
from camlucida.datasets.image_rows import match_images
from camlucida.datasets.patients import (
    Patients,
    find_patient_column,
    patient_in_name,
    patient_of,
)
from camlucida.evaluation.maps.scores import sees_all
from camlucida.io.dicom.patients import keyed_name
from camlucida.io.keyed_files import actual_path
from camlucida.io.saliency_pickles import check_label, map_files, read_saliency_map
from camlucida.io.tables import listing, read_table
from camlucida.metrics.annotations import Mask
from camlucida.metrics.ceiling import area_average
from camlucida.metrics.chexlocalize import upsample
from camlucida.runs.keyed import is_keyed
from camlucida.runs.read import Run, is_run
from camlucida.runs.stored_scan import stored_geometry


@dataclass(frozen=True)
class GridMap:
    """A map on its grid, and where the grid lies.

    Attributes:
        native: (h, w), after the method's ReLU.
        geometry: original ↔ model pixels, over which the grid is stretched.
    """

    native: ArrayLike
    geometry: Geometry

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image, in pixels."""
        height, width = self.geometry.original
        return height, width

    def on_image(self) -> NDArray[np.floating]:
        """(H, W) the map in original pixels, as the protocol enlarges it."""
        return enlarged(self.native, self.geometry)

    def best(self, truth: Mask) -> NDArray[np.floating]:
        """(H, W) the best map of this grid: see :mod:`camlucida.metrics.ceiling`.

        Args:
            truth: (H, W).
        """
        return enlarged(area_average(truth, np.shape(self.native), self.geometry), self.geometry)


def enlarged(native: ArrayLike, geometry: Geometry) -> NDArray[np.floating]:
    """A map in original pixels, bilinear; in one step where the model saw the whole image.

    Args:
        native: (h, w).
        geometry: over whose model pixels the grid is stretched.
    """
    if sees_all(geometry):
        return upsample(native, geometry.original)
    values = torch.from_numpy(np.array(native, np.float64))
    on_model = resize(values[None], geometry.model)
    return geometry.map_to_original(on_model)[0].numpy()


@dataclass(frozen=True)
class SavedMap:
    """One map of a label in an image, which is read when it is needed.

    Attributes:
        model, method, layer: whose map it is; "" where the source does not say.
        image, path: id and file name or path, by which annotations are found.
        label: of the map.
        patient: "" where it is unknown.
        read: → the map; raises ImageError.
    """

    model: str
    method: str
    layer: str
    image: str
    path: str
    label: str
    patient: str
    read: Callable[[], GridMap]

    @property
    def series(self) -> tuple[str, str, str]:
        """Model, method and layer."""
        return self.model, self.method, self.layer


@dataclass(frozen=True)
class PatientTable:
    """A table that says who the patient of an image is; columns are found by name where None."""

    path: Path | None = None
    id_column: str | None = None
    patient_column: str | None = None


def saved_maps(folder: Path, table: PatientTable | None = None) -> list[SavedMap]:
    """The maps of a folder of pickles, or of a run.

    Patients are those of the table, else of the run, else of CheXpert's names (``patient64541``).

    Args:
        folder: of pickles IMAGE_LABEL_map.pkl, or of ``camlucida run``.
        table: of patients.

    Raises:
        UsageError: neither; two maps of one label in one image; a table without patients.
    """
    keyed = has_keyed_names(folder)
    maps = list(_of_run(Run.open(folder), keyed) if is_run(folder) else _of_pickles(folder))
    if not maps:
        raise UsageError(f"{folder} holds no map of a label", "maps of labels are evaluated")
    _check_unique(maps)
    if table is None or table.path is None:
        return maps
    return _with_patients(maps, table, keyed)


def has_keyed_names(folder: Path) -> bool:
    """Whether a folder is that of a run with keyed names.

    Args:
        folder: as of :func:`saved_maps`.
    """
    return is_run(folder) and is_keyed(Run.open(folder).about)


def labels_of(maps: Sequence[SavedMap]) -> list[str]:
    """The labels of the maps, in the order of their names."""
    return sorted({saved.label for saved in maps})


def patient_id(saved: SavedMap) -> str:
    """The patient; an image of an unknown one counts as a patient of its own."""
    return patient_of(saved.patient, saved.image)


def no_patients(maps: Sequence[SavedMap]) -> bool:
    """Whether the patient of no map is known."""
    return not any(saved.patient for saved in maps)


def _of_pickles(folder: Path) -> Iterator[SavedMap]:
    for image, label, path in map_files(folder):
        patient = patient_in_name(image)
        read = partial(_read_pickle, path, label)
        yield SavedMap("", "", "", image, _as_path(image), label, patient, read)


def _read_pickle(path: Path, label: str) -> GridMap:
    saved = read_saliency_map(path)
    check_label(saved, label, path)
    grid = saved.values.shape[0], saved.values.shape[1]
    # The grid is stretched over the whole image, whatever the model saw.
    geometry = Geometry.identity(saved.size).resize(grid)
    return GridMap(saved.values, geometry)


def _as_path(image: str) -> str:
    """CheXpert's path of the name that CheXlocalize makes of it."""
    return image.replace("_", "/", 2) if patient_in_name(image) else image


def _of_run(run: Run, keyed: bool) -> Iterator[SavedMap]:
    table = run.explanations()
    cohort = run.query("SELECT DISTINCT image, patient FROM cohort")
    patients = dict(zip(cohort["image"], cohort["patient"]))
    for index, row in table.iterrows():
        record = {str(name): value for name, value in row.items()}
        if record["target_kind"] != "label" or record["target_sign"] not in (1, None):
            continue
        image = str(record["image"])
        path = str(actual_path(str(record["path"])))
        known = str(patients.get(image) or "")
        # An image that stands for its unknown patient is no patient.
        patient = "" if known == patient_of("", image) else known
        yield SavedMap(
            str(record["model"]),
            str(record["method"]),
            str(record["layer"]),
            image,
            path,
            str(record["target_label"]),
            patient or _named(patient_in_name(path), keyed),
            partial(_read_stored, run, int(str(index)), record),
        )


def _read_stored(run: Run, index: int, row: Mapping[str, Any]) -> GridMap:
    (raw,) = run.raw([index])
    if raw.ndim != 2:
        raise ImageError(f"{row['image']}: a map of {raw.ndim} axes", "images are evaluated")
    native = (raw.relu() if row["relu"] else raw).numpy()
    return GridMap(native, stored_geometry(row))


def _check_unique(maps: Sequence[SavedMap]) -> None:
    count: dict[tuple[str, ...], int] = defaultdict(int)
    for saved in maps:
        count[(*saved.series, saved.image, saved.label)] += 1
    twice = [f"{key[-1]} in {key[-2]}" for key, number in count.items() if number > 1]
    if twice:
        raise UsageError(f"two maps of one label in one image: {listing(twice)}", "keep one")


def _with_patients(maps: Sequence[SavedMap], table: PatientTable, keyed: bool) -> list[SavedMap]:
    where = table.path or Path()
    frame = read_table(where)
    column = find_patient_column(frame, table.patient_column, where)
    if column is None:
        raise UsageError(f"{where} has no patient column", "name it: --patient-column")
    paths = {Path(saved.path) for saved in maps}
    # CheXpert's tables begin each path with the folder of the data set.
    short = frame.apply(lambda cells: cells.map(_without_root))
    rows = match_images(short, table.id_column, paths, where)
    patients = Patients.read(frame, column)
    by_path = {path: patients.cells[of_path[0]] for path, of_path in rows.rows.items() if of_path}
    names = {path: _named(patient, keyed) for path, patient in by_path.items()}
    return [_of_patient(saved, names.get(Path(saved.path), "")) for saved in maps]


def _named(patient: str, keyed: bool) -> str:
    """A patient, under a keyed name where the run has such."""
    return keyed_name("patient", patient) if keyed and patient else patient


def _without_root(cell: Any) -> Any:
    """patient/study/view of a path of CheXpert; any other cell as it is."""
    if not isinstance(cell, str) or not patient_in_name(cell):
        return cell
    return "/".join(cell.replace("\\", "/").split("/")[-3:])


def _of_patient(saved: SavedMap, patient: str) -> SavedMap:
    return replace(saved, patient=patient or saved.patient)
