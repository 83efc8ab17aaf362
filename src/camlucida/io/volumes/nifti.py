"""A volume in a NIfTI file, by nibabel."""

from __future__ import annotations

import hashlib
import zlib
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message
from camlucida.core.orientation import Affine
from camlucida.io.image import MAX_BYTES, VOLUME_SUFFIXES, quiet, readable
from camlucida.io.volumes.volume import (
    Volume,
    check_affine,
    check_finite,
    check_voxels,
    placed,
)

_GZIP = b"\x1f\x8b"
_SINGLE, _PAIR = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0")
_APART = 0.5
"""mm by which a corner may differ between qform and sform, which round differently."""


def is_nifti(path: Path) -> bool:
    """Whether a file is called as NIfTI.

    >>> is_nifti(Path("a.nii.gz")), is_nifti(Path("a.png"))
    (True, False)
    """
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def read_nifti(path: Path, data: bytes, frame: int | None = None) -> Volume:
    """Read a volume, its values with the header's slope and intercept applied.

    Args:
        path: of the file.
        data: its bytes.
        frame: of a file with several volumes, from 0; None reads the first and warns.

    Raises:
        ImageError: damaged, too large, colour or complex, no volume, or nibabel is not installed.
    """
    try:
        import nibabel
    except ImportError as error:
        raise ImageError(f"{path} is NIfTI", "pip install 'camlucida[nifti]' reads it") from error
    sha256 = hashlib.sha256(data).hexdigest()
    with quiet("nibabel", "nibabel.global"), readable(path, "a NIfTI file", quote=False):
        content = _inflated(path, data)
        kind = _kind(path, content)
        image: Any = (nibabel.Nifti1Image if kind == 1 else nibabel.Nifti2Image).from_bytes(content)
        frames = _check(path, image, len(content))
        index, notes = _chosen(path, frame, frames)
        voxels = image.dataobj[(..., *_later(image.shape, index))]
        shape = (*image.shape, 1)[:3]
        stored = np.asarray(voxels, np.float32).reshape(shape)
        codes = int(image.header["qform_code"]), int(image.header["sform_code"])
        affine = np.asarray(image.affine, np.float64)
        notes += _form_notes(image, codes)
    # nibabel has (x, y, z): slices come first here.
    values = np.ascontiguousarray(stored.transpose(2, 1, 0))
    by_slice: Affine = affine[:, [2, 1, 0, 3]]
    check_affine(path, by_slice)
    check_finite(path, values)
    source: dict[str, Any] = {"path": str(path), "sha256": sha256, "format": "NIfTI"}
    source |= {"frame": index, "frames": frames, **placed(by_slice, values.shape)}
    name = _stem(path) if frames == 1 and frame is None else f"{_stem(path)}_f{index}"
    return Volume(values, by_slice, name, any(codes), None, source, notes)


def require_nibabel(what: str) -> None:
    """Refuse to begin what would end without nibabel.

    Args:
        what: needs it, such as "the map of a volume".

    Raises:
        UsageError: nibabel is not installed.

    >>> require_nibabel("the map of a volume")
    """
    if find_spec("nibabel") is None:
        raise UsageError(f"{what} is written as NIfTI", "pip install 'camlucida[nifti]' writes it")


def nifti_bytes(values: NDArray[np.float32], affine: Affine, oriented: bool) -> bytes:
    """A volume as the content of a ``.nii.gz`` file; the same bytes on every run.

    Args:
        values: (D, H, W) = (slices, rows, columns).
        affine: (4, 4), (slice, row, column, 1) → mm in the patient.
        oriented: whether ``affine`` is of the patient, or an assumption.

    >>> nifti_bytes(np.zeros((2, 3, 4), np.float32), np.eye(4), True)[:2]
    b'\\x1f\\x8b'
    """
    import nibabel

    by_x = affine[:, [2, 1, 0, 3]]
    make: Any = nibabel.Nifti1Image  # untyped
    image = make(values.transpose(2, 1, 0), by_x)
    code = 1 if oriented else 0
    image.set_sform(by_x, code)
    image.set_qform(by_x, code)
    if not np.allclose(image.get_qform(), by_x, atol=1e-3):
        image.set_qform(None, 0)  # a qform cannot hold a shear
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"camlucida map, research use only"
    return igzip.compress(image.to_bytes(), 1, mtime=0)


def _inflated(path: Path, data: bytes) -> bytes:
    """The bytes of the file; of a gzip file its content, whole and with the right checksum."""
    if not data.startswith(_GZIP):
        return data
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    content = inflater.decompress(data, MAX_BYTES)
    if inflater.unconsumed_tail:
        raise ImageError(f"{path} inflates to more than {MAX_BYTES:,} bytes", "cut the region out")
    if not inflater.eof:
        raise ImageError(f"{path} is cut short inside its gzip data", "copy or export it again")
    return content


def _kind(path: Path, content: bytes) -> int:
    """1 or 2 of NIfTI-1 and NIfTI-2."""
    magics = {1: content[344:348], 2: content[4:8]}
    for kind, magic in magics.items():
        if magic in _SINGLE:
            return kind
        if magic in _PAIR:
            raise ImageError(
                f"{path} is a NIfTI header whose voxels are in another file (.hdr and .img)",
                "save it as one .nii file",
            )
    raise ImageError(f"{path} is no NIfTI file: its magic number is not there", "export it again")


def _check(path: Path, image: Any, length: int) -> int:
    """The number of volumes in the file, after what its header claims is checked."""
    shape = tuple(map(int, image.shape))
    kind = image.get_data_dtype()
    if kind.names is not None or kind.kind not in "iuf":
        what = "colours" if kind.names is not None else "complex numbers"
        raise ImageError(f"{path} holds {what}, not grey values", "export one grey channel")
    if len(shape) < 2 or any(side != 1 for side in shape[4:]):
        raise ImageError(f"{path} has axes of {shape}: it is no volume", "export one volume")
    check_voxels(path, *(*shape, 1)[:3])
    start = int(image.dataobj.offset)
    expected = start + int(np.prod(shape, dtype=object)) * kind.itemsize
    if expected != length:
        raise ImageError(
            f"{path} has {length:,} bytes, and its header means {expected:,}",
            "the file is damaged or its header was changed: copy or export it again",
        )
    return int(shape[3]) if len(shape) > 3 else 1


def _chosen(path: Path, frame: int | None, frames: int) -> tuple[int, tuple[Message, ...]]:
    if frame is None:
        note = Message("volume.first_frame", {"frames": frames})
        return 0, (note,) if frames > 1 else ()
    if not 0 <= frame < frames:
        raise ImageError(f"no volume {frame} in {path}", f"it has {frames}, counted from 0")
    return frame, ()


def _later(shape: tuple[int, ...], index: int) -> tuple[int, ...]:
    """Indices of the axes after the third."""
    later = len(shape) - 3
    return (index, *(0,) * (later - 1)) if later > 0 else ()


def _form_notes(image: Any, codes: tuple[int, int]) -> tuple[Message, ...]:
    if not any(codes):
        return (Message("volume.no_directions"),)
    if not all(codes):
        return ()
    qform, sform = image.get_qform(), image.get_sform()
    last = np.array([*(max(0, side - 1) for side in (*image.shape, 1)[:3]), 1.0])
    corners = last * [(*corner, 1) for corner in product((0, 1), repeat=3)]
    distance = float(np.linalg.norm(corners @ (qform - sform).T, axis=1).max())
    if not distance > _APART:
        return ()
    return (Message("volume.two_forms", {"distance": distance}),)


def _stem(path: Path) -> str:
    name = path.name
    suffix = next((each for each in VOLUME_SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)] or name
