"""A run as a FiftyOne dataset: predictions, ground truth, and maps as heatmap fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import slug, write_bytes
from camlucida.core.png import png_bytes
from camlucida.core.tensors import resize
from camlucida.datasets.patients import stated_patient
from camlucida.runs import Run

LONGEST = 256
"""Pixels of the longer side of a heatmap, which FiftyOne stretches over the image."""

SHOWN = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
"""Suffixes of files that its app shows; of others, such as DICOM, a PNG is written."""

FACTS = ("patient", "split")
"""Columns of the cohort that become fields, beside the groups."""


def dataset_of_run(run: Run, name: str, media: str | Path) -> Any:
    """Make a FiftyOne dataset of a run. FiftyOne needs its database for it, MongoDB.

    Args:
        run: computed.
        name: of the dataset, which is new.
        media: as of :func:`samples_of_run`.

    Returns:
        The ``fiftyone.Dataset``.

    Raises:
        UsageError: FiftyOne is not installed, no explanation is there, or the name is taken.
        CamlucidaError: FiftyOne refuses, as without a database.
    """
    fiftyone = _fiftyone()
    samples = list(samples_of_run(run, media))
    with _with_database():
        is_taken = fiftyone.dataset_exists(name)
    if is_taken:
        raise UsageError(
            f"FiftyOne already has a dataset {name}",
            "give another name, or remove it with fiftyone.delete_dataset",
        )
    with _with_database():
        dataset = fiftyone.Dataset(name)
        dataset.info = {"use": "research use only", "run": str(run.folder.root)}
        dataset.add_samples(samples)
        dataset.persistent = True  # FiftyOne removes one that is only half made
    return dataset


@contextmanager
def _with_database() -> Iterator[None]:
    """Turn what FiftyOne raises without its database into one line."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise CamlucidaError(
            f"FiftyOne: {reason}", "it needs MongoDB: FIFTYONE_DATABASE_URI names a server"
        ) from error


def samples_of_run(run: Run, media: str | Path) -> Iterator[Any]:
    """A FiftyOne sample for each image of a run; no database is needed.

    Fields: ``case``; ``patient``, ``split`` and the groups where they are known; ``ground_truth``
    and ``predictions``, classifications; ``METHOD_LABEL``, a heatmap of each map, in shares of its
    largest magnitude, which is its attribute ``limit``. With several models, ``predictions`` and
    the heatmaps begin with the name of the model, and with several layers with the layer. A map
    without evidence has no heatmap.

    Args:
        run: computed, of images; not of volumes.
        media: folder for PNG files of images that the app cannot show.

    Yields:
        ``fiftyone.Sample``, in the cohort's order.

    Raises:
        UsageError: FiftyOne is not installed, or no explanation is there.
    """
    fiftyone = _fiftyone()
    maps = run.explanations()
    if maps.empty:
        raise UsageError("there is no map in the run", "finish the run")
    predictions = run.predictions()
    varying = [name for name in ("model", "layer") if maps[name].nunique() > 1]
    for image, rows in maps.groupby("image", sort=False):
        explained = [run.explanation(int(index)) for index in rows.index]
        of_image = predictions[predictions["image"] == image]
        sample = fiftyone.Sample(filepath=str(_media(explained[0], Path(media))))
        sample["case"] = str(image)
        for key, value in _facts(of_image).items():
            sample[key] = value
        sample["ground_truth"] = _truth(fiftyone, of_image)
        for model, of_model in of_image.groupby("model", sort=False):
            parts = [model, "predictions"] if "model" in varying else ["predictions"]
            sample[_field(parts)] = _predictions(fiftyone, of_model)
        for row, explanation in zip(rows.to_dict("records"), explained):
            if not explanation.is_empty:
                parts = [*(row[name] for name in varying), row["method"], row["target"]]
                sample[_field(parts)] = _heatmap(fiftyone, explanation)
        yield sample


def _fiftyone() -> Any:
    try:
        import fiftyone
    except ImportError as error:
        raise UsageError("this bridge needs FiftyOne", "pip install fiftyone") from error
    return fiftyone


def _media(explanation: Explanation, folder: Path) -> Path:
    """The file that the app shows: the image itself, or a PNG of it."""
    path = Path(str(explanation.scan.source["path"]))
    if path.suffix.lower() in SHOWN and path.is_file():
        return path.absolute()
    shown = folder / f"{slug(explanation.scan.id)}.png"
    if explanation.scan.display is None:
        raise UsageError(
            f"{explanation.scan.id}: the image is no longer there, or has changed",
            "put it back, or run again",
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(shown, png_bytes(explanation.scan.display))
    return shown.absolute()


def _field(parts: Sequence[object]) -> str:
    """A name of letters, digits and underscores, as FiftyOne takes it.

    >>> _field(["gradcam", "Pleural Effusion"])
    'gradcam_Pleural_Effusion'
    """
    return re.sub(r"\W+", "_", "_".join(map(str, parts))).strip("_")


def _facts(rows: pd.DataFrame) -> dict[str, str]:
    """Columns of the cohort of one image that are not blank."""
    names = [name for name in map(str, rows) if name in FACTS or name.startswith("group_")]
    first = rows.iloc[0]
    cells = {str(name): first[name] for name in names}
    if "patient" in cells:
        cells["patient"] = stated_patient(str(cells["patient"])) or None
    return {name: str(cell) for name, cell in cells.items() if not pd.isna(cell)}


def _truth(fiftyone: Any, rows: pd.DataFrame) -> Any:
    """The labels that are true; None where nothing is known."""
    known = rows[rows["truth"].notna() & rows["label"].notna()]
    if known.empty:
        return None
    names = dict.fromkeys(known.loc[known["truth"] == 1, "label"])
    labels = [fiftyone.Classification(label=str(name)) for name in names]
    return fiftyone.Classifications(classifications=labels)


def _predictions(fiftyone: Any, rows: pd.DataFrame) -> Any:
    """Every label with its probability as its confidence; None of a model without."""
    scored = rows[rows["probability"].notna()]
    if scored.empty:
        return None
    labels = [
        fiftyone.Classification(label=str(label), confidence=float(probability))
        for label, probability in zip(scored["label"], scored["probability"])
    ]
    return fiftyone.Classifications(classifications=labels)


def _heatmap(fiftyone: Any, explanation: Explanation) -> Any:
    return fiftyone.Heatmap(
        map=_shares(explanation),
        range=[-1.0, 1.0] if explanation.signed else [0.0, 1.0],
        limit=explanation.limit,
        score=explanation.score,
        layer=explanation.layer,
    )


def _shares(explanation: Explanation) -> NDArray[np.float32]:
    """The map over the original image, divided by its largest magnitude, of :data:`LONGEST`."""
    whole = explanation.on_original()
    factor = min(1.0, LONGEST / max(whole.shape))
    size = [max(1, round(side * factor)) for side in whole.shape]
    values = resize(whole[None], size)[0] / explanation.limit
    shares: NDArray[np.float32] = values.clamp(-1, 1).numpy().astype(np.float32)
    return shares
