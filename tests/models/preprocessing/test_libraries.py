"""Each step against the library that it names, number for number."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from camlucida.io import RawImage
from camlucida.models.preprocessing import prepare
from camlucida.models.preprocessing.spec import InputSpec

cv2 = pytest.importorskip("cv2")
transforms = pytest.importorskip("torchvision.transforms.v2")

LEVEL = 1 / 255 + 1e-6
SIZES = [(61, 90), (97, 64), (40, 40)]


def film(size: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Smooth shapes with noise, 8 bits."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(size[:2]) / 9
    wave = 110 + 70 * np.sin(rows) * np.cos(columns * 1.3)
    if len(size) == 3:
        wave = wave[..., None] * (1.0, 0.8, 0.6)
    return np.clip(wave + rng.normal(0, 12, size), 0, 255).astype(np.uint8)


def raw(levels: np.ndarray, **source) -> RawImage:
    pixels = (levels / np.float32(255)).astype(np.float32)
    return RawImage(pixels, levels, "a", source={"bits": 8, **source})


def run(levels: np.ndarray, **fields) -> np.ndarray:
    spec = InputSpec.model_validate({"channels": 1, **fields})
    return prepare(raw(levels), spec).tensor.numpy()


def resize_step(**fields) -> dict:
    return {"steps": [{"do": "resize", **fields}]}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", [(32, 24), (120, 130)])
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "lanczos", "area"])
def test_pillow(kernel, target, size):
    levels = film(size)
    name = {"area": "BOX"}.get(kernel, kernel.upper())
    expected = Image.fromarray(levels).resize(target[::-1], Image.Resampling[name])
    mine = run(levels, **resize_step(size=target, kernel=kernel, library="pillow"))
    np.testing.assert_allclose(mine[0], np.asarray(expected, np.float32) / 255, atol=1e-7)
    simple = run(levels, size=target, resize=kernel, library="pillow")
    np.testing.assert_array_equal(simple, mine)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", [(32, 24), (120, 130)])
@pytest.mark.parametrize(
    ("kernel", "flag"),
    [
        ("nearest-floor", "INTER_NEAREST"),
        ("nearest", "INTER_NEAREST_EXACT"),
        ("bilinear", "INTER_LINEAR"),
        ("bicubic", "INTER_CUBIC"),
        ("area", "INTER_AREA"),
        ("lanczos", "INTER_LANCZOS4"),
    ],
)
def test_opencv(kernel, flag, target, size):
    levels = film(size)
    step = resize_step(size=target, kernel=kernel, library="opencv", rounding="8-bit")
    expected = cv2.resize(levels, target[::-1], interpolation=getattr(cv2, flag)) / 255
    differs = np.abs(run(levels, **step)[0] - expected) > LEVEL
    # OpenCV's versions send a centre between two pixels to one or the other.
    assert differs.mean() <= (0.2 if flag == "INTER_NEAREST_EXACT" else 0)
    if flag != "INTER_NEAREST_EXACT":  # of OpenCV for 8 bits only
        pixels = levels.astype(np.float32) / 255
        floats = cv2.resize(pixels, target[::-1], interpolation=getattr(cv2, flag))
        step["steps"][0]["rounding"] = "float"
        np.testing.assert_allclose(run(levels, **step)[0], floats, atol=2e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("levels_first", [True, False])
def test_torchvision_of_tensors(levels_first, kernel, antialias, size):
    levels = film(size)
    mode = transforms.InterpolationMode(kernel)
    resize = transforms.Resize((32, 24), interpolation=mode, antialias=antialias)
    tensor = torch.from_numpy(levels)[None]
    expected = resize(tensor) / 255 if levels_first else resize(tensor / 255)
    rounding = "8-bit" if levels_first else "float"
    step = resize_step(size=(32, 24), kernel=kernel, antialias=antialias, rounding=rounding)
    limit = LEVEL if levels_first else 1e-6
    assert np.abs(run(levels, **step) - expected.numpy()).max() <= limit


@pytest.mark.parametrize("size", SIZES)
def test_torchvisions_shorter_side_and_centre(size):
    pipeline = transforms.Compose(
        [transforms.Resize(37), transforms.CenterCrop(32), transforms.PILToTensor()]
    )
    expected = pipeline(Image.fromarray(film(size))).numpy() / 255
    steps = [
        {"do": "resize", "short": 37, "library": "pillow"},
        {"do": "crop", "size": (32, 32)},
    ]
    np.testing.assert_allclose(run(film(size), steps=steps), expected, atol=1e-6)
    short = run(film(size), size=32, fit="short-side", crop=32 / 37, library="pillow")
    np.testing.assert_array_equal(short, run(film(size), steps=steps))


@pytest.mark.parametrize("order", [0, 1, 3])
def test_scikit_image(order):
    from skimage.transform import resize

    levels = film((61, 90))
    expected = resize(levels / 255, (32, 24), order=order, anti_aliasing=order > 0)
    kernel = {0: "nearest", 1: "bilinear", 3: "bicubic"}[order]
    step = {"size": (32, 24), "kernel": kernel, "library": "skimage", "antialias": order > 0}
    np.testing.assert_allclose(run(levels, **resize_step(**step))[0], expected, atol=1e-6)


@pytest.mark.parametrize("size", [*SIZES, (64, 64)])
@pytest.mark.parametrize("clip", [0.0, 2.0, 40.0])
@pytest.mark.parametrize("tiles", [(8, 8), (4, 2), (1, 1)])
def test_clahe_of_opencv(tiles, clip, size):
    levels = film(size)
    expected = cv2.createCLAHE(clip, tiles).apply(levels) / 255
    step = {"clip": clip, "tiles": tiles}
    mine = run(levels, size=size, clahe=step)[0]
    assert np.abs(mine - expected).max() <= LEVEL
    assert (np.abs(mine - expected) > 1e-6).mean() < 0.01


def test_clahe_of_scikit_image():
    from skimage.exposure import equalize_adapthist

    levels = film((64, 48))
    expected = equalize_adapthist(levels / 255, clip_limit=0.02)
    mine = run(levels, size=(64, 48), clahe={"clip": 0.02, "library": "skimage"})
    np.testing.assert_allclose(mine[0], expected, atol=LEVEL)


def test_equalised_histograms():
    levels = film((61, 90))
    for library, expected in (
        ("opencv", cv2.equalizeHist(levels)),
        ("pillow", np.asarray(ImageOps.equalize(Image.fromarray(levels)))),
    ):
        steps = [{"do": "equalise", "library": library}, {"do": "resize", "size": (61, 90)}]
        np.testing.assert_allclose(run(levels, steps=steps)[0], expected / 255, atol=1e-6)


def test_windows_by_their_formulae():
    levels = film((20, 30))
    values = levels.astype(np.float64)
    low, high = np.percentile(values, [2, 98])
    for fields, expected in (
        ({"percentiles": (2, 98)}, np.clip((values - low) / (high - low), 0, 1)),
        ({"window": (50, 200)}, np.clip((values - 50) / 150, 0, 1)),
        ({"intensity": "min-max"}, (values - values.min()) / np.ptp(values)),
        ({"intensity": "z-score"}, (values - values.mean()) / values.std()),
        ({"gamma": 0.7}, (values / 255) ** 0.7),
        ({"invert": True}, 1 - values / 255),
    ):
        np.testing.assert_allclose(run(levels, size=(20, 30), **fields)[0], expected, atol=2e-6)


def test_grey_of_colour():
    levels = film((20, 30, 3))
    itu = run(levels, size=(20, 30), grey="itu")
    assert np.abs(itu[0] - np.asarray(Image.fromarray(levels).convert("L")) / 255).max() <= LEVEL
    assert np.abs(itu[0] - cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY) / 255).max() <= LEVEL
    three = run(levels, size=(20, 30), grey="itu", always_grey=True, channels=3)
    np.testing.assert_array_equal(three, np.repeat(itu, 3, axis=0))


def test_levels_cut_and_rounded():
    levels = np.array([[0, 100, 255]], np.uint8)
    window = {"do": "window", "low": 0, "high": 200}
    size = {"do": "resize", "size": (1, 3)}
    for rounding, middle in (("cut", 127), ("nearest", 128)):
        steps = [window, {"do": "8-bit", "rounding": rounding}, size]
        mine = run(levels, steps=steps) * 255
        np.testing.assert_allclose(mine[0, 0], [0, middle, 255], atol=1e-4)


def test_every_level_survives_a_cut():
    levels = np.arange(256, dtype=np.uint8)[None]
    steps = [{"do": "8-bit", "rounding": "cut"}, {"do": "resize", "size": (1, 256)}]
    np.testing.assert_allclose(run(levels, steps=steps)[0, 0] * 255, np.arange(256), atol=1e-4)
