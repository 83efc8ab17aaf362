import io

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io import RawImage, image, read_image
from camlucida.io.dicom import parse
from camlucida.io.dicom.coded import coded_frame
from tests.support.dicom_files import dicom_dataset, save, write_dicom

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
RAMP12 = np.arange(24, dtype=np.uint16).reshape(4, 6) * 170  # 0 … 3910 of 4095


def sample(name: str) -> RawImage:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"the sample {name} is not installed")
    return read_image(path)


def test_one_film_stored_three_ways(shared_data):
    film = read_image(shared_data / "dicom/rsna_cxr.dcm")
    same = read_image(shared_data / "dicom/rsna_cxr_monochrome1.dcm")
    negative = read_image(shared_data / "dicom/rsna_cxr_retagged_negative.dcm")
    np.testing.assert_array_equal(film.display, same.display)
    np.testing.assert_array_equal(film.pixels, same.pixels)
    np.testing.assert_array_equal(film.windowed, same.windowed)
    assert np.abs(255 - film.display.astype(int) - negative.display).max() <= 1
    np.testing.assert_allclose(1 - film.pixels, negative.pixels, atol=1e-6)
    # Lungs and the air around are dark in a film as people read it, bone and heart bright.
    assert film.display[400:600, 250:350].mean() < film.display[500:700, 500:560].mean()


def test_stored_values_over_the_bit_depth(tmp_path):
    image = read_image(
        write_dicom(tmp_path / "a.dcm", RAMP12, 12, RescaleSlope=2, RescaleIntercept=-1000)
    )
    np.testing.assert_allclose(image.pixels, RAMP12 / 4095, atol=1e-7)
    assert image.source["window"] == {"from": "pixel range", "low": -1000, "high": 3910 * 2 - 1000}
    np.testing.assert_allclose(image.windowed, RAMP12 / 3910, atol=1e-6)
    np.testing.assert_array_equal(image.display, np.rint(RAMP12 / 3910 * 255))


def test_monochrome1_is_inverted_exactly_once(tmp_path):
    window = {"WindowCenter": 2000, "WindowWidth": 1000}
    plain = read_image(write_dicom(tmp_path / "a.dcm", RAMP12, 12, **window))
    for shape in (None, "INVERSE", "IDENTITY"):
        extra = {"PresentationLUTShape": shape} if shape else {}
        path = write_dicom(
            tmp_path / "b.dcm",
            RAMP12,
            12,
            PhotometricInterpretation="MONOCHROME1",
            **window,
            **extra,
        )
        inverted = read_image(path)
        np.testing.assert_allclose(inverted.pixels, 1 - plain.pixels, atol=1e-7)
        np.testing.assert_allclose(inverted.windowed, 1 - plain.windowed, atol=1e-7)
        assert bool(inverted.warnings) == (shape == "IDENTITY")


def test_signed_values_are_shifted(tmp_path):
    values = np.array([[-2048, -1000, 0], [1, 1000, 2047]], np.int16)
    image = read_image(write_dicom(tmp_path / "a.dcm", values, 12))
    np.testing.assert_allclose(image.pixels, (values.astype(float) + 2048) / 4095, atol=1e-7)


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(2000, 1000), (2000, 1), ([1500, 9], [333.5, 9])])
def test_window_is_pydicoms(tmp_path, function, center, width):
    extra = {"VOILUTFunction": function} if function else {}
    dataset = dicom_dataset(RAMP12, 12, WindowCenter=center, WindowWidth=width, **extra)
    if width == 1 and function != "SIGMOID":
        # LINEAR of width 1 is a step, where pydicom divides by 0
        expected = (
            np.clip(RAMP12 - 1999.5, 0, 1)
            if function == "LINEAR_EXACT"
            else np.greater(RAMP12, 1999.5)
        )
    else:
        with np.errstate(over="ignore"):
            expected = apply_windowing(RAMP12, dataset) / 4095
    np.testing.assert_allclose(
        read_image(save(dataset, tmp_path / "a.dcm")).windowed, expected, atol=1e-6
    )


def test_unusable_window_is_said(tmp_path):
    image = read_image(write_dicom(tmp_path / "a.dcm", RAMP12, 12, WindowCenter=10, WindowWidth=0))
    assert image.warnings[0].code == "image.window_unusable"
    assert "width 0" in str(image.warnings[0])
    assert image.source["window"]["from"] == "pixel range"


def test_flat_image_is_not_stretched(tmp_path):
    image = read_image(write_dicom(tmp_path / "a.dcm", np.full((4, 6), 51, np.uint8)))
    assert (image.display == 51).all()
    assert "all pixels are equal" in image.source["window"]["from"]


def lut(first: int, bits: int, values: list[int]) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = values
    item["LUTData"].VR = "US"
    return item


def test_lookup_tables(tmp_path):
    array = np.array([[0, 1, 2, 3, 4, 5]], np.uint8)
    modality, voi = lut(1, 12, [100, 200, 300]), lut(100, 8, [7] * 100 + [200] * 100 + [255])
    image = read_image(write_dicom(tmp_path / "a.dcm", array, ModalityLUTSequence=[modality]))
    np.testing.assert_allclose(image.windowed, [[0, 0, 0.5, 1, 1, 1]])
    path = write_dicom(
        tmp_path / "b.dcm", array, ModalityLUTSequence=[modality], VOILUTSequence=[voi]
    )
    np.testing.assert_array_equal(read_image(path).display, [[7, 7, 200, 255, 255, 255]])
    np.testing.assert_allclose(read_image(path).pixels, array / 255, atol=1e-7)


def test_padding_is_black_and_outside_the_window(tmp_path):
    array = np.array([[63, 10, 20], [30, 63, 63]], np.uint8)
    for photometric, expected in (
        ("MONOCHROME2", [0, 0, 128, 255, 0, 0]),
        ("MONOCHROME1", [0, 255, 128, 0, 0, 0]),
    ):
        dataset = dicom_dataset(array, PixelPaddingValue=63, PhotometricInterpretation=photometric)
        dataset["PixelPaddingValue"].VR = "US"
        np.testing.assert_array_equal(
            read_image(save(dataset, tmp_path / "a.dcm")).display.ravel(), expected
        )


def test_unused_high_bits(tmp_path):
    shifted = read_image(write_dicom(tmp_path / "a.dcm", RAMP12 << 4, 12, HighBit=15))
    np.testing.assert_allclose(shifted.pixels, RAMP12 / 4095, atol=1e-7)
    beyond = read_image(write_dicom(tmp_path / "a.dcm", RAMP12, 8))
    np.testing.assert_allclose(beyond.pixels, np.minimum(RAMP12, 255) / 255, atol=1e-7)
    assert beyond.warnings == (Message("image.clipped", {"bits": 8}),)


def test_colour_frames_and_ybr(tmp_path):
    colour = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)
    image = read_image(write_dicom(tmp_path / "a.dcm", colour))
    np.testing.assert_array_equal(image.display, colour)
    assert image.windowed is None
    frames = np.stack([RAMP, RAMP[::-1]])
    path = write_dicom(tmp_path / "b.dcm", frames)
    first, second = read_image(path), read_image(path, 1)
    assert (first.id, second.id) == ("b_f0", "b_f1")
    assert first.warnings == (Message("image.first_frame", {"frames": 2}),)
    assert not second.warnings
    np.testing.assert_allclose(second.pixels, RAMP[::-1] / 255, atol=1e-7)
    with pytest.raises(ImageError, match="no frame 2"):
        read_image(path, 2)


def compressed(array: np.ndarray, frame: bytes, syntax: str, **elements) -> Dataset:
    dataset = dicom_dataset(array, **elements)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def test_compressed_frames(tmp_path):
    smooth = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8) * 3
    for kind, syntax, tolerance in (
        ("JPEG", JPEGBaseline8Bit, 6),
        ("JPEG2000", JPEG2000Lossless, 0),
    ):
        file = io.BytesIO()
        Image.fromarray(smooth).save(file, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
        assert coded_frame(file.getvalue()) == (32, 48, 1, 8)
        path = save(compressed(smooth, file.getvalue(), syntax), tmp_path / "a.dcm")
        image = read_image(path)
        assert np.abs(image.pixels * 255 - smooth).max() <= tolerance + 1e-4
        save(compressed(smooth[:, :40], file.getvalue(), syntax), path)
        with pytest.raises(ImageError, match=r"\(32, 40\) pixels in its header and \(32, 48\)"):
            read_image(path)


def test_damaged_rle_is_one_line(tmp_path):
    # The last one decodes to more than the frame holds, where pylibjpeg-rle panics: no subclass of
    # Exception.
    long = b"\xe9\x01\xe9\x01"
    panic = struct_header(2, 64)[:8] + (64 + len(long)).to_bytes(4, "little") + bytes(52) + 2 * long
    for frame in (struct_header(1, 4_000_000_000), struct_header(15, 64), b"\0" * 8, panic):
        path = save(compressed(RAMP.astype(np.uint16), frame, RLELossless), tmp_path / "a.dcm")
        with pytest.raises(ImageError, match=r"a\.dcm") as error:
            read_image(path)
    assert "PanicException" in str(error.value)


def struct_header(segments: int, offset: int) -> bytes:
    return segments.to_bytes(4, "little") + offset.to_bytes(4, "little") + bytes(56)


def test_foreign_panic_is_ours_but_an_interrupt_is_not(tmp_path):
    class PanicException(BaseException):
        pass

    with pytest.raises(ImageError, match="panic"), image.readable(tmp_path, "a test"):
        raise PanicException("panic")
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error), image.readable(tmp_path, "a test"):
            raise error


def test_deflated(tmp_path, monkeypatch):
    dataset = dicom_dataset(RAMP)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(dataset, tmp_path / "a.dcm")
    np.testing.assert_allclose(read_image(path).pixels, RAMP / 255, atol=1e-7)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(ImageError, match="cut short"):
        read_image(path)
    path.write_bytes(whole)
    monkeypatch.setattr(parse, "MAX_BYTES", 8 * 100)
    with pytest.raises(ImageError, match="inflates to more than 100"):
        read_image(path)


def test_bombs_are_refused_by_their_header(tmp_path):
    for elements in ({"Rows": 60000, "Columns": 60000}, {"Rows": 0}):
        with pytest.raises(ImageError, match="claims"):
            read_image(write_dicom(tmp_path / "a.dcm", RAMP, **elements))
    bomb = compressed(RAMP, struct_header(1, 64), RLELossless, Rows=60000, Columns=60000)
    with pytest.raises(ImageError, match="the limit"):
        read_image(save(bomb, tmp_path / "b.dcm"))
    huge = b"\xff\x4f\xff\x51" + bytes(4) + (60000).to_bytes(4) * 2 + bytes(60)
    with pytest.raises(ImageError, match=r"\(60000, 60000\) in its compressed frame"):
        read_image(save(compressed(RAMP, huge, JPEG2000Lossless), tmp_path / "c.dcm"))


def test_files_without_an_image(tmp_path):
    for elements, words in (
        ({"PixelData": None}, "no pixel data"),
        ({"EncapsulatedDocument": b"%PDF-1.4"}, "holds a document"),
        ({"Rows": None}, "does not say its Rows"),
        ({"PixelData": b"\0\0"}, "holds 2 bytes of pixel data where its header means 24"),
    ):
        with pytest.raises(ImageError, match=words):
            read_image(write_dicom(tmp_path / "a.dcm", RAMP, **elements))
    whole = write_dicom(tmp_path / "a.dcm", RAMP).read_bytes()
    (tmp_path / "a.dcm").write_bytes(whole[:200])
    with pytest.raises(ImageError):
        read_image(tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore")  # pydicom's, while writing
def test_no_patient_attribute_leaves(tmp_path):
    image = read_image(
        write_dicom(
            tmp_path / "a.dcm", RAMP, ViewPosition="PA", ImageLaterality="Doe Jane born 1950"
        )
    )
    said = repr((image.source, image.id, image.warnings))
    assert "Doe" not in said
    assert "SECRET" not in said
    assert image.source["view"] == "PA"
    assert "laterality" not in image.source


def test_remarks(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm", RAMP, PresentationIntentType="FOR PROCESSING", BurnedInAnnotation="YES"
    )
    image = read_image(path)
    codes = [warning.code for warning in image.warnings]
    assert codes == ["image.for_processing", "image.burned_in"]
    assert not image.synthetic
    assert read_image(write_dicom(path, RAMP, SyntheticData="YES")).synthetic
    dark = read_image(write_dicom(path, RAMP12, 16))
    assert dark.warnings[0].code == "image.little_contrast"


def test_without_preamble(tmp_path):
    dataset = dicom_dataset(RAMP)
    del dataset.file_meta
    dcmwrite(
        tmp_path / "a.dcm", dataset, implicit_vr=True, little_endian=True, enforce_file_format=False
    )
    np.testing.assert_allclose(read_image(tmp_path / "a.dcm").pixels, RAMP / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("coded", "plain", "tolerance"),
    [
        ("RG3_J2KR.dcm", "RG3_UNCR.dcm", 0),
        ("US1_J2KR.dcm", "US1_UNCR.dcm", 0),
        ("emri_small_RLE.dcm", "emri_small.dcm", 0),
        ("emri_small_big_endian.dcm", "emri_small.dcm", 0),
        ("emri_small_jpeg_ls_lossless.dcm", "emri_small.dcm", 0),
        ("MR_small_expb.dcm", "MR_small.dcm", 0),
        ("OBXXXX1A_rle.dcm", "OBXXXX1A.dcm", 0),
        ("OBXXXX1A_expb.dcm", "OBXXXX1A.dcm", 0),  # a big-endian palette
        ("gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm", 0),  # a segmented palette
        ("SC_rgb_rle_16bit.dcm", "SC_rgb_16bit.dcm", 0),
        ("SC_ybr_full_uncompressed.dcm", "SC_rgb.dcm", 6),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_ebcynp_dcmd.dcm", 2),
    ],
)
def test_one_image_in_two_codings(coded, plain, tolerance):
    a, b = sample(coded), sample(plain)
    assert np.abs(a.display.astype(int) - b.display).max() <= tolerance
    assert b.display.max() > 200


def test_a_real_monochrome1_chest_film():
    film = sample("RG1_UNCR.dcm")
    assert film.pixels.shape == (1955, 1841)
    lung, mediastinum = film.display[500:800, 400:600], film.display[900:1100, 850:1000]
    assert lung.mean() < mediastinum.mean()


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "test-SR.dcm"])
def test_unreadable_samples_say_why(name):
    with pytest.raises(ImageError) as error:
        sample(name)
    assert error.value.fix


def test_mutated_files_read_or_raise_image_error(tmp_path):
    random = np.random.default_rng(1)
    deflated = dicom_dataset(RAMP)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    rle = compressed(RAMP, struct_header(1, 64) + b"\xe9\x07", RLELossless)
    for dataset in (dicom_dataset(RAMP12, 12, WindowCenter=2000, WindowWidth=1000), deflated, rle):
        whole = np.frombuffer(save(dataset, tmp_path / "a.dcm").read_bytes(), np.uint8)
        for trial in range(80):
            broken = whole.copy()
            where = random.integers(132, len(broken), 1 + trial % 5)
            broken[where] = random.integers(0, 256, len(where))
            (tmp_path / "b.dcm").write_bytes(broken.tobytes())
            try:
                found = read_image(tmp_path / "b.dcm")
            except ImageError:
                continue
            assert found.pixels.min() >= 0
            assert found.pixels.max() <= 1
