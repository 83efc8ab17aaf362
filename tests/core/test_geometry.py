import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.geometry import Geometry

SIZE = st.tuples(*[st.integers(1, 40)] * 2)


@st.composite
def geometries(draw) -> Geometry:
    """Any chain of up to five crops, pads, resizes and flips."""
    geometry = Geometry.identity(draw(SIZE))
    for step in draw(st.lists(st.sampled_from(["crop", "pad", "resize", "flip"]), max_size=5)):
        if step == "crop":
            window = [sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in geometry.model]
            geometry = geometry.crop([a for a, _ in window], [max(1, b - a) for a, b in window])
        elif step == "pad":
            geometry = geometry.pad(
                draw(st.tuples(*[st.integers(0, 9)] * 2)), draw(st.tuples(*[st.integers(0, 9)] * 2))
            )
        elif step == "resize":
            geometry = geometry.resize(draw(SIZE))
        else:
            geometry = geometry.flip(draw(st.integers(0, 1)))
    return geometry


@given(geometries(), st.tuples(*[st.floats(-50, 50)] * 2))
def test_there_and_back(geometry, point):
    assert geometry.to_original(geometry.to_model(point)) == pytest.approx(point, abs=1e-6)
    assert geometry.to_model(geometry.to_original(point)) == pytest.approx(point, abs=1e-6)


@given(geometries(), st.integers(0, 1))
def test_two_flips_are_none(geometry, axis):
    twice = geometry.flip(axis).flip(axis)
    assert twice.scale == geometry.scale
    assert twice.offset == pytest.approx(geometry.offset, abs=1e-9)


@given(geometries(), SIZE, SIZE)
def test_two_resizes_are_the_last(geometry, first, second):
    once, twice = geometry.resize(second), geometry.resize(first).resize(second)
    assert twice.scale == pytest.approx(once.scale)
    assert twice.offset == pytest.approx(once.offset)


@given(geometries(), st.tuples(*[st.integers(0, 9)] * 2), st.tuples(*[st.integers(0, 9)] * 2))
def test_crop_undoes_pad(geometry, before, after):
    back = geometry.pad(before, after).crop(before, geometry.model)
    assert back.model == geometry.model
    assert back.offset == pytest.approx(geometry.offset, abs=1e-9)


@given(geometries())
def test_resize_and_flip_commute(geometry):
    a, b = geometry.resize((7, 11)).flip(1), geometry.flip(1).resize((7, 11))
    assert a.scale == pytest.approx(b.scale)
    assert a.offset == pytest.approx(b.offset, abs=1e-9)


@given(geometries())
def test_seen_lies_in_the_original(geometry):
    for (first, last), size in zip(geometry.seen(), geometry.original):
        assert 0 <= first <= size
        assert first <= last <= size


def test_a_window_beside_the_image_has_seen_nothing():
    assert Geometry.identity((5, 5)).crop((7, -9), (2, 3)).seen() == ((5, 5), (0, 0))


def test_by_hand():
    """10 × 20, rows 1–9 and columns 4–12 kept, halved, flipped left to right."""
    geometry = Geometry.identity((10, 20)).crop((1, 4), (8, 8)).resize((4, 4)).flip(1)
    assert geometry.scale == (0.5, -0.5)
    assert geometry.to_model((1, 4)) == (0, 4)
    assert geometry.to_model((9, 12)) == (4, 0)
    assert geometry.to_original((0.5, 0.5)) == (2, 11)
    assert geometry.seen() == ((1, 9), (4, 12))


def test_maps_follow_whole_pixel_steps_exactly():
    values = torch.arange(12.0).reshape(1, 3, 4)
    geometry = Geometry.identity((3, 4)).flip(1).pad((1, 2), (0, 3)).crop((0, 1), (4, 6))
    expected = np.pad(values[0].numpy()[:, ::-1], ((1, 0), (1, 1)))
    moved = geometry.map_to_model(values)
    np.testing.assert_array_equal(moved[0], expected)
    np.testing.assert_array_equal(geometry.map_to_original(moved), values)


def test_nothing_was_seen_outside_the_crop():
    geometry = Geometry.identity((6, 6)).crop((2, 1), (2, 3)).resize((8, 9))
    back = geometry.map_to_original(torch.ones(2, 8, 9))
    expected = torch.zeros(2, 6, 6)
    expected[:, 2:4, 1:4] = 1
    torch.testing.assert_close(back, expected)


@given(geometries(), st.floats(-3, 3), st.floats(-3, 3))
def test_linear_maps_survive_the_way_back(geometry, a, b):
    """Linear interpolation reproduces a linear map wherever it needs no value beyond the border."""
    axes = [torch.arange(n, dtype=torch.float64) + 0.5 for n in geometry.model]
    back = geometry.map_to_original((a * axes[0][:, None] + b * axes[1])[None])[0]
    for row in range(geometry.original[0]):
        for column in range(geometry.original[1]):
            y, x = geometry.to_model((row + 0.5, column + 0.5))
            if 0.5 <= y <= geometry.model[0] - 0.5 and 0.5 <= x <= geometry.model[1] - 0.5:
                assert float(back[row, column]) == pytest.approx(a * y + b * x, abs=1e-6)


def test_any_rank_and_slice_by_slice():
    values = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    volume = Geometry.identity((3, 4, 5)).resize((3, 8, 7)).flip(2)
    plane = Geometry.identity((4, 5)).resize((8, 7)).flip(1)
    torch.testing.assert_close(
        volume.map_to_model(values),
        torch.stack([plane.map_to_model(values[:, k]) for k in range(3)], 1),
    )


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="expected"):
        Geometry.identity((3, 4)).map_to_original(torch.zeros(1, 4, 3))


def test_a_cell_in_original_pixels():
    geometry = Geometry.identity((100, 300)).resize((50, 60)).flip(1)
    assert geometry.cell((5, 6)) == pytest.approx((20, 50))
