"""Volumes as a model of them was trained: places are kept, and values are stated."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.orientation import axis_codes
from camlucida.io.image import RawImage
from camlucida.io.volumes import Volume, volume
from camlucida.io.volumes.volume import placed
from camlucida.models import load_model
from camlucida.models.preprocessing import VolumeInput, prepare, prepare_volume
from camlucida.models.preprocessing.spec import InputSpec
from tests.support.volumes import OBLIQUE, with_lesion

SIZE = (6, 7, 9)


def stored(values, affine=OBLIQUE) -> Volume:
    return Volume(values, affine, "head", source=placed(affine, values.shape))


def prepared(values, **fields):
    given = {"orientation": "stored", "size": values.shape, **fields}
    return prepare_volume(stored(values), VolumeInput.model_validate(given))


def ramp(size=SIZE) -> np.ndarray:
    return np.arange(np.prod(size), dtype=np.float32).reshape(size)


@pytest.mark.parametrize("orientation", ["stored", "RAS", "SPL", "LPI", "AIR"])
def test_a_voxel_comes_back_to_its_place_exactly(orientation):
    values = with_lesion(SIZE, (1, 5, 3))
    scan = prepared(values, orientation=orientation, size=(8, 8, 8), fit="crop-pad", pad=0)
    assert float(scan.tensor.sum()) == 100
    assert np.array_equal(scan.to_stored(scan.tensor[0]), values)
    assert scan.voxels is not None
    ordered = scan.order.affine(scan.affine, SIZE)
    assert orientation in ("stored", axis_codes(ordered))


def test_the_tensor_runs_as_the_orientation_says():
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    values = ramp((2, 3, 4))
    spec = VolumeInput(orientation="SAR", size=(4, 3, 2))
    scan = prepare_volume(stored(values, affine), spec)
    assert axis_codes(affine) == "LAS"
    assert np.array_equal(scan.tensor[0].numpy(), values.transpose(2, 1, 0)[:, :, ::-1])


def test_a_corner_and_a_middle_of_a_resized_volume():
    scan = prepared(ramp((4, 4, 8)), size=(8, 4, 4))
    assert scan.whole.to_original((0, 0, 0)) == (0, 0, 0)
    assert scan.whole.to_original((8, 4, 4)) == (4, 4, 8)
    assert scan.whole.to_original((4, 2, 1)) == (2, 2, 2)


def test_a_linear_field_stays_linear_through_spacing_and_size():
    # Along each axis the value is the place, in stored voxels; away from the border it stays so.
    places = np.indices((12, 10, 8)).astype(np.float32)
    affine = np.diag([1.5, 1.0, 2.0, 1.0])
    for axis in range(3):
        spec = VolumeInput(orientation="stored", spacing=1.0, size=(20, 20, 20))
        scan = prepare_volume(stored(places[axis], affine), spec)
        for index in ((8, 9, 10), (11, 12, 9)):
            centre = tuple(i + 0.5 for i in index)
            there = scan.whole.to_original(centre)[axis] - 0.5
            assert float(scan.tensor[0][index]) == pytest.approx(there, abs=1e-4)


def test_spacing_keeps_the_middle_and_the_millimetres():
    affine = np.diag([2.5, 1.0, 1.0, 1.0])
    spec = VolumeInput(orientation="stored", spacing=(1, 1, 1), size=(17, 4, 4))
    scan = prepare_volume(stored(ramp((7, 4, 4)), affine), spec)
    assert tuple(scan.tensor.shape) == (1, 17, 4, 4)
    middle = scan.whole.to_original((17 / 2, 2, 2))
    assert middle == pytest.approx((3.5, 2, 2))


def test_a_volume_of_one_slice_is_prepared_as_its_image():
    pixels = np.random.default_rng(0).random((14, 10)).astype(np.float32)
    image = RawImage(pixels, (pixels * 255).astype(np.uint8), "a")
    flat = {"channels": 1, "intensity": "min-max", "range": (-1, 1), "resize": "bilinear"}
    expected = prepare(image, InputSpec(size=(8, 8), **flat)).tensor
    values = {"intensity": "min-max", "range": (-1, 1)}
    scan = prepared(pixels[None], size=(1, 8, 8), **values)
    assert scan.tensor[:, 0].sub(expected).abs().max() < 1e-6
    cropped = prepared(pixels[None], size=(1, 8, 13), fit="crop-pad", **values)
    assert scan.geometry.scale[1:] == prepare(image, InputSpec(size=(8, 8), **flat)).geometry.scale
    assert tuple(cropped.tensor.shape) == (1, 1, 8, 13)


@pytest.mark.parametrize(
    ("fields", "low", "high"),
    [
        ({"window": (0, 50)}, 0, 1),
        ({"window": (0, 377), "range": (-1, 1)}, -1, 1),
        ({"percentiles": (1, 99)}, 0, 1),
        ({"intensity": "min-max", "mean": (0.5,), "std": (0.5,)}, -1, 1),
        ({"mean": (100,), "std": (2,)}, -50, 138.5),
        ({}, 0, 377),
    ],
)
def test_values(fields, low, high):
    tensor = prepared(ramp(), **fields).tensor
    assert (float(tensor.min()), float(tensor.max())) == pytest.approx((low, high))


def test_z_score_is_of_the_whole_volume():
    tensor = prepared(ramp(), intensity="z-score").tensor.double()
    assert float(tensor.mean()) == pytest.approx(0, abs=1e-6)
    assert float(tensor.std(correction=0)) == pytest.approx(1, abs=1e-6)


def test_three_channels_of_any_depth_have_their_own_scale():
    tensor = prepared(ramp((3, 4, 5)), channels=3, mean=(0, 10, 20), std=(1, 2, 4)).tensor
    assert tensor[:, 2, 3, 4].tolist() == pytest.approx([59, 24.5, 9.75])


@pytest.mark.parametrize("kernel", ["trilinear", "area", "nearest"])
def test_resizes_are_those_of_torch(kernel):
    batch = torch.from_numpy(ramp())[None, None]
    options = {"trilinear": {"align_corners": False}}.get(kernel, {})
    mode = {"nearest": "nearest-exact"}.get(kernel, kernel)
    expected = F.interpolate(batch, (3, 4, 5), mode=mode, **options)[0]
    assert torch.equal(prepared(ramp(), size=(3, 4, 5), resize=kernel).tensor, expected)


def test_crop_and_pad_are_those_of_monai():
    # ResizeWithPadOrCrop pads (new − n) // 2 before, and crops from n // 2 − new // 2 on.
    scan = prepared(ramp((5, 6, 7)), size=(8, 3, 7), fit="crop-pad", pad=-9)
    assert scan.whole.offset == (1, -2, 0)
    assert np.array_equal(scan.tensor[0, 1:6].numpy(), ramp((5, 6, 7))[:, 2:5])
    assert (scan.tensor[0, 0] == -9).all()


def test_stacked_slices_are_channels_and_their_map_holds_for_each():
    values = ramp((4, 6, 6))
    scan = prepared(values, size=(3, 3), slices=4)
    assert tuple(scan.tensor.shape) == (4, 3, 3)
    assert scan.geometry.original == (6, 6)
    heat = torch.arange(9.0).reshape(3, 3)
    back = scan.to_stored(heat)
    assert back.shape == values.shape
    assert np.array_equal(back[0], back[3])
    assert torch.equal(torch.from_numpy(back[0]), scan.geometry.map_to_original(heat[None])[0])


def test_a_volume_too_large_for_its_spacing_is_refused(monkeypatch):
    monkeypatch.setattr(volume, "MAX_VOXELS", 1000)
    with pytest.raises(ImageError, match="the limit is 1,000"):
        prepared(ramp(), spacing=0.1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"orientation": "RL"}, "is none: write one of R or L"),
        ({"size": (4, 4)}, "three numbers"),
        ({"slices": 3}, "size has two numbers"),
        ({"slices": 3, "size": (4, 4), "channels": 3}, "the channels are the slices"),
        ({"window": (0, 1), "percentiles": (1, 2)}, "one of window"),
        ({"window": (2, 1)}, "low < high"),
        ({"range": (0, 1)}, "range needs a window"),
        ({"range": (0, 1), "mean": (0,), "std": (1,)}, "not both"),
        ({"mean": (0,)}, "belong together"),
        ({"mean": (0, 1), "std": (1, 1)}, "2 values for 1 channels"),
        ({"std": (0,), "mean": (0,)}, "positive"),
        ({"fit": "crop-pad"}, "the value of air"),
        ({"fit": "crop-pad", "resize": "area"}, "does not resize"),
        ({"spacing": 0}, "greater than 0"),
        ({"size": (0, 4, 4)}, "greater than or equal to 1"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        VolumeInput.model_validate({"orientation": "RAS", "size": (4, 4, 4), **fields})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[volume]\nsize = [4, 4, 4]", r"volume\.orientation.*is missing.*RAS"),
        ('[volume]\norientation = "RAS"\nsize = [4, 4, 4]\nspacin = 1', "did you mean spacing"),
        ('[volume]\norientation = "RAS"\nsize = [4, 4, 4]\n[input]\nsize = 8', "alone"),
    ],
)
def test_a_faulty_card_is_one_line(tmp_path, text, reason):
    card = tmp_path / "card.toml"
    card.write_text(f'factory = "torch.nn:Identity"\n{text}\n')
    with pytest.raises(UsageError, match=reason) as caught:
        load_model(card)
    assert "\n" not in str(caught.value)
