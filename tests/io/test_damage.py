"""Pixels that are meant: headers that do not fit their pixels, and damaged streams."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from pydicom import dcmread
from pydicom.data import get_testdata_file

from camlucida.core.errors import ImageError
from camlucida.io import read_image
from camlucida.io.decoder_output import caught_output
from tests.support.dicom_files import dicom_dataset, save, write_dicom

SMOOTH = np.add.outer(np.arange(32), np.arange(40)).astype(np.uint8) * 3
DEEP = SMOOTH.astype(np.uint16) * 100


def changed(name: str, path: Path, **elements: int) -> Path:
    """One of pydicom's sample files with another header."""
    dataset = dcmread(get_testdata_file(name, download=False))
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"Columns": 39}, 32 * 39 * 2),
        ({"Rows": 12}, 12 * 40 * 2),
        ({"Rows": 33}, 33 * 40 * 2),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, 32 * 40),
        ({"NumberOfFrames": 2}, 2 * 32 * 40 * 2),
        ({"Rows": 16, "Columns": 40}, 16 * 40 * 2),
    ],
)
def test_native_pixels_of_another_length_are_refused_with_both_numbers(
    tmp_path, elements, expected
):
    path = write_dicom(tmp_path / "a.dcm", DEEP, **elements)
    with pytest.raises(ImageError) as error:
        read_image(path)
    assert f"holds {DEEP.nbytes:,} bytes" in str(error.value)
    assert f"means {expected:,} " in str(error.value)


def test_fewer_frames_in_the_header_than_in_the_file_are_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.stack([SMOOTH, SMOOTH]), NumberOfFrames=1)
    with pytest.raises(ImageError, match=r"holds 2,560 bytes .* means 1,280"):
        read_image(path)


def test_one_pad_byte_packed_bits_and_halved_colour_are_right(tmp_path):
    odd = SMOOTH[:3, :5]
    np.testing.assert_allclose(
        read_image(write_dicom(tmp_path / "odd.dcm", odd)).pixels, odd / 255, atol=1e-7
    )
    bits = SMOOTH[:5, :5] % 2
    packed = dicom_dataset(bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    packed.PixelData = np.packbits(bits, bitorder="little").tobytes()
    np.testing.assert_array_equal(read_image(save(packed, tmp_path / "bits.dcm")).pixels, bits)
    halved = get_testdata_file("SC_ybr_full_422_uncompressed.dcm", download=False)
    assert read_image(halved).pixels.shape == (100, 100, 3)


@pytest.mark.parametrize(
    ("name", "elements", "words"),
    [
        ("SC_rgb_rle_2frame.dcm", {"NumberOfFrames": 1}, "claims 1 frame in .* holds 2"),
        ("MR_small_RLE.dcm", {"NumberOfFrames": 3}, "claims 3 frames in .* holds 1"),
        ("MR_small_jp2klossless.dcm", {"NumberOfFrames": 2}, "claims 2 frames in .* holds 1"),
        ("examples_ybr_color.dcm", {"NumberOfFrames": 29}, "claims 29 frames in .* holds 30"),
        ("MR_small_jpeg_ls_lossless.dcm", {"Columns": 63}, r"\(64, 63\) .* \(64, 64\)"),
        ("MR_small_RLE.dcm", {"Columns": 63}, "MR.dcm"),
        ("MR_small_jp2klossless.dcm", {"BitsAllocated": 8, "BitsStored": 8}, "8 of 8 .* 16"),
        ("JPEGLSNearLossless_08.dcm", {"BitsAllocated": 16, "BitsStored": 16}, "16 of 16 .* 8"),
    ],
)
def test_compressed_frames_that_do_not_fit_the_header(tmp_path, capfd, name, elements, words):
    with pytest.raises(ImageError, match=words):
        read_image(changed(name, tmp_path / "MR.dcm", **elements))
    assert not capfd.readouterr().err  # the decoder of RLE panics, and prints where


def test_a_bitmap_or_tiff_that_would_be_sheared_is_refused(tmp_path):
    for suffix, place in ((".bmp", 18), (".pgm", None), (".tif", None)):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(SMOOTH).save(path)
        whole = bytearray(path.read_bytes())
        if suffix == ".bmp":
            whole[place] = 32  # the width, 40
        elif suffix == ".pgm":
            whole = whole.replace(b"40 32", b"39 32")
        else:
            width = b"\x00\x01\x04\x00\x01\x00\x00\x00"
            narrow = whole.replace(width + b"\x28", width + b"\x27")
            assert narrow != whole
            whole = narrow
        path.write_bytes(whole)
        with pytest.raises(ImageError, match=r"holds 1,280 bytes of pixels where its \w+ mean"):
            read_image(path)


def test_a_damaged_png_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(SMOOTH).save(path)
    whole = path.read_bytes()
    first = whole.index(b"IDAT") + 4
    for position in range(first, len(whole) - 12):  # pixels and their checksum
        broken = bytearray(whole)
        broken[position] ^= 1
        path.write_bytes(broken)
        with pytest.raises(ImageError):
            read_image(path)
    path.write_bytes(whole[:-12])
    with pytest.raises(ImageError, match="cut short"):
        read_image(path)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_nothing_of_libtiff_reaches_the_terminal(tmp_path, capfd, compression):
    path = tmp_path / "a.tif"
    Image.fromarray(SMOOTH).save(path, compression=compression)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        broken = bytearray(whole)
        broken[random.integers(8, len(broken))] ^= 1 << random.integers(8)
        path.write_bytes(broken)
        try:
            read_image(path)
        except ImageError:
            refused += 1
    assert refused
    assert not capfd.readouterr().err


def test_a_decoder_that_reports_damage_and_goes_on(tmp_path, monkeypatch):
    from camlucida.io import read
    from camlucida.io.image import Reader

    path = tmp_path / "a.png"
    Image.fromarray(SMOOTH).save(path)
    _, plain = read._reader(path, path.read_bytes())

    def says(line: bytes) -> None:
        def noisy(*arguments):
            os.write(2, line)
            return plain.read(*arguments)

        monkeypatch.setattr(
            read, "_reader", lambda *_: ("PNG", Reader(plain.matches, noisy, plain.suffixes))
        )

    says(b"ZIPDecode: Decoding error at scanline 0, incorrect data check.\n")
    with pytest.raises(ImageError, match="incorrect data check"):
        read_image(path)
    says(b"Unknown field with tag 37724 encountered\n")
    (note,) = read_image(path).warnings
    assert note.code == "image.decoder"
    assert "tag 37724" in str(note)
    says(b"Bad value SECRET^NAME of tag 315 'Another Name', incorrect data check\n")
    with pytest.raises(ImageError, match="incorrect data check") as error:
        read_image(path)
    assert "SECRET" not in str(error.value)
    assert "Name" not in str(error.value).removeprefix(str(path))


def test_caught_output_gives_the_stream_back(capfd):
    kept = []

    def fail() -> None:
        with caught_output() as lines:
            kept.append(lines)
            os.write(2, b"one\n\n two\n")
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    (lines,) = kept
    assert lines == ["one", "two"]
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def _files(folder: Path) -> list[Path]:
    files = [write_dicom(folder / "a.dcm", DEEP)]
    for name, array, options in (
        ("a.png", SMOOTH, {}),
        ("b.png", DEEP, {}),
        ("a.jpg", SMOOTH, {}),
        ("a.bmp", SMOOTH, {}),
        ("a.pgm", SMOOTH, {}),
        ("a.tif", SMOOTH, {"compression": "tiff_adobe_deflate"}),
        ("b.tif", DEEP, {"compression": "tiff_adobe_deflate"}),
        ("c.tif", DEEP, {}),
        ("d.tif", DEEP, {"compression": "tiff_lzw"}),
    ):
        Image.fromarray(array).save(folder / name, **options)
        files.append(folder / name)
    return files


@pytest.mark.parametrize("filled_up", [False, True], ids=["", "others have Pillow fill it up"])
def test_a_file_that_is_cut_is_refused_or_right(tmp_path, capfd, monkeypatch, filled_up):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", filled_up)
    for path in _files(tmp_path):
        whole, right = path.read_bytes(), read_image(path).pixels
        for length in np.linspace(1, len(whole) - 1, 40).astype(int):
            path.write_bytes(whole[:length])
            try:
                pixels = read_image(path).pixels
            except ImageError:
                continue
            np.testing.assert_array_equal(pixels, right, err_msg=f"{path.name} {length}")
    assert filled_up == ImageFile.LOAD_TRUNCATED_IMAGES
    assert not capfd.readouterr().err


def test_a_header_that_is_changed_never_shears(tmp_path, capfd):
    random = np.random.default_rng(1)
    for path in _files(tmp_path):
        whole, right = path.read_bytes(), read_image(path).pixels
        for _ in range(60):
            broken = bytearray(whole)
            broken[random.integers(8, min(len(broken), 400))] ^= 1 << random.integers(8)
            path.write_bytes(broken)
            try:
                pixels = read_image(path).pixels
            except ImageError:
                continue
            if path.suffix != ".jpg":  # its rows may be too many: libjpeg fills them with grey
                assert pixels.shape[:2] == right.shape
    assert not capfd.readouterr().err


def test_chunks_that_are_no_pixels_may_be_wrong(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(SMOOTH).save(path)
    whole = path.read_bytes()
    text = b"tEXtnote\0x"
    chunk = (len(text) - 4).to_bytes(4) + text + (zlib.crc32(text) ^ 1).to_bytes(4)
    path.write_bytes(whole[:33] + chunk + whole[33:])
    try:
        pixels = read_image(path).pixels
    except ImageError:
        return  # Pillow itself may refuse it
    np.testing.assert_allclose(pixels, SMOOTH / 255, atol=1e-7)
