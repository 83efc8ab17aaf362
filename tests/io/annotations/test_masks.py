import numpy as np
import pytest
import tifffile
from PIL import Image

from camlucida.core.errors import ImageError
from camlucida.io.annotations.masks import read_mask

SIZE = (6, 8)
MASK = np.zeros(SIZE, bool)
MASK[1:3, 2:6] = True
GREY = (MASK * 255).astype(np.uint8)


def saved(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        Image.fromarray(array).save(path)
    return path


def cut(path, array):
    saved(path, array)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def read(path):
    found = read_mask(path, f"mask {path}", SIZE)
    assert found.dtype == bool
    return found


@pytest.mark.parametrize("suffix", ["npy", "tif", "png", "bmp"])
@pytest.mark.parametrize("value", [1, 7, 255])
def test_any_one_value_beside_0_is_inside(tmp_path, suffix, value):
    np.testing.assert_array_equal(
        read(saved(tmp_path / f"a.{suffix}", (MASK * value).astype(np.uint8))), MASK
    )


@pytest.mark.parametrize(
    "array",
    [MASK, MASK.astype(np.int64), MASK.astype(np.float32) * 0.5, MASK.astype(np.uint16) * 65535],
)
def test_numpy_of_any_number(tmp_path, array):
    np.testing.assert_array_equal(read(saved(tmp_path / "a.npy", array)), MASK)


@pytest.mark.parametrize(
    "array", [MASK, GREY[..., None] * np.array([1, 0, 0], np.uint8), MASK.astype(np.uint16) * 65535]
)
def test_pictures_of_one_bit_one_colour_and_16_bits(tmp_path, array):
    np.testing.assert_array_equal(read(saved(tmp_path / "a.png", array)), MASK)


@pytest.mark.parametrize("fill", [0, 255])
def test_an_empty_and_a_full_mask(tmp_path, fill):
    assert read(saved(tmp_path / "a.png", np.full(SIZE, fill, np.uint8))).mean() == (fill > 0)


NOISE = np.random.default_rng(0).integers(0, 2, SIZE, np.uint8)


@pytest.mark.parametrize(
    ("write", "name", "array", "words"),
    [
        (cut, "a.png", NOISE, "cannot read .* as PNG"),
        (cut, "a.npy", NOISE, "cannot read .* as a NumPy array"),
        (saved, "a.npy", np.array([{}]), "cannot read .* as a NumPy array"),
        (saved, "a.npy", np.zeros((2, *SIZE)), r"holds float64 of shape \(2, 6, 8\) \(a mask is"),
        (saved, "a.npy", np.full(SIZE, "x"), "a mask is"),
        (saved, "a.npy", np.where(MASK, np.nan, 0), "holds NaN"),
        (saved, "a.npy", np.arange(48).reshape(SIZE), "holds 47 different values beside 0"),
        (
            saved,
            "a.png",
            np.eye(3, dtype=np.uint8)[np.arange(48).reshape(SIZE) % 3],
            "holds 3 different values",
        ),
        (saved, "a.tif", np.zeros((3, *SIZE), np.uint8), "has 3 pages"),
        (saved, "a.png", GREY.T, "is 8×6 for an image of 6×8"),
        (saved, "a.npy", GREY[:3], "is 3×8 for an image of 6×8"),
    ],
)
def test_a_bad_mask_is_one_line(tmp_path, write, name, array, words):
    path = write(tmp_path / name, array)
    with pytest.raises(ImageError, match=words) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("words")
    with pytest.raises(ImageError, match="not an image"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_jpeg_has_blurred_edges_and_one_value(tmp_path, quality):
    rows, columns = np.ogrid[:64, :80]
    disc = (rows - 30) ** 2 + (columns - 45) ** 2 < 15**2
    Image.fromarray(disc.astype(np.uint8) * 255).save(tmp_path / "a.jpg", quality=quality)
    found = read_mask(tmp_path / "a.jpg", "mask", (64, 80))
    assert (found != disc).mean() < 0.002


def test_a_photograph_is_no_mask(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 80), np.uint8)).save(
        tmp_path / "a.jpg"
    )
    with pytest.raises(ImageError, match="is a JPEG of more than two values"):
        read_mask(tmp_path / "a.jpg", "mask", (64, 80))


def test_an_empty_jpeg_is_an_empty_mask(tmp_path):
    Image.fromarray(np.zeros((64, 80), np.uint8)).save(tmp_path / "a.jpg")
    assert not read_mask(tmp_path / "a.jpg", "mask", (64, 80)).any()
