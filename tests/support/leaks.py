"""Planted names, and the search for them in outputs of every format, unpacked where it packs."""

from __future__ import annotations

import gzip
import io
import shutil
import sqlite3
import subprocess
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import Image, ImageDraw, PngImagePlugin

from tests.support.dicom_exports import IMAGE, SECRETS, STUDY, write_film

PLANTED = (*SECRETS, STUDY, IMAGE, "20200304", "Aufnahmeort")
"""In the headers of :func:`plant_films`; file names have another word, :data:`NAME`."""

NAME = "meiermax"
"""Beginning of every file's name, and part of those of folders and tables."""

TABLE = ("Huber", "Dr. Schmidt", "otherperson")
"""In cells of the cohort's table, and in names of annotations."""


def plant_films(folder: Path) -> Path:
    """A folder of five files that name persons in every way: DICOM, JPEG, PNG, TIFF, a damaged one.

    The PNG has letters burned in.
    """
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:128, :128]
    grey = (40 + 20 * np.sin(rows / 20) * np.cos(columns / 30)).astype(np.uint8)
    write_film(folder / f"{NAME}_1.dcm", grey.astype(np.uint16) * 16)
    _photograph(folder / f"{NAME}_2.jpg", grey)
    _picture(folder / f"{NAME}_3.png", grey)
    (folder / f"{NAME}_4.png").write_bytes(b"\x89PNG\r\n\x1a\n Nachname Vorname")
    words = {"description": "Klinikum Aufnahmeort", "software": "Techniker"}
    artist = (315, "s", 0, "Nachname Vorname", True)
    tifffile.imwrite(folder / f"{NAME}_5.tif", grey, extratags=[artist], metadata=None, **words)
    return folder


def _photograph(path: Path, pixels: np.ndarray) -> None:
    """A JPEG whose EXIF and comment name a person."""
    exif = Image.Exif()
    exif[0x013B] = "Nachname Vorname"  # Artist
    exif[0x010E] = "Aufnahmeort Klinikum"  # ImageDescription
    Image.fromarray(pixels).save(path, exif=exif, comment=b"Privates Konto-5")


def _picture(path: Path, pixels: np.ndarray) -> None:
    """A PNG whose texts name a person, with letters burned in."""
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text((20, 40), "MEIER", fill=255, font_size=14)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Nachname Vorname")
    texts.add_itxt("Comment", "Kommentar Klinikum", zip=True)
    image.save(path, pnginfo=texts)


def texts_of(name: str, data: bytes) -> str:
    """All that a file holds."""
    suffix = Path(name).suffix
    if suffix == ".parquet":
        return f"{pd.read_parquet(io.BytesIO(data)).to_csv()} {data.decode('latin1')}"
    if suffix in (".sqlite", ".lock") and data:
        return _dump(data)
    if suffix == ".gz":
        return gzip.decompress(data).decode("latin1")
    if data.startswith(b"PK\3\4"):  # the workbench keeps archives under names without a suffix
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            return "\n".join([*names, *(texts_of(each, archive.read(each)) for each in names)])
    if suffix == ".pdf":
        return f"{_page_texts(data)} {data.decode('latin1')} {''.join(_streams(data))}"
    if suffix == ".png":
        return f"{_picture_texts(data)} {data.decode('latin1')}"
    return f"{data.decode('latin1')} {data.decode('utf-8', 'ignore')} {''.join(_streams(data))}"


def _dump(data: bytes) -> str:
    with sqlite3.connect(":memory:") as database:
        # A database that is deserialised cannot have a log beside it.
        database.deserialize(data[:18] + b"\x01\x01" + data[20:])
        return "\n".join(database.iterdump())


def _picture_texts(data: bytes) -> str:
    """What a picture says beside its pixels."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return str(image.info)
    except OSError:
        return ""


def _page_texts(data: bytes) -> str:
    """What a reader of a PDF can select, whose letters are numbers of a font in its streams."""
    if shutil.which("pdftotext") is None:  # scripts/system_packages.sh installs it
        return ""
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=data, capture_output=True)
    return done.stdout.decode()  # "" of what is no PDF, as an empty figure of the tests


def _streams(data: bytes) -> Iterator[str]:
    """The deflated parts of a PDF."""
    for part in data.split(b"stream\r\n")[1:] + data.split(b"stream\n")[1:]:
        try:
            yield zlib.decompressobj().decompress(part).decode("latin1")
        except zlib.error:
            continue


def files(folder: Path) -> list[Path]:
    """All files of a folder."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def words_in(text: str, words: Iterable[str]) -> list[str]:
    """The words that a text holds."""
    return [word for word in words if word in text]


def leaks(folder: Path, words: Iterable[str], suffixes: Iterable[str] = ()) -> list[str]:
    """``FILE: WORD`` of each word in the path or the content of a file.

    Args:
        folder: searched.
        words: searched for.
        suffixes: of the files; empty for all.
    """
    chosen = tuple(suffixes)
    found = []
    for path in files(folder):
        if chosen and path.suffix not in chosen:
            continue
        name = str(path.relative_to(folder))
        text = f"{name} {texts_of(path.name, path.read_bytes())}"
        found += [f"{name}: {word}" for word in words_in(text, words)]
    return found
