"""The search for names in outputs finds them in every format that hides its words."""

import gzip
import io
import sqlite3
import zipfile

import pandas as pd
import pytest
from PIL import Image, PngImagePlugin

from tests.support.leaks import leaks


def parquet() -> bytes:
    return pd.DataFrame({"image": ["meiermax"]}).to_parquet()


def parquet_metadata() -> bytes:
    frame = pd.DataFrame({"image": ["a"]})
    frame.attrs["source"] = "meiermax"
    return frame.to_parquet()


def database(folder) -> bytes:
    with sqlite3.connect(folder / "file") as connection:
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.execute("INSERT INTO t VALUES ('meiermax')")
    connection.close()
    data = (folder / "file").read_bytes()
    (folder / "file").unlink()
    return data


def archive() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.csv.gz", gzip.compress(b"meiermax"))
    return written.getvalue()


def picture() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("Comment", "meiermax", zip=True)
    written = io.BytesIO()
    Image.new("L", (8, 8)).save(written, "png", pnginfo=texts)
    return written.getvalue()


def page() -> bytes:
    weasyprint = pytest.importorskip("weasyprint")
    return weasyprint.HTML(string="<p>The film of meiermax").write_pdf()


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.parquet", parquet),
        ("b.parquet", parquet_metadata),
        ("a.zip", archive),
        ("a.png", picture),
        ("a.pdf", page),
    ],
)
def test_a_name_is_found(tmp_path, name, made):
    (tmp_path / name).write_bytes(made())
    assert leaks(tmp_path, ["meiermax"]) == [f"{name}: meiermax"]


def test_a_name_in_a_database_is_found(tmp_path):
    (tmp_path / "a.sqlite").write_bytes(database(tmp_path))
    assert leaks(tmp_path, ["meiermax"]) == ["a.sqlite: meiermax"]


def test_a_name_in_a_path_is_found(tmp_path):
    (tmp_path / "meiermax").mkdir()
    (tmp_path / "meiermax/empty.txt").touch()
    assert leaks(tmp_path, ["meiermax"]) == ["meiermax/empty.txt: meiermax"]
