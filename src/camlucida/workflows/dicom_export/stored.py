"""The maps that a run or a folder of ``explain`` holds, image by image, as explanations again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.io.dicom_export import Algorithm
from camlucida.io.image import RawImage
from camlucida.io.read import read_image
from camlucida.io.volumes import read_volume
from camlucida.models import Card
from camlucida.models.detectors import Detection
from camlucida.models.preprocessing import prepare_volume
from camlucida.models.preprocessing.volume_spec import VolumeInput
from camlucida.runs.keyed import is_keyed
from camlucida.runs.mismatch import any_mismatch
from camlucida.runs.read import Run, is_run
from camlucida.runs.stored_scan import stored_geometry

RECORDS = "explanations.json"


@dataclass(frozen=True)
class StoredImage:
    """An image and one model's maps of it.

    Attributes:
        id: of the image.
        path: of its file.
        sha256: of the file when it was explained; None where that is not recorded.
        algorithm: the model.
        load: reads the maps and the image. CamlucidaError where that fails.
        mismatch: whether the model is known not to be that of the stored predictions.
        keyed: whether its id is keyed, and its path.
        is_volume: whether the model takes volumes.
    """

    id: str
    path: Path
    sha256: str | None
    algorithm: Algorithm
    load: Callable[[], list[Explanation]]
    mismatch: bool = False
    keyed: bool = False
    is_volume: bool = False


def stored_images(source: Path) -> list[StoredImage]:
    """What a folder holds.

    Args:
        source: folder of a run, or of ``explain``.

    Raises:
        UsageError: it is neither, or damaged.
    """
    if (source / RECORDS).is_file():
        return list(_of_folder(source))
    if source.is_dir() and is_run(source):
        return list(_of_run(Run.open(source)))
    raise UsageError(
        f"{source} is neither a run nor a folder of explanations",
        f"give the folder of `camlucida run`, or of `camlucida explain`, with {RECORDS}",
    )


def _of_run(run: Run) -> Iterator[StoredImage]:
    table = run.explanations()
    weights = {str(model["name"]): str(model["sha256"] or "") for model in run.about["models"]}
    volumes = {str(each["name"]): bool(each["resolved"]["volume"]) for each in run.about["models"]}
    mismatch = any_mismatch((run,))
    for (image, model), rows in table.groupby(["image", "model"], sort=False):
        numbers = list(map(int, rows.index))
        first = rows.iloc[0]
        yield StoredImage(
            str(image),
            Path(str(first["path"])),
            str(first["image_sha256"]),
            Algorithm(str(model), weights.get(str(model), "")),
            partial(_maps_of_run, run, numbers),
            mismatch,
            is_keyed(run.about),
            volumes[str(model)],
        )


def _maps_of_run(run: Run, numbers: Sequence[int]) -> list[Explanation]:
    first = run.explanation(numbers[0])
    return [first, *run.explanations_of(numbers[1:], first.scan)]


def _of_folder(folder: Path) -> Iterator[StoredImage]:
    records = _json(folder / RECORDS)
    about = _json(folder / "run.json")
    try:
        model = about["model"]
        algorithm = Algorithm(str(model["name"]), str(model.get("sha256") or ""))
        card = Card.model_validate(model["card"])
        for image, group in groupby(records, key=lambda record: str(record["id"])):
            of_image = list(group)
            first = of_image[0]
            yield StoredImage(
                image,
                Path(first["image"]),
                first["image_sha256"],
                algorithm,
                partial(_maps_of_folder, folder, of_image, card),
                keyed=bool(about.get("deidentified")),
                is_volume=card.volume is not None,
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder) from error


def _maps_of_folder(
    folder: Path, records: Sequence[Mapping[str, Any]], card: Card
) -> list[Explanation]:
    scans = _scans_of(records, card)
    try:
        with np.load(folder / records[0]["files"]["maps"], allow_pickle=False) as arrays:
            maps = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
        return [_explanation(record, maps, scan) for record, scan in zip(records, scans)]
    except CamlucidaError:
        raise
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise _damaged(folder) from error


def _explanation(
    record: Mapping[str, Any], maps: Mapping[str, torch.Tensor], scan: Scan
) -> Explanation:
    reason = record["empty_reason"]
    box = record["detection"]
    return Explanation(
        raw=maps[record["map_key"]].float(),
        score=float(record["score"]),
        probability=record["probability"],
        scaled_output=record["scaled_output"],
        target=str(record["target"]),
        method=str(record["method"]),
        layer=str(record["layer"]),
        relu=bool(record["relu"]),
        scan=scan,
        empty_reason=Message.from_json(reason) if reason else None,
        provenance=_provenance(record),
        detection=Detection(**box | {"box": tuple(box["box"])}) if box else None,
    )


def _scans_of(records: Sequence[Mapping[str, Any]], card: Card) -> Iterator[Scan]:
    """The film or volume of each record of an image, which is read once."""
    if card.volume is not None:
        volume = _volume(records[0], card.volume)
        yield from [volume] * len(records)
        return
    image = read_image(records[0]["image"])
    for record in records:
        yield _scan(record, image)


def _scan(record: Mapping[str, Any], image: RawImage) -> Scan:
    """The film of a record."""
    geometry = record["geometry"]
    if geometry is None or len(record["grid"]) != 2:
        raise UsageError(f"the map of {record['target']} lies over no film", "export films")
    sides = stored_geometry({"original": record["image_size"], **geometry})
    return Scan(
        torch.zeros(1, *sides.model),
        image.display,
        sides,
        str(record["id"]),
        image.source,
        synthetic=bool(record["synthetic"]),
    )


def _volume(record: Mapping[str, Any], spec: VolumeInput) -> VolumeScan:
    """The volume of a record, prepared as it was."""
    scan = prepare_volume(read_volume(record["image"]), spec)
    return replace(scan, id=str(record["id"]))


def _provenance(record: Mapping[str, Any]) -> dict[str, Any]:
    stated = ("score_kind", "unit", "task", "task_from", "fused")
    about = {name: record[name] for name in stated if record.get(name) is not None}
    method = str(record["method"])
    return about | {"method": METHODS[method].title if method in METHODS else method}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read", "explain the images again") from error


def _damaged(folder: Path) -> UsageError:
    what = f"{folder} does not hold what `camlucida explain` writes"
    return UsageError(what, "explain the images again with this version")
