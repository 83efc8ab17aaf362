import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io import RawImage, expand_paths, read_image, write_synthetic_png
from camlucida.io.image import check_size
from camlucida.io.raster import oriented
from tests.support.dicom_files import write_dicom

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
RAMP16 = (np.arange(24, dtype=np.uint16).reshape(4, 6)) * 2800
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)


def saved(path: Path, array: np.ndarray, mode: str | None = None, **options) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def same(image: RawImage, array: np.ndarray, white: float) -> None:
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels, array / white, atol=1e-7)
    np.testing.assert_array_equal(image.display, np.rint(array / white * 255))
    assert image.display.dtype == np.uint8


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "pgm", "webp", "jp2"])
def test_grey_of_8_bits_is_exact(tmp_path, suffix):
    options = {"webp": {"lossless": True}, "jp2": {"irreversible": False}}.get(suffix, {})
    image = read_image(saved(tmp_path / f"a.{suffix}", RAMP, **options))
    grey = image.pixels if image.pixels.ndim == 2 else image.pixels[..., 1]
    np.testing.assert_allclose(grey, RAMP / 255, atol=1e-7)
    assert image.id == "a"
    assert image.source["bits"] == 8
    assert image.source["size"] == (4, 6)
    assert len(image.source["sha256"]) == 64
    assert not image.warnings
    assert not image.synthetic


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm"])
def test_colour_of_8_bits_is_exact(tmp_path, suffix):
    same(read_image(saved(tmp_path / f"a.{suffix}", COLOUR)), COLOUR, 255)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "jp2"])
def test_grey_of_16_bits_is_not_cut(tmp_path, suffix):
    image = read_image(saved(tmp_path / f"a.{suffix}", RAMP16))
    same(image, RAMP16, 65535)
    assert image.source["bits"] == 16


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_tiff_colour_of_16_bits_is_not_cut(tmp_path, compression):
    array = (COLOUR.astype(np.uint16) * 257) ^ np.uint16(5)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression=compression)
    same(read_image(tmp_path / "a.tif"), array, 65535)
    tifffile.imwrite(
        tmp_path / "b.tif", np.moveaxis(array, -1, 0), photometric="rgb", planarconfig="separate"
    )
    same(read_image(tmp_path / "b.tif"), array, 65535)


def test_tiff_with_lzw(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(RAMP16).save(path, compression="tiff_lzw")
    same(read_image(path), RAMP16, 65535)
    saved(path, COLOUR, compression="tiff_lzw")
    same(read_image(path), COLOUR, 255)


@pytest.mark.parametrize("array", [RAMP, RAMP16])
def test_tiff_miniswhite_is_inverted(tmp_path, array):
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    white = np.iinfo(array.dtype).max
    same(read_image(tmp_path / "a.tif"), white - array.astype(float), white)


def test_float_tiff(tmp_path):
    path = tmp_path / "a.tif"
    values = (RAMP / 255).astype(np.float32)
    tifffile.imwrite(path, values)
    np.testing.assert_array_equal(read_image(path).pixels, values)
    for bad, words in (
        (values * 300, "scale without"),
        (np.full_like(values, np.nan), "NaN"),
        (values - 1, "scale without"),
    ):
        tifffile.imwrite(path, bad)
        with pytest.raises(ImageError, match=words) as error:
            read_image(path)
        assert error.value.fix
    tifffile.imwrite(path, RAMP.astype(np.int16))
    with pytest.raises(ImageError, match="int16"):
        read_image(path)


def test_one_bit(tmp_path):
    array = RAMP > 100
    for suffix in ("png", "tif", "pbm"):
        same(read_image(saved(tmp_path / f"a.{suffix}", array)), array.astype(float), 1)


def test_palette_becomes_colour(tmp_path):
    path = saved(tmp_path / "a.png", COLOUR, "P")
    expected = np.asarray(Image.open(path).convert("RGB"))
    same(read_image(path), expected, 255)


def test_transparency_is_laid_over_black(tmp_path):
    alpha = np.full((4, 6), 255, np.uint8)
    path = saved(tmp_path / "a.png", np.dstack([COLOUR, alpha]))
    image = read_image(path)
    same(image, COLOUR, 255)
    assert not image.warnings
    alpha[0] = 0
    image = read_image(saved(path, np.dstack([COLOUR, alpha])))
    assert not image.pixels[0].any()
    assert image.pixels[1:].any()
    assert image.warnings[0].code == "image.transparent"
    Image.fromarray(RAMP).convert("LA").save(path)
    same(read_image(path), RAMP, 255)


def test_cmyk_becomes_rgb(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).convert("CMYK").save(path)
    image = read_image(path)
    assert image.pixels.shape == (8, 8, 3)
    assert image.pixels.max() < 0.02
    assert image.warnings[0].code == "image.cmyk"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    # One bright quadrant, so that every orientation moves it somewhere else; Pillow's own
    # transposition is the judge.
    array = np.zeros((16, 32), np.uint8)
    array[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", array, exif=exif)
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    expected = Image.fromarray(array)
    if orientation > 1:
        expected = expected.transpose(Image.Transpose(turned[orientation]))
    assert np.abs(read_image(path).display.astype(int) - np.asarray(expected)).max() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation_with_16_bits_is_that_with_8(tmp_path, orientation):
    shown = []
    for array in (RAMP, RAMP.astype(np.uint16) * 257):
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(tmp_path / "a.tif", array, extratags=[tag], photometric="minisblack")
        shown.append(read_image(tmp_path / "a.tif").display)
    np.testing.assert_array_equal(*shown)
    np.testing.assert_array_equal(shown[0], oriented(RAMP, orientation))


def test_pages_and_frames(tmp_path):
    pages = [np.full((5, 7), value, np.uint8) for value in (10, 200, 90)]
    images = [Image.fromarray(page) for page in pages]
    for path in (tmp_path / "a.tif", tmp_path / "a.gif", tmp_path / "a.png"):
        images[0].save(path, save_all=True, append_images=images[1:])
        first = read_image(path)
        assert first.display.flat[0] == 10
        assert first.id == "a_f0"
        assert first.warnings == (Message("image.first_frame", {"frames": 3}),)
        second = read_image(path, 1)
        assert second.display.flat[0] == 200
        assert second.id == "a_f1"
        assert second.source["frame"] == 1
        assert not second.warnings
        for absent in (3, -1):
            with pytest.raises(ImageError, match=f"no frame {absent}"):
                read_image(path, absent)
    tifffile.imwrite(
        tmp_path / "b.tif", np.stack(pages).astype(np.uint16) * 257, photometric="minisblack"
    )
    assert read_image(tmp_path / "b.tif", 2).display.flat[0] == 90


def test_twelve_bits_in_sixteen_are_pointed_out(tmp_path):
    image = read_image(saved(tmp_path / "a.png", RAMP16 // 16))
    same(image, RAMP16 // 16, 65535)
    assert image.warnings[0].code == "image.dark"


def png(width: int, height: int, depth: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def test_colour_png_of_16_bits_says_that_it_was_cut(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, 16, 2, b"\0" + bytes(range(12))))
    assert read_image(path).warnings[0].code == "image.png_8_bits"


def test_synthetic_mark(tmp_path):
    write_synthetic_png(tmp_path / "a.png", RAMP, {"seed": 3, "what": "désert"})
    image = read_image(tmp_path / "a.png")
    assert image.synthetic
    same(image, RAMP, 255)
    with Image.open(tmp_path / "a.png") as file:
        assert file.text == {"seed": "3", "what": "désert", "camlucida:synthetic": "true"}


def test_every_trouble_is_one_clear_line(tmp_path):
    whole = saved(tmp_path / "good.png", COLOUR).read_bytes()
    tiff = saved(tmp_path / "good.tif", np.tile(COLOUR, (20, 20, 1))).read_bytes()
    deep = saved(tmp_path / "deep.tif", np.tile(RAMP16, (20, 20))).read_bytes()
    cases = {
        "empty.png": (b"", "is empty"),
        "cut.png": (whole[: len(whole) // 2], "damaged or cut short"),
        "cut.tif": (tiff[: len(tiff) // 2], "damaged or cut short"),
        "deep.tif": (deep[: len(deep) // 2], "damaged or cut short"),
        "text.png": (b"hello", "unknown kind"),
        "doc.png": (b"%PDF-1.4 and so on", "a PDF document"),
        "volume.png": (b"\0" * 344 + b"n+1\0", "NIfTI"),
        "bomb.png": (png(60000, 60000), "the limit"),
        "wide.png": (png(10000, 10000), "the limit"),
    }
    for name, (content, words) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImageError, match=words) as error:
            read_image(path)
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(ImageError, match=r"did you mean good\.png"):
        read_image(tmp_path / "goof.png")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="nor is there a folder"):
        read_image(tmp_path / "nowhere" / "a.png")


def test_the_limit_counts_the_bytes_of_samples():
    check_size(Path("a.tif"), 9000, 9000, 3, 16)
    with pytest.raises(ImageError, match=r"9000 × 9000 pixels of 3 samples of 64 bits; the limit"):
        check_size(Path("a.tif"), 9000, 9000, 3, 64)


def test_tiff_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "a.tif"
    entries = [
        (256, 4, 100_000),
        (257, 4, 100_000),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (279, 4, 4),
    ]
    body = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", t, k, 1, v) for t, k, v in entries
    )
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + body + b"\0\0\0\0")
    with pytest.raises(ImageError, match="the limit"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "gif", "deep.tif"])
def test_mutated_files_read_or_raise_image_error(tmp_path, suffix):
    random = np.random.default_rng(0)
    whole = np.frombuffer(
        saved(tmp_path / f"a.{suffix}", RAMP16 if "deep" in suffix else COLOUR).read_bytes(),
        np.uint8,
    )
    for trial in range(60):
        broken = whole.copy()
        where = random.integers(0, len(broken), 1 + trial % 6)
        broken[where] = random.integers(0, 256, len(where))
        path = tmp_path / "broken.img"
        path.write_bytes(broken.tobytes())
        try:
            image = read_image(path)
        except ImageError:
            continue
        assert image.pixels.min() >= 0
        assert image.pixels.max() <= 1


def test_expand_paths(tmp_path):
    for name in (
        "b.png",
        "a.jpg",
        "sub/c.tif",
        ".hidden.png",
        ".dir/d.png",
        "notes.txt",
        "sub/plain",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    write_dicom(tmp_path / "sub" / "IM0001", RAMP)
    write_dicom(tmp_path / "sub" / "1.2.840.5", RAMP)
    write_dicom(tmp_path / "sub" / "DICOMDIR", RAMP)
    (tmp_path / "empty").mkdir()

    def names(*items):
        paths, errors = expand_paths([str(tmp_path / item) for item in items])
        return [str(path.relative_to(tmp_path)) for path in paths], [str(error) for error in errors]

    found = ["a.jpg", "b.png", "sub/1.2.840.5", "sub/IM0001", "sub/c.tif"]
    assert names("") == (found, [])
    assert names("*.png", "b.png", "sub") == (["b.png", *found[2:]], [])
    assert names("notes.txt") == (["notes.txt"], [])
    assert names("**/*.tif")[0] == ["sub/c.tif"]
    paths, errors = names("a.jpeg", "empty", "*.bmp", "*.txt", "b.png")
    assert paths == ["b.png"]
    for error, words in zip(
        errors,
        ("did you mean a.jpg", "no image in the folder", "nothing matches", "no image among"),
    ):
        assert words in error


def test_a_folder_that_cannot_be_searched_is_an_error_of_its_own(tmp_path, monkeypatch):
    for name in ("a.png", "sub/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    scan = os.scandir

    def refused(path):
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    for items in (["."], ["*"]):
        paths, (error,) = expand_paths([str(tmp_path / item) for item in items])
        assert paths == [tmp_path / "a.png"]
        assert str(error) == f"cannot search the folder (Permission denied): {tmp_path / 'sub'}"


def test_an_image_in_a_folder_that_cannot_be_entered(tmp_path, monkeypatch):
    """It is listed, and reading it says why it cannot be read."""
    (tmp_path / "a.png").write_bytes(b"x")
    stat = Path.stat

    def refused(path, **options):
        if path.name == "a.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    assert expand_paths([str(tmp_path)]) == ([tmp_path / "a.png"], [])
    with pytest.raises(ImageError, match=r"cannot read the file \(Permission denied\): .*a.png"):
        read_image(tmp_path / "a.png")


def test_a_name_without_an_image_suffix_is_kept_whole(tmp_path):
    assert read_image(write_dicom(tmp_path / "1.2.840.5", RAMP)).id == "1.2.840.5"


def test_an_error_names_no_address_in_memory(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(ImageError, match="its header cannot be read") as first:
        read_image(tmp_path / "x.png")
    assert "0x" not in str(first.value)
