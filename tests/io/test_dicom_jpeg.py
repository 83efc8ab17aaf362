"""JPEG Lossless and 12-bit JPEG: decoded in a child that may crash, against other decoders."""

import contextlib
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from camlucida.core.errors import ImageError
from camlucida.io import read_image
from camlucida.io.child import Child
from camlucida.io.dicom import decode, jpeg
from camlucida.io.dicom.parse import parse

LOSSLESS = ("JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "SC_rgb_jpeg_gdcm.dcm")


def file_of(name):
    return Path(get_testdata_file(name))


def decoded(path):
    dataset = parse(path, path.read_bytes())
    return decode.decode(path, dataset, 0, 1), dataset


@pytest.fixture(autouse=True)
def _no_child_left():
    yield
    jpeg._DECODER.stop()


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_is_what_another_decoder_says(name):
    array, dataset = decoded(file_of(name))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    np.testing.assert_array_equal(array, imagecodecs.ljpeg_decode(frame).view(array.dtype))
    assert read_image(file_of(name)).pixels.shape == array.shape


def test_lossless_colours_are_those_of_the_native_file():
    native = pydicom.dcmread(file_of("SC_rgb.dcm")).pixel_array
    np.testing.assert_array_equal(decoded(file_of("SC_rgb_jpeg_gdcm.dcm"))[0], native)


def test_12_bits():
    array, _ = decoded(file_of("JPGExtended.dcm"))
    assert array.shape == (1024, 256)
    assert (array[420, 140], array[230, 120]) == (244, 95)  # as other decoders have it


@pytest.mark.parametrize("predictor", [1, 4, 7])
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (12, 0), (16, 0), (12, 1)])
def test_round_trip(tmp_path, bits, signed, predictor):
    values = np.random.default_rng(0).integers(0, 2**bits, (20, 30))
    if signed:
        values -= 2 ** (bits - 1)
    coded = values & (2**bits - 1)
    kind = np.uint8 if bits == 8 else np.uint16
    frame = imagecodecs.jpeg_encode(
        coded.astype(kind), lossless=True, predictor=predictor, bitspersample=bits
    )
    dataset = pydicom.dcmread(file_of("JPEG-LL.dcm"))
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1 if predictor == 1 else JPEGLossless
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, signed
    dataset.PixelData = encapsulate([frame])
    path = tmp_path / "a.dcm"
    dataset.save_as(path)
    level = values + 2 ** (bits - 1) if signed else values
    expected = (level / (2**bits - 1)).astype(np.float32)
    np.testing.assert_array_equal(read_image(path).pixels, expected)


def test_damaged_frames_are_one_line_and_the_batch_goes_on():
    path = file_of("JPEG-LL.dcm")
    frame = get_frame(parse(path, path.read_bytes()).PixelData, 0, number_of_frames=1)
    rng = np.random.default_rng(1)
    for _ in range(20):
        damaged = bytearray(frame)
        for position in rng.integers(2, len(frame), 12):
            damaged[position] = rng.integers(256)
        with contextlib.suppress(ImageError):
            jpeg.decode_jpeg(path, bytes(damaged))
    assert decoded(path)[0].shape == (1024, 256)


def child_that(monkeypatch, tmp_path, body):
    script = tmp_path / "child.py"
    script.write_text(f"import os, sys\nsys.stdin.buffer.read(8)\n{body}\n")
    monkeypatch.setattr(jpeg, "_DECODER", Child(script))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.kill(os.getpid(), 11)", "crash the decoder"),
        ("print('x' * 5000)", "crash the decoder"),
        ('print(\'{"shape": [99999, 99999], "dtype": "<u2"}\')', "crash the decoder"),
        ("sys.stdin.read()", "not decoded in 0.5 s"),
    ],
)
def test_a_child_that_fails(monkeypatch, tmp_path, body, words):
    with monkeypatch.context() as patch:
        child_that(patch, tmp_path, body)
        with pytest.raises(ImageError, match=words):
            jpeg.decode_jpeg(Path("a.dcm"), b"frame", seconds=0.5 if "0.5" in words else 60)
    assert decoded(file_of("JPEG-LL.dcm"))[0].shape == (1024, 256)


def test_one_child_serves_all():
    decoded(file_of("JPEG-LL.dcm"))
    (first,) = jpeg._DECODER._processes.values()
    decoded(file_of("JPGExtended.dcm"))
    (second,) = jpeg._DECODER._processes.values()
    assert first.pid == second.pid


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr(decode, "has_decoder", lambda: False)
    with pytest.raises(ImageError, match=r"no decoder .*pip install 'camlucida\[dicom\]'"):
        read_image(file_of("JPEG-LL.dcm"))
