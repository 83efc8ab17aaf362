"""A decoded film or volume as the input of a model, and as what the viewer shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import ImageError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.orientation import AxisOrder
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan, is_volume
from camlucida.io.decoded import holds_film, read_decoded
from camlucida.io.decoded_volumes import holds_volume, read_decoded_volume
from camlucida.io.image import RawImage
from camlucida.io.volumes import Volume
from camlucida.models import Card, LoadedModel
from camlucida.models.preprocessing import prepare, prepare_volume
from camlucida.report.viewer.data import decoded_film_data, map_data
from camlucida.report.viewer.encode import film_data
from camlucida.report.viewer.volumes import viewed_map, viewed_voxels
from camlucida.runs.stored_scan import stored_geometry


def prepared(folder: Path, model: LoadedModel) -> Scan:
    """A film or volume as a model was trained to see it.

    Args:
        folder: as of :meth:`camlucida.io.decoded.Decoder.decode`.
        model: of films, or of volumes.

    Raises:
        UsageError: a film for a model of volumes, or a volume for one of films.
        ImageError: its files are gone or damaged.
    """
    spec = model.card.volume
    if spec is not None:
        if not holds_volume(folder) and holds_film(folder):
            raise UsageError(
                f"{model.name} is a model of volumes, and this is a film",
                "choose a model of films, or give NIfTI or all DICOM files of a series together",
            )
        return prepare_volume(read_decoded_volume(folder), spec)
    if not holds_film(folder) and holds_volume(folder):
        raise UsageError(
            f"{model.name} is a model of films, and this is a volume",
            "choose a model of volumes (its card has [volume]), or give a film",
        )
    return prepare(read_decoded(folder), model.card.input)


def decoded_image(folder: Path, volume: bool) -> RawImage | Volume:
    """What was decoded into a folder.

    Args:
        folder: as of :meth:`camlucida.io.decoded.Decoder.decode`.
        volume: whether the volume is wanted, of what may be both.

    Raises:
        ImageError: its files are gone or damaged.
    """
    return read_decoded_volume(folder) if volume else read_decoded(folder)


def case_scan(row: Mapping[Any, Any], card: Card, image: RawImage | Volume) -> Scan:
    """The film or volume of a stored map; a film's tensor is empty, for no model runs.

    Args:
        row: of :meth:`camlucida.runs.Run.explanations`.
        card: of the model, as it was when it ran.
        image: as it was read.

    Raises:
        ImageError: it is no longer the one that was explained.
    """
    if image.source.get("sha256") != row["image_sha256"]:
        raise ImageError(f"{row['path']} is no longer the film that was explained", "put it back")
    geometry = stored_geometry(row)
    if isinstance(image, Volume) and card.volume is not None:
        scan: Scan = prepare_volume(image, card.volume)
        return replace(scan, id=row["image"], geometry=geometry)
    assert isinstance(image, RawImage)
    return Scan(
        torch.zeros(1, *geometry.model),
        image.display,
        geometry,
        row["image"],
        source={"sha256": row["image_sha256"]},
        synthetic=image.synthetic,
    )


def shown_data(folder: Path, name: str, volume: bool) -> dict[str, Any]:
    """What the viewer shows of a film or volume: ``film``, ``volume``, ``notes``, ``synthetic``.

    Args:
        folder: as of :meth:`camlucida.io.decoded.Decoder.decode`.
        name: for people.
        volume: whether what is both is shown as a volume.

    Raises:
        ImageError: its files are gone or damaged.
    """
    if holds_volume(folder) and (volume or not holds_film(folder)):
        return _shown_volume(read_decoded_volume(folder), name)
    image = read_decoded(folder)
    notes = [str(warning) for warning in image.warnings]
    film = decoded_film_data(image, name)
    return {"film": film, "notes": notes, "synthetic": image.synthetic}


def shown_map_data(explanation: Explanation, name: str) -> dict[str, Any]:
    """A map of a film or volume in the form of the viewer.

    Args:
        explanation: of either.
        name: unique among the maps of its film.
    """
    viewed = viewed_map if is_volume(explanation.scan) else map_data
    return viewed(explanation, name)


def _shown_volume(volume: Volume, name: str) -> dict[str, Any]:
    identity = Geometry.identity(volume.values.shape)
    scan = VolumeScan(
        tensor=torch.zeros(1, 1, 1, 1),  # no model runs
        display=None,
        geometry=identity,
        id=volume.id,
        voxels=volume.values,
        affine=volume.affine,
        order=AxisOrder(),
        whole=identity,
        oriented=volume.oriented,
        window=volume.window,
        source=volume.source,
    )
    viewed = viewed_voxels(scan)
    film = film_data(viewed.film, name, viewed.window, units=viewed.units)
    notes = [str(warning) for warning in volume.warnings]
    return {"film": film, "volume": viewed.about, "notes": notes, "synthetic": volume.synthetic}
