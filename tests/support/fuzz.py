"""Damaged copies of every kind of file that is read: each is read, or refused in one line.

``python -m tests.support.fuzz COUNT [SEED]`` damages and reads COUNT files in this process, prints
what went wrong otherwise, and ends with exit code 1 if anything did. A file that crashes or hangs
the process is named by the last line of its standard output.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom.data
import tifffile
import torch
from PIL import Image
from safetensors.torch import save_file

from camlucida.core.errors import CamlucidaError
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.io import read_image
from camlucida.io.annotations import read_box_table, read_polygon_file, read_rle_file, to_rle
from camlucida.io.annotations.coco import read_coco
from camlucida.io.annotations.documents import read_json
from camlucida.io.tables import read_table
from camlucida.models.card import read_card
from camlucida.models.checkpoint import load_state

Reader = Callable[[Path], object]
HANG = 60
"""Seconds after which reading one small file counts as a hang; usual are milliseconds."""
LONGEST_LINE = 2_000

NUMBERS = (0, 1, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
"""What sizes and offsets of headers are replaced by."""
TEXTS = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"1e999",
    b"-1",
    b"nan",
    b"[[[[[[[[",
    b'"' * 9,
    b"\r\n\r\n",
    b"=cmd|'",
)


def _pictures(folder: Path) -> Iterator[tuple[Path, Reader]]:
    grey = (np.arange(40 * 30).reshape(40, 30) % 251).astype(np.uint8)
    deep = grey.astype(np.uint16) * 257
    for suffix in ("png", "jpg", "bmp", "gif", "tif", "webp", "pgm", "jp2"):
        path = folder / f"grey.{suffix}"
        Image.fromarray(grey).save(path)
        yield path, read_image
    Image.fromarray(deep).save(folder / "deep.png")
    tifffile.imwrite(folder / "deep.tif", deep, compression="zlib")
    tifffile.imwrite(folder / "colour.tif", np.stack([deep] * 3, -1), photometric="rgb")
    tifffile.imwrite(
        folder / "pages.tif", np.stack([grey] * 3).astype(np.float32), photometric="minisblack"
    )
    for name in ("deep.png", "deep.tif", "colour.tif", "pages.tif"):
        yield folder / name, read_image


DICOM_FILES = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "JPEG-LL.dcm",
    "JPEGLSNearLossless_08.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "examples_ybr_color.dcm",
    "liver_1frame.dcm",
)


def _dicom_files(folder: Path) -> Iterator[tuple[Path, Reader]]:
    for name in DICOM_FILES:
        source = pydicom.data.get_testdata_file(name, download=False)
        if source is not None:
            (folder / name).write_bytes(Path(str(source)).read_bytes())
            yield folder / name, read_image


def _tables(folder: Path) -> Iterator[tuple[Path, Reader]]:
    frame = pd.DataFrame(
        {"image": ["a", "b"], "Mass": [0, 1], "box": ["1,2,3,4", ""], "age": [7, 8]}
    )
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_excel(folder / "t.xlsx", index=False)
    frame.to_parquet(folder / "t.parquet")
    (folder / "t.json").write_text(frame.to_json(orient="records"))
    for suffix in ("csv", "tsv", "xlsx", "parquet", "json"):
        yield folder / f"t.{suffix}", read_table
    boxes = pd.DataFrame(
        {"image": ["a"], "label": ["Mass"], "x": 1, "y": 2, "width": 3, "height": 4}
    )
    boxes.to_csv(folder / "boxes.csv", index=False)
    yield folder / "boxes.csv", lambda path: read_box_table(path, ["image"], ["label"])


def _documents(folder: Path) -> Iterator[tuple[Path, Reader]]:
    mask = np.zeros((6, 5), bool)
    mask[2:4, 1:3] = True
    (folder / "rle.json").write_text(json.dumps({"a": {"Mass": to_rle(mask)}}))
    outline = {"a": {"img_size": [6, 5], "Mass": [[[1, 1], [3, 1], [3, 4]]]}}
    (folder / "outlines.json").write_text(json.dumps(outline))
    card = 'factory = "torchvision:resnet18"\nlabels = ["a", "b"]\n[input]\nsize = 64\n'
    (folder / "card.toml").write_text(card)
    (folder / "cohort.toml").write_text(
        'name = "c"\nimages = "films"\nmodel = "torchvision:resnet18"\n'
    )
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "height": 6, "width": 5}],
        "categories": [{"id": 1, "name": "Mass"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]},
            {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 3, 1, 3, 4]]},
        ],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    yield folder / "coco.json", lambda path: read_coco(path, read_json(path))
    yield folder / "rle.json", lambda path: list(read_rle_file(path))
    yield folder / "outlines.json", lambda path: list(read_polygon_file(path))
    yield folder / "card.toml", read_card
    yield folder / "cohort.toml", read_cohort_file


def _checkpoints(folder: Path) -> Iterator[tuple[Path, Reader]]:
    state = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    torch.save({"state_dict": state, "epoch": 3}, folder / "a.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, folder / "a.safetensors")
    for name in ("a.pth", "old.pth", "a.safetensors"):
        yield folder / name, load_state


def whole_files(folder: Path) -> list[tuple[Path, Reader]]:
    """A small whole file of each kind, and what reads it.

    Args:
        folder: the files are written there.
    """
    kinds = (_pictures, _dicom_files, _tables, _documents, _checkpoints)
    return [pair for kind in kinds for pair in kind(folder)]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to three random damages; more often near the beginning, where headers are.

    Args:
        data: of a whole file, not empty.
        rng: seeded.
    """
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        if not changed:
            return b""
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 600)
        at = rng.randrange(end)
        match rng.randrange(7):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at:]
            case 2:
                del changed[at : at + rng.randint(1, 200)]
            case 3:
                size = rng.choice((2, 4))
                number = rng.choice(NUMBERS) % 256**size
                changed[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
            case 4:
                text = rng.choice(TEXTS)
                changed[at : at + len(text)] = text
            case 5:
                changed[at:at] = changed[at : at + rng.randint(1, 100)] * rng.randint(1, 5)
            case 6:
                other = rng.randrange(len(changed))
                changed[at : at + 16] = changed[other : other + 16]
    return bytes(changed)


def fault(read: Reader, path: Path) -> str:
    """What is wrong with how a damaged file is taken; "" where it is read or refused in a line."""
    try:
        read(path)
    except CamlucidaError as error:
        line = str(error)
        if "\n" in line or len(line) > LONGEST_LINE:
            return f"the error is no short line: {line[:200]!r}"
    except MemoryError:
        return "it takes more memory than there is"
    except Exception as error:  # noqa: BLE001, every other type is the fault that is looked for
        return f"{type(error).__name__}: {error}"
    return ""


def main(count: int, seed: int) -> int:
    """Number of faults among ``count`` damaged files."""
    warnings.simplefilter("error")
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = whole_files(folder)
        for path, read in files:
            if message := fault(read, path):
                print(f"whole {path.name}: {message}", flush=True)
                faults += 1
        for number in range(count):
            rng = random.Random(f"{seed}-{number}")
            path, read = files[number % len(files)]
            damaged_path = folder / f"damaged{path.suffix}"
            damaged_path.write_bytes(damaged(path.read_bytes(), rng))
            print(f"{number} {path.name}", flush=True)
            signal.alarm(HANG)
            message = fault(read, damaged_path)
            signal.alarm(0)
            if message:
                print(f"FAULT {number} {path.name}: {message}", flush=True)
                faults += 1
    return faults


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
