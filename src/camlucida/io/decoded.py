"""Untrusted image files, decoded in a child process, and what it leaves: arrays and a description.

A damaged or hostile file may crash the child, hang it, or ask for too much memory; then the file is
an error, and the next one gets a new child.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import CamlucidaError, ImageError
from camlucida.core.files import npy, write_bytes, write_json
from camlucida.core.messages import Message
from camlucida.io.child import Child
from camlucida.io.image import RawImage

if TYPE_CHECKING:
    from camlucida.io.volumes.volume import Volume

SECONDS = 60.0
"""Longest time for one file."""

FILES = 50
"""Files after which the child is replaced, so that no memory is lost to it."""

MEMORY = 6 * 2**30
"""Bytes of address space that the decoders may take."""

FILM_ABOUT = "image.json"
"""Describes a decoded film."""

_ARRAYS = ("pixels", "display", "windowed")
_DAMAGED = "the file is damaged: export it again, or open it in a viewer"


class Decoder:
    """Decodes files, one after the other, in a child process.

    Args:
        seconds: longest time for one file.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        script = Path(__file__).with_name("decode_child.py")
        self._child = Child(script, tasks=FILES, flags=("-P",), memory=MEMORY)

    def decode(self, path: Path, folder: Path, name: str, patient: bool = False) -> dict[str, Any]:
        """Decode a file into a folder, from which :func:`read_decoded` reads it.

        A volume is read by :func:`~camlucida.io.decoded_volumes.read_decoded_volume`. A DICOM file
        of many frames is both, where their positions are known.

        Args:
            path: the file, or the folder of a DICOM series.
            name: of the file in messages.
            folder: that exists.
            patient: whether the patient's attributes are read too.

        Returns:
            ``size`` (rows, columns, and slices before them), ``format``, ``synthetic``, ``kinds``
            ("film", "volume"); and ``patient`` where wanted.

        Raises:
            ImageError: the file cannot be read, crashes the decoder, or takes too long.
        """
        request = {"path": str(path), "folder": str(folder), "patient": patient}
        try:
            reply, _ = self._child.request(json.dumps(request).encode(), self._seconds)
        except TimeoutError as error:
            what = f"{name} was not decoded in {self._seconds:g} s"
            raise ImageError(what, _DAMAGED) from error
        except (OSError, EOFError, ValueError) as error:
            raise ImageError(f"{name} crashes its decoder", _DAMAGED) from error
        if "error" in reply:
            what, fix = (str(reply["error"][key]) for key in ("what", "fix"))
            raise ImageError(what.replace(str(path), name), fix)
        return reply

    def stop(self) -> None:
        """End the child process, if there is one."""
        self._child.stop()


def decode_into(path: Path, folder: Path) -> RawImage:
    """Decode a file in this process, and leave its arrays in a folder.

    Args:
        path: the file.
        folder: that exists.

    Raises:
        ImageError: the file cannot be read.
    """
    from camlucida.io.read import read_image

    image = read_image(path)
    write_decoded(image, folder)
    return image


def write_decoded(image: RawImage, folder: Path) -> None:
    """Leave an image's arrays and description in a folder.

    Args:
        image: as it was read.
        folder: that exists.
    """
    for name in _ARRAYS:
        values: NDArray[Any] | None = getattr(image, name)
        if values is not None:
            write_bytes(folder / f"{name}.npy", npy(values))
    source = {key: value for key, value in image.source.items() if key != "path"}
    about = {
        "id": image.id,
        "source": source,
        "warnings": [warning.to_json() for warning in image.warnings],
        "synthetic": image.synthetic,
    }
    write_json(folder / FILM_ABOUT, about)


def add_warnings(folder: Path, warnings: Sequence[Message]) -> None:
    """Add to the warnings of a decoded image.

    Args:
        folder: as of :meth:`Decoder.decode`.
        warnings: that its decoder does not give.
    """
    if not warnings:
        return
    path = folder / FILM_ABOUT
    about = json.loads(path.read_text("utf-8"))
    about["warnings"] += [warning.to_json() for warning in warnings]
    write_json(path, about)


def holds_film(folder: Path) -> bool:
    """Whether a film was decoded into a folder.

    >>> holds_film(Path("nowhere"))
    False
    """
    return (folder / FILM_ABOUT).is_file()


def read_decoded(folder: Path) -> RawImage:
    """An image that was decoded into a folder.

    Args:
        folder: as of :meth:`Decoder.decode`.

    Raises:
        ImageError: its files are gone or damaged.

    >>> from tempfile import TemporaryDirectory
    >>> grey = np.full((2, 2), 0.5, np.float32)
    >>> with TemporaryDirectory() as folder:
    ...     write_decoded(RawImage(grey, np.full((2, 2), 128, np.uint8), "a"), Path(folder))
    ...     image = read_decoded(Path(folder))
    >>> image.id, image.pixels.shape, image.windowed is None
    ('a', (2, 2), True)
    """
    try:
        about = json.loads((folder / FILM_ABOUT).read_text("utf-8"))
        arrays = {name: _array(folder / f"{name}.npy") for name in _ARRAYS}
        warnings = tuple(map(Message.from_json, about["warnings"]))
        return RawImage(
            id=about["id"],
            source=about["source"],
            warnings=warnings,
            synthetic=about["synthetic"],
            **arrays,  # type: ignore[arg-type]
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ImageError(f"the decoded film in {folder.name} is gone", "give it again") from error


def _array(path: Path) -> NDArray[Any] | None:
    if path.name == "windowed.npy" and not path.exists():
        return None
    values: NDArray[Any] = np.load(path, allow_pickle=False)
    return values


def reply_to(request: dict[str, Any]) -> dict[str, Any]:
    """What the child does with one request of :meth:`Decoder.decode`.

    Args:
        request: ``path``, ``folder`` and ``patient``.
    """
    from camlucida.io.dicom.patients import patient_attributes

    path = Path(request["path"])
    try:
        reply = _decode_kinds(path, Path(request["folder"]))
    except CamlucidaError as error:
        return {"error": error.to_json()}
    except OSError as error:
        return {"error": {"what": f"the film cannot be kept: {error.strerror}", "fix": ""}}
    except MemoryError:
        return {"error": {"what": f"{path} needs too much memory", "fix": _DAMAGED}}
    return reply | ({"patient": patient_attributes(path)} if request["patient"] else {})


def _decode_kinds(path: Path, folder: Path) -> dict[str, Any]:
    """Leave the film, the volume, or both that a file is; what the reply says of it."""
    from camlucida.io import decoded_volumes

    if decoded_volumes.is_volume_alone(path):
        volume = decoded_volumes.read_untrusted(path, folder)
        decoded_volumes.write_volume(volume, folder)
        return _about(volume.values.shape, volume, ["volume"])
    image = decode_into(path, folder)
    frames = decoded_volumes.volume_of_frames(path)
    if frames is None:
        return _about(image.pixels.shape[:2], image, ["film"])
    decoded_volumes.write_volume(frames, folder)
    return _about(frames.values.shape, image, ["film", "volume"])


def _about(size: Sequence[int], image: RawImage | Volume, kinds: list[str]) -> dict[str, Any]:
    about = {"format": image.source.get("format"), "synthetic": image.synthetic}
    return {"size": list(size), **about, "kinds": kinds}
