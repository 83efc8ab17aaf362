"""One bright block followed through every path, and the numbers of every step."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.io import RawImage, read_image
from camlucida.models.preprocessing import no_unit_scale, prepare, unit_scale
from camlucida.models.preprocessing.spec import InputSpec
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


MISSING = [("torch", "lanczos"), ("skimage", "area"), ("skimage", "lanczos")]


@pytest.mark.parametrize("library", ["torch", "pillow", "opencv", "skimage"])
@pytest.mark.parametrize("resize", ["nearest", "bicubic", "bicubic-antialias", "area", "lanczos"])
@pytest.mark.parametrize("fit", ["stretch", "short-side", "pad"])
def test_a_bright_block_through_every_library(fit, resize, library):
    if (library, resize) in MISSING:
        with pytest.raises(ValueError, match=f"{library} has no {resize} resize"):
            InputSpec(resize=resize, library=library)
        return
    for size in SIZES:
        array, centre = block(size)
        for model in (32, 48):
            spec = InputSpec(size=model, channels=1, fit=fit, resize=resize, library=library)
            scan = prepare(raw(array), spec)
            assert scan.geometry.model == scan.tensor.shape[1:] == (model, model)
            check(scan.tensor[0].clamp(min=0), scan.geometry, centre)


STEPS = {
    "square first": [{"do": "pad"}, {"do": "resize", "size": [32, 32]}],
    "corner": [{"do": "resize", "long": 32}, {"do": "pad", "size": [32, 32], "anchor": "top-left"}],
    "monai": [{"do": "resize", "long": 40}, {"do": "crop", "size": [32, 32], "anchor": "centre"}],
    "grown crop": [{"do": "crop", "size": [100, 100]}, {"do": "resize", "size": [50, 50]}],
    "twice": [
        {"do": "resize", "short": 40, "kernel": "bicubic"},
        {"do": "crop-share", "share": 0.9},
        {"do": "resize", "size": [32, 32], "library": "opencv", "kernel": "area"},
    ],
    "values between": [
        {"do": "percentiles", "low": 0, "high": 100},
        {"do": "resize", "size": [40, 40], "library": "pillow"},
        {"do": "gamma", "gamma": 0.9},
        {"do": "crop", "size": [36, 36], "anchor": "floor"},
    ],
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_bright_block_through_written_steps(steps, size):
    array, centre = block(size)
    spec = InputSpec.model_validate({"channels": 1, "steps": steps})
    scan = prepare(raw(array), spec)
    assert scan.geometry.model == scan.tensor.shape[1:] == spec.height_width
    check(scan.tensor[0].clamp(min=0), scan.geometry, centre)


def test_steps_keep_their_order():
    image = raw(np.linspace(0, 1, 64).reshape(8, 8))
    window = {"do": "window", "low": 0, "high": 127.5}
    resize = {"do": "resize", "size": [2, 2]}
    first = InputSpec.model_validate({"channels": 1, "steps": [window, resize]})
    last = InputSpec.model_validate({"channels": 1, "steps": [resize, window]})
    codes = [step.code for step in prepare(image, first).preprocessing]
    order = ["stored", "fixed_window", "antialias", "no_scale"]
    assert codes == [f"preprocessing.{name}" for name in order]
    assert not torch.equal(prepare(image, first).tensor, prepare(image, last).tensor)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"do": "resize", "short": 4}], "steps end without a size"),
        ([{"do": "normalise", "mean": [0.5], "std": [0.5]}, {"do": "clahe"}], "clahe works on 0"),
        ([{"do": "gamma", "gamma": 2}, {"do": "window", "low": 0, "high": 1}], "after gamma"),
        ([{"do": "resize", "size": [4, 4], "short": 3}], "one of size, short"),
        ([{"do": "normalise", "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}], "3 values for 1"),
        ([{"do": "percentiles", "low": 99, "high": 1}], "low < high"),
        ([{"do": "sharpen"}], "sharpen"),
    ],
)
def test_steps_that_cannot_be(steps, expected):
    ends = [{"do": "crop", "size": [4, 4]}] if "without" not in expected else []
    with pytest.raises(ValueError, match=expected):
        InputSpec.model_validate({"channels": 1, "steps": [*steps, *ends]})


def test_keys_beside_steps():
    steps = [{"do": "resize", "size": [4, 6]}]
    assert InputSpec.model_validate({"steps": steps}).height_width == (4, 6)
    with pytest.raises(ValueError, match="the steps end with"):
        InputSpec.model_validate({"steps": steps, "size": 5})
    with pytest.raises(ValueError, match="steps replace mean, std"):
        InputSpec.model_validate({"steps": steps, "mean": (0, 0, 0), "std": (1, 1, 1)})
    again = InputSpec.model_validate(InputSpec.model_validate({"steps": steps}).model_dump())
    assert again.height_width == (4, 6)


def test_unit_scale_of_what_it_can():
    values = torch.rand(3, 4, 4)
    for fields in (
        {"range": (-1024, 1024)},
        {"mean": (0.4, 0.5, 0.6), "std": (0.1, 0.2, 0.3)},
        {"percentiles": (1, 99), "range": (-1, 1)},
        {"steps": [{"do": "resize", "size": [4, 4]}, {"do": "scale", "white": 255}]},
    ):
        spec = InputSpec.model_validate(fields)
        to_unit, to_model = unit_scale(spec)
        torch.testing.assert_close(to_unit(to_model(values)), values)
        assert no_unit_scale(spec) is None
    per_image = InputSpec(intensity="z-score")
    assert unit_scale(per_image) is None
    assert "z-score" in str(no_unit_scale(per_image))


def test_monochrome1_as_the_file_stores_it(tmp_path):
    stored = np.array([[0, 1000], [3000, 4095]], np.uint16)
    path = write_dicom(tmp_path / "a.dcm", stored, 12, PhotometricInterpretation="MONOCHROME1")
    image = read_image(path)
    same = prepare(image, InputSpec(size=2, channels=1, monochrome1="as-stored"))
    np.testing.assert_allclose(same.tensor[0], stored / 4095, atol=1e-6)
    turned = prepare(image, InputSpec(size=2, channels=1))
    np.testing.assert_allclose(turned.tensor[0], 1 - stored / 4095, atol=1e-6)
    window = prepare(image, InputSpec(size=2, channels=1, window=(1000, 3000)))
    np.testing.assert_allclose(window.tensor[0], [[1, 1], [0, 0]], atol=1e-6)


def test_a_window_in_hounsfield_units(tmp_path):
    stored = np.array([[0, 1024], [1424, 4000]], np.uint16)
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    image = read_image(write_dicom(tmp_path / "a.dcm", stored, 12, **rescale))
    scan = prepare(image, InputSpec(size=2, channels=1, window=(-200, 400)))
    np.testing.assert_allclose(scan.tensor[0], [[0, 1 / 3], [1, 1]], atol=1e-5)


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
    assert str(ranged.preprocessing[-1]) == "scale: black to −1024, white to 1024"
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


class TestBgr:
    LEVELS = np.array([[[255, 0, 51]]], np.uint8)

    def image(self) -> RawImage:
        return RawImage(self.LEVELS / np.float32(255), self.LEVELS, "case")

    def test_red_and_blue_change_places(self):
        by_key = InputSpec(size=1, bgr=True, mean=(0.2, 0, 0), std=(1, 1, 0.5))
        steps = [{"do": "resize", "size": (1, 1)}, {"do": "bgr"}]
        by_step = InputSpec(steps=[*steps, {"do": "scale", "black": 0, "white": 255}])
        assert prepare(self.image(), by_key).tensor.flatten().tolist() == [0, 0, 2]
        scan = prepare(self.image(), by_step)
        torch.testing.assert_close(scan.tensor.flatten(), torch.tensor([51.0, 0.0, 255.0]))
        assert "preprocessing.bgr" in [note.code for note in scan.preprocessing]

    def test_a_grey_image_has_neither(self):
        scan = prepare(raw(np.eye(4)), InputSpec(size=4, bgr=True))
        assert torch.equal(scan.tensor[0], scan.tensor[2])
        assert "preprocessing.bgr" not in [note.code for note in scan.preprocessing]

    @pytest.mark.parametrize(
        "fields", [{"bgr": True}, {"steps": [{"do": "crop", "size": (4, 4)}, {"do": "bgr"}]}]
    )
    def test_one_channel_cannot(self, fields):
        with pytest.raises(ValueError, match="the model has one channel"):
            InputSpec(channels=1, **fields)
