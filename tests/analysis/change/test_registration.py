"""Films that were moved by a known amount are found again."""

import numpy as np
import pytest
from scipy import ndimage

from camlucida.analysis.change import align, centred
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.phantom import film

SIZE = 128


@pytest.fixture(scope="module")
def before():
    return film(9_700_001, ("effusion",), None, SIZE).image.astype(float)


def moved(image, degrees=0.0, magnification=1.0, shift=(0.0, 0.0)):
    """The film turned clockwise and magnified about its centre, then shifted.

    Also returns (matrix, offset) from before to after.
    """
    turn = np.radians(degrees)
    matrix = magnification * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    centre = (np.array(image.shape) - 1) / 2
    offset = centre + shift - matrix @ centre
    inverse = np.linalg.inv(matrix)
    return (
        ndimage.affine_transform(image, inverse, -inverse @ offset, order=1, mode="nearest"),
        matrix,
        offset,
    )


def error(result, matrix, offset):
    """Largest distance in pixels between where a point is and where it is thought to be."""
    corners = np.array([[r, c] for r in (0, SIZE - 1) for c in (0, SIZE - 1)]).T
    gap = (result.matrix - matrix) @ corners + (result.offset - offset)[:, None]
    return float(np.hypot(*gap).max())


@pytest.mark.parametrize(
    ("degrees", "magnification", "shift"),
    [(0, 1, (7, -5)), (4, 1, (0, 0)), (0, 1.06, (0, 0)), (-5, 0.95, (-6, 9))],
)
def test_a_known_movement_is_found_to_less_than_a_pixel(before, degrees, magnification, shift):
    after, matrix, offset = moved(before, degrees, magnification, shift)
    result = align(before, 0.6 * after + 20)  # another exposure
    assert result.moved
    assert error(result, matrix, offset) < 1
    assert result.rotation == pytest.approx(degrees, abs=0.4)
    assert result.magnification == pytest.approx(magnification, abs=0.01)
    assert np.allclose(result.shift, shift, atol=0.6)
    assert result.aligned.correlation > 0.98 > result.unaligned.correlation
    assert result.aligned.information > result.unaligned.information


def test_the_film_is_carried_back_to_its_place(before):
    after, _, _ = moved(before, 3, 1.02, (5, -4))
    result = align(before, after)
    carried = result.carry(after)
    inside = np.isfinite(carried)
    assert 0.8 < inside.mean() < 1
    assert result.aligned.overlap == pytest.approx(inside.mean())
    assert np.abs(carried - before)[inside].mean() < 2
    there = result.back(before, after.shape)
    assert np.abs(there - after)[10:-10, 10:-10].mean() < 2


def test_the_same_film_is_not_aligned(before):
    result = align(before, before)
    assert not result.moved
    assert result.refused.code == "alignment.no_gain"
    assert result.refused.values["correlation"] == pytest.approx(1)
    assert np.array_equal(result.matrix, np.eye(2))
    assert np.array_equal(result.carry(before), before)


def test_what_lies_too_far_is_refused(before):
    after, _, _ = moved(before, 0, 1.0, (0, 45))
    result = align(before, after)
    assert not result.moved
    assert result.refused == Message("alignment.at_edge")
    assert result.shift == (0, 0)


def test_films_of_two_sizes_are_laid_centre_on_centre(before):
    larger = np.kron(before, np.ones((2, 2)))
    result = centred(before, larger)
    assert np.allclose(result.matrix, 2 * np.eye(2))
    assert np.allclose(result.offset, 0.5)
    assert result.refused == Message("alignment.not_requested")
    assert np.allclose(result.carry(larger), before)
    assert align(before, larger).unaligned.correlation == pytest.approx(1)


def test_a_film_with_more_at_its_sides(before):
    wide = np.pad(before, ((0, 0), (8, 8)), mode="edge")
    assert np.allclose(
        centred(before, wide).matrix, 144 / 128 * np.eye(2)
    )  # as large as it fits into the first
    result = align(before, wide)
    assert error(result, np.eye(2), np.array([0, 8])) < 1
    assert result.magnification == pytest.approx(128 / 144, abs=0.01)


def test_colours_are_carried_plane_by_plane(before):
    result = centred(before, before)
    colours = np.stack([before, before * 2, before * 3], axis=-1)
    assert np.allclose(result.carry(colours), colours)
    assert align(colours, colours).refused


@pytest.mark.parametrize(
    "film", [np.zeros((64, 64)), np.full((64, 64), np.nan), np.ones((4, 64)), np.ones(64)]
)
def test_a_film_without_contrast_is_refused(before, film):
    with pytest.raises(UsageError, match="cannot be aligned"):
        align(before, film)


def test_a_film_without_contrast_is_named(before):
    with pytest.raises(UsageError, match="the image after has no contrast"):
        align(before, np.zeros((64, 64)))


def test_a_mirrored_film_is_noticed(before):
    after, _, _ = moved(before, 2, 1, (3, 4))
    result = align(before, after[:, ::-1])
    assert result.mirror.suspected
    assert result.mirror.mirrored > 0.98 > result.mirror.plain
    upright = align(before, after)
    assert not upright.mirror.suspected
    assert upright.mirror.plain > 0.98 > upright.mirror.mirrored


def test_films_that_are_not_alike_are_not_aligned(before):
    noise = np.random.default_rng(0).random(before.shape)
    assert align(before, noise).refused.code == "alignment.unlike"
    strip = before[len(before) // 2 - 4 : len(before) // 2 + 4]
    beside = align(before, strip)  # no search does better than centre over centre
    assert beside.refused is not None
    assert beside.refused.code != "alignment.unlike"
    assert beside.unaligned.correlation > 0.9
    negative = align(before, -before).refused
    assert negative.code == "alignment.negative"
    assert negative.values["correlation"] == pytest.approx(-1)
