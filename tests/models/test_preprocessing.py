"""One bright block followed through every path, and the numbers of every step."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.io import RawImage, read_image
from camlucida.models.card import InputSpec
from camlucida.models.preprocessing import prepare
from tests.support.dicom_files import write_dicom

SIZES = [(60, 90), (97, 64), (40, 40), (24, 33)]
BLOCK = 6  # rows and columns of the bright block


def raw(array: np.ndarray, **fields) -> RawImage:
    pixels = array.astype(np.float32)
    return RawImage(
        pixels, np.rint(pixels * 255).astype(np.uint8), "case", source={"bits": 8}, **fields
    )


def block(size: tuple[int, int]) -> tuple[np.ndarray, tuple[float, float]]:
    """An image with one bright block off its centre, and the block's centre in edge coordinates."""
    shift = (3, -5) if min(size) > 30 else (2, -1)  # within every crop
    top, left = (n // 2 + s - BLOCK // 2 for n, s in zip(size, shift))
    array = np.zeros(size, np.float32)
    array[top : top + BLOCK, left : left + BLOCK] = 1
    return array, (top + BLOCK / 2, left + BLOCK / 2)


def centroid(values: torch.Tensor) -> tuple[float, float]:
    """Centre of mass of (H, W) in edge coordinates."""
    values = values.double()
    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in values.shape)
    return float((values.sum(1) * rows).sum() / values.sum()), float(
        (values.sum(0) * columns).sum() / values.sum()
    )


def check(tensor: torch.Tensor, geometry: Geometry, centre: tuple[float, float]) -> None:
    """The block is where the geometry says, and comes back to where it was.

    Within half a model pixel.
    """
    assert tensor.max() > 0.4
    half = [0.5 / abs(scale) for scale in geometry.scale]  # half a model pixel, in original pixels
    seen = geometry.to_original(centroid(tensor))
    back = centroid(geometry.map_to_original(tensor[None])[0])
    for found in (seen, back):
        assert abs(found[0] - centre[0]) <= half[0]
        assert abs(found[1] - centre[1]) <= half[1]


@pytest.mark.parametrize("flip", [None, 0, 1])
@pytest.mark.parametrize("resize", ["antialias", "bilinear", "nearest"])
@pytest.mark.parametrize("fit", ["stretch", "center-crop", "pad"])
@pytest.mark.parametrize("size", SIZES)
def test_a_bright_block_comes_back(size, fit, resize, flip):
    array, centre = block(size)
    for model in (32, (48, 20), (20, 48), size):
        crop = 0.9 if fit == "center-crop" else 1.0
        scan = prepare(
            raw(array), InputSpec(size=model, channels=1, fit=fit, resize=resize, crop=crop)
        )
        assert scan.geometry.original == size
        assert scan.geometry.model == scan.tensor.shape[1:] == InputSpec(size=model).height_width
        tensor, geometry = scan.tensor[0], scan.geometry
        if flip is not None:
            tensor, geometry = tensor.flip(flip), geometry.flip(flip)
        check(tensor, geometry, centre)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_bright_block_through_exif(tmp_path, orientation):
    array, _ = block((60, 90))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray((array * 255).astype(np.uint8)).save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    assert image.display.shape == ((60, 90) if orientation < 5 else (90, 60))
    scan = prepare(image, InputSpec(size=32, channels=1))
    # The original of the geometry is the upright image, the one that people are shown.
    check(scan.tensor[0], scan.geometry, centroid(torch.from_numpy(scan.display)))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("dicom", ["stored", "windowed"])
def test_a_bright_block_through_dicom(tmp_path, photometric, dicom):
    array, centre = block((60, 90))
    stored = (array * 4000).astype(np.uint16)
    stored = 4095 - stored if photometric == "MONOCHROME1" else stored
    window = {"WindowCenter": 2047.5, "WindowWidth": 4096}
    path = write_dicom(
        tmp_path / "a.dcm", stored, 12, PhotometricInterpretation=photometric, **window
    )
    scan = prepare(read_image(path), InputSpec(size=32, channels=1, fit="pad", dicom=dicom))
    check(scan.tensor[0], scan.geometry, centre)
    expected = {"windowed": "window", "stored": "stored"}[dicom]
    assert scan.preprocessing[0].code == f"preprocessing.{expected}"


def test_windowed_pixels_are_the_models_when_asked():
    image = raw(np.zeros((4, 4)), windowed=np.ones((4, 4), np.float32))
    assert prepare(image, InputSpec(size=4, dicom="stored")).tensor.max() == 0
    assert prepare(image, InputSpec(size=4, dicom="windowed")).tensor.min() == 1


def test_channels():
    grey, colour = np.full((4, 4), 0.5), np.full((4, 4, 3), (0.0, 0.25, 0.5))
    one, three = InputSpec(size=4, channels=1), InputSpec(size=4, channels=3)
    assert prepare(raw(grey), one).tensor.shape == (1, 4, 4)
    repeated = prepare(raw(grey), three)
    torch.testing.assert_close(repeated.tensor, torch.full((3, 4, 4), 0.5))
    assert repeated.preprocessing[1] == Message("preprocessing.grey", {"channels": 3})
    mean = prepare(raw(colour), one)
    torch.testing.assert_close(mean.tensor, torch.full((1, 4, 4), 0.25))
    assert mean.preprocessing[1] == Message("preprocessing.mean")
    torch.testing.assert_close(
        prepare(raw(colour), three).tensor[:, 0, 0], torch.tensor([0.0, 0.25, 0.5])
    )


def test_value_scales():
    image = raw(np.linspace(0, 1, 16).reshape(4, 4))
    ranged = prepare(image, InputSpec(size=4, channels=1, range=(-1024, 1024)))
    torch.testing.assert_close(
        ranged.tensor[0], torch.linspace(-1024, 1024, 16).reshape(4, 4), rtol=0, atol=1e-3
    )
    assert str(ranged.preprocessing[-1]) == "scale: black to -1024, white to 1024"
    spec = InputSpec(size=4, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 1, 2))
    normalised = prepare(image, spec).tensor[:, -1, -1]
    torch.testing.assert_close(normalised, torch.tensor([1.8, 0.8, 0.35]))
    plain = prepare(image, InputSpec(size=4, channels=1))
    np.testing.assert_array_equal(plain.tensor[0], image.pixels)
    assert plain.geometry == Geometry.identity((4, 4))
    assert len(plain.preprocessing) == 2
    assert plain.tensor.dtype == torch.float32


def test_padding_is_black_before_the_scale():
    scan = prepare(raw(np.ones((10, 20))), InputSpec(size=8, channels=1, fit="pad", range=(-1, 1)))
    assert (scan.tensor[0, :2] == -1).all()
    torch.testing.assert_close(scan.tensor[0, 2:6], torch.ones(4, 8))
    assert (scan.tensor[0, 6:] == -1).all()
    assert [str(step) for step in scan.preprocessing[1:3]] == [
        "resize: 10 × 20 → 4 × 8, bilinear with antialiasing",
        "pad: black rows 2 above, 2 below, columns 0 left, 0 right",
    ]
    assert scan.geometry.seen() == ((0, 10), (0, 20))


def test_the_largest_centred_window_is_cropped():
    array = np.arange(600.0).reshape(20, 30) / 600
    scan = prepare(raw(array), InputSpec(size=(10, 10), channels=1, fit="center-crop", crop=0.5))
    np.testing.assert_array_equal(scan.tensor[0], array[5:15, 10:20].astype(np.float32))
    assert str(scan.preprocessing[1]) == "crop: rows 5–15, columns 10–20 of 20 × 30"
    assert scan.geometry.seen() == ((5, 15), (10, 20))


def test_resize_is_torchs():
    array = np.random.default_rng(0).random((30, 50)).astype(np.float32)
    batch = torch.from_numpy(array)[None, None]
    for how, options in (
        ("antialias", {"mode": "bilinear", "antialias": True}),
        ("bilinear", {"mode": "bilinear"}),
        ("nearest", {"mode": "nearest-exact"}),
    ):
        scan = prepare(raw(array), InputSpec(size=16, channels=1, resize=how))
        torch.testing.assert_close(scan.tensor[None], F.interpolate(batch, (16, 16), **options))
    assert scan.preprocessing[1].code == "preprocessing.stretched"
    assert "stretched 0.6 times" in str(scan.preprocessing[1])


def test_the_record_travels():
    image = raw(np.zeros((4, 4)), warnings=("careful",), synthetic=True)
    scan = prepare(image, InputSpec(size=2))
    assert (scan.id, scan.warnings, scan.synthetic, scan.source) == (
        "case",
        ("careful",),
        True,
        {"bits": 8},
    )
    assert scan.display is image.display


def test_the_image_itself_is_untouched():
    image = raw(np.ones((4, 4)))
    image.pixels.flags.writeable = False
    prepare(image, InputSpec(size=4, channels=1)).tensor.zero_()
    assert image.pixels.all()
