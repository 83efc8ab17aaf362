"""A selection of maps as one ZIP file: pictures, raw maps, records and a table."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from camlucida.attribution.explanation import Explanation
from camlucida.core.files import slug, unique, write_bytes, write_json
from camlucida.figures.image_files import write_image
from camlucida.figures.notice import notice_line
from camlucida.figures.save import image_job, image_records
from camlucida.io.tables.write import csv_bytes

KINDS = frozenset({"overlay", "figure"})
"""Pictures of each map; the figure has title, legend and notice."""

COLUMNS = (
    *("film", "model", "folder", "target", "score", "score_kind", "probability"),
    *("method", "layer", "empty", "synthetic", "image_sha256", "model_sha256"),
    *("synthetic_model", "notice"),
)
"""Of the table."""


@dataclass(frozen=True)
class ExportedImage:
    """The maps of one film and one model.

    Attributes:
        film: its name, for people.
        model: name of the model.
        model_sha256: of its weights; None where it has no file.
        synthetic_model: whether it was trained on synthetic images alone.
        explanations: at least one.
    """

    film: str
    model: str
    model_sha256: str | None
    synthetic_model: bool
    explanations: list[Explanation]


def export_zip(images: Sequence[ExportedImage]) -> bytes:
    """The content of a ZIP file.

    A folder a film and model has the film, the raw maps (``.npz``), and of each map the overlay
    and the annotated picture; ``explanations.json`` and ``explanations.csv`` describe all of them.

    Args:
        images: at least one.

    Raises:
        UsageError: a map is not two-dimensional.
        OSError: there is no room for the files.
    """
    with TemporaryDirectory(prefix="camlucida-export-") as name:
        root = Path(name)
        folders: set[str] = set()
        records: list[dict[str, Any]] = []
        for image in images:
            folder = slug(unique(f"{image.film}_{image.model}", folders))
            records += _written(image, root, folder)
        write_json(root / "explanations.json", records)
        table = csv_bytes(pd.DataFrame(records, columns=list(COLUMNS)))
        write_bytes(root / "explanations.csv", table)
        return _zipped(root)


def _written(image: ExportedImage, root: Path, folder: str) -> list[dict[str, Any]]:
    """The records of the files that are written of an image."""
    job = image_job(image.explanations, root / folder, KINDS)
    about = {
        "film": image.film,
        "model": image.model,
        "model_sha256": image.model_sha256,
        "folder": folder,
        "synthetic_model": image.synthetic_model,
        "notice": notice_line(image.explanations[0].scan.synthetic, "image"),
    }
    records = image_records(image.explanations, job, write_image(job))
    return [about | record for record in records]


def _zipped(root: Path) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(filter(Path.is_file, root.rglob("*"))):
            archive.write(path, path.relative_to(root).as_posix())
    return buffer.getvalue()
