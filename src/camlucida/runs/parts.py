"""Parts: raw maps and rows of a few dozen items, written once, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
from numpy.typing import NDArray

from camlucida.core.files import json_default
from camlucida.runs.folder import TEMPORARY, RunFolder, sync_folder
from camlucida.runs.identity import file_sha256

Row = dict[str, Any]
Digests = dict[str, str]
"""Kind of a part's file → SHA-256 of its bytes."""
Map = NDArray[np.float32]

_RECORD = "camlucida"
"""Key of a part's record in the metadata of its Parquet file ``meta``."""

_NUMBERS = pa.list_(pa.float64())
_SIZES = pa.list_(pa.int64())

META = pa.schema(
    {
        "identity": pa.string(),
        "image": pa.string(),
        "model": pa.string(),
        "image_sha256": pa.string(),
        "target": pa.string(),
        "method": pa.string(),
        "layer": pa.string(),
        "target_kind": pa.string(),
        "target_label": pa.string(),
        "target_other": pa.string(),
        "target_sign": pa.int8(),
        "target_source": pa.string(),
        "target_component": pa.int64(),
        "target_pixel": _SIZES,
        "target_mask": pa.string(),
        "target_reduction": pa.string(),
        "score": pa.float64(),
        "score_kind": pa.string(),
        "probability": pa.float64(),
        "scaled_output": pa.float64(),
        "grid": _SIZES,
        "tensor": pa.string(),
        "slot": pa.int64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "relu": pa.bool_(),
        "unit": pa.string(),
        "empty_reason": pa.string(),
        "original": _SIZES,
        "model_size": _SIZES,
        "scale": _NUMBERS,
        "offset": _NUMBERS,
        "synthetic": pa.bool_(),
        "warnings": pa.list_(pa.string()),
        "provenance": pa.string(),
        "region": _SIZES,
        "detection": pa.string(),
    }
)
"""One row a map.

``target``: its name, for people; ``target_…``: the target as
:class:`~camlucida.attribution.targets.TargetSpec` has it. ``tensor`` and ``slot``: where the map is
in the part's safetensors; ``low`` and ``high``: its range, signed. ``region``: of a segmentation's
target, run lengths in original pixels. ``scaled_output``: the model's output where it scales its
probability so that its operating point becomes 0.5. ``detection``: of a detector's box, the
:class:`~camlucida.models.detectors.Detection` as JSON; runs of earlier versions lack it."""

PREDICTIONS = pa.schema(
    {
        "identity": pa.string(),
        "image": pa.string(),
        "model": pa.string(),
        "image_sha256": pa.string(),
        "task": pa.string(),
        "label": pa.string(),
        "logit": pa.float64(),
        "probability": pa.float64(),
        "scaled_output": pa.float64(),
        "value": pa.float64(),
        "area": pa.float64(),
        "share": pa.float64(),
        "region": _SIZES,
        "background": pa.bool_(),
        "original": _SIZES,
        "synthetic": pa.bool_(),
    }
)
"""One row an image, model and label.

``background``: of a segmentation, whether the label is the first of channels that exclude each
other; channels that can overlap have none."""


def write_part(
    folder: RunFolder,
    number: int,
    rows: Sequence[Row],
    maps: Sequence[Map],
    predictions: Sequence[Row],
    record: Mapping[str, Any],
) -> Digests:
    """Write a part durably.

    Until the ledger names it, it does not count, and the next writer removes it.

    Args:
        folder: of the run.
        number: that no part ever had.
        rows: of :data:`META`, without ``tensor`` and ``slot``.
        maps: of each row, (*grid) float32, signed, as the method made it.
        predictions: rows of :data:`PREDICTIONS`.
        record: what the ledger holds of these items, plain data: a ledger that is lost is restored
            from it.

    Returns:
        The digest of each file, which the ledger keeps.
    """
    stacks: dict[str, list[Map]] = {}
    meta = []
    for row, values in zip(rows, maps):
        key = "x".join(map(str, values.shape))  # maps of one size share a tensor
        stack = stacks.setdefault(key, [])
        meta.append({**row, "tensor": key, "slot": len(stack)})
        stack.append(values)
    tensors = {key: np.stack(stacks[key]) for key in sorted(stacks)}
    contents = {
        "maps": safetensors.numpy.save(tensors),
        "predictions": _parquet(predictions, PREDICTIONS),
    }
    digests = {kind: _sha256(data) for kind, data in contents.items()}
    stored = {_RECORD: json.dumps(dict(record) | {"sha256": digests}, default=json_default)}
    contents["meta"] = _parquet(meta, META.with_metadata(stored))
    paths = folder.part(part_name(number))
    for kind, data in contents.items():
        write_durable(paths[kind], data)
    for path in paths.values():
        sync_folder(path.parent)
    return digests | {"meta": _sha256(contents["meta"])}


def part_name(number: int) -> str:
    """The name of a part's files, without suffix.

    >>> part_name(7)
    'part-00007'
    """
    return f"part-{number:05d}"


def read_part(folder: RunFolder, number: int) -> tuple[list[Row], list[Map], list[Row]]:
    """Rows, maps and predictions, as they were given to :func:`write_part`.

    Args:
        folder: of the run.
        number: of the part, ≥ 0.

    Raises:
        OSError: a file of the part is missing.
    """
    paths = folder.part(part_name(number))
    stacks: Mapping[str, NDArray[Any]] = safetensors.numpy.load(paths["maps"].read_bytes())
    rows = _rows(paths["meta"])
    maps = [stacks[row.pop("tensor")][row.pop("slot")] for row in rows]
    return rows, maps, _rows(paths["predictions"])


def damaged_file(folder: RunFolder, number: int, digests: Mapping[str, str]) -> Path | None:
    """The first file of a part that is missing, or whose bytes are not those that were written.

    Args:
        folder: of the run.
        number: of the part, ≥ 0.
        digests: of the files to look at, as :func:`write_part` returned them.
    """
    paths = folder.part(part_name(number))
    different = (path for kind, path in paths.items() if file_sha256(path) != digests.get(kind))
    return next(different, None)


def read_record(folder: RunFolder, number: int) -> tuple[dict[str, Any], Digests] | None:
    """What a part says of its items, and the digests of its files.

    Args:
        folder: of the run.
        number: of the part, ≥ 0.

    Returns:
        None where the part is damaged or incomplete.
    """
    path = folder.part(part_name(number))["meta"]
    try:
        stored = pq.read_schema(path).metadata[_RECORD.encode()]
        # The pages carry checksums, since no other file knows the digest of this one.
        pq.read_table(path, page_checksum_verification=True)
        record: dict[str, Any] = json.loads(stored)
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError):
        return None
    digests = record.pop("sha256") | {"meta": file_sha256(path) or ""}
    return None if damaged_file(folder, number, digests) else (record, digests)


def write_durable(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, also after a power cut.

    Args:
        path: of the file; its folder is synchronised by the caller.
        data: its content.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_durable_json(path: Path, value: Mapping[str, Any]) -> None:
    """JSON, indented, durable."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=json_default)
    write_durable(path, f"{text}\n".encode())
    sync_folder(path.parent)


def write_durable_table(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Parquet, durable."""
    write_durable(path, _parquet(rows, schema))
    sync_folder(path.parent)


def _parquet(rows: Sequence[Row], schema: pa.Schema) -> bytes:
    buffer = BytesIO()
    table = pa.Table.from_pylist(list(rows), schema=schema)
    # A part has few rows: dictionaries and statistics would cost a third of its time and space.
    options = {"use_dictionary": False, "write_statistics": False}
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True, **options)
    return buffer.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rows(path: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(path).to_pylist()
    return rows
