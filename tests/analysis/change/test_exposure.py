"""Two films of one patient at two exposures: only what changed is left in their difference."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from camlucida.analysis.change.exposure import match_exposure

FILM = gaussian_filter(np.random.default_rng(5).random((96, 80)), 4)
FILM = (FILM - FILM.min()) / np.ptp(FILM)


@pytest.mark.parametrize(("gain", "shift"), [(1.0, 0.0), (0.6, 0.25), (1.7, -0.1)])
def test_a_changed_exposure_is_undone(gain, shift):
    match = match_exposure(FILM, (FILM - shift) / gain)
    assert (match.gain, match.shift) == pytest.approx((gain, shift))
    assert match.after == pytest.approx(0, abs=1e-9)
    assert match.apply((FILM - shift) / gain) == pytest.approx(FILM)


def test_a_new_finding_is_left_and_not_spread_over_the_film():
    changed = FILM.copy()
    changed[30:50, 20:40] += 0.4
    after = 0.7 * changed + 0.1
    match = match_exposure(FILM, after)
    left = match.apply(after) - FILM
    inside = left[30:50, 20:40].mean()
    outside = np.abs(np.delete(left.ravel(), np.flatnonzero(changed.ravel() != FILM.ravel())))
    assert inside == pytest.approx(0.4, abs=0.08)
    assert outside.mean() < 0.05 < np.abs(after - FILM).mean()
    assert match.after < 0.4 * match.before


def test_what_lies_outside_an_image_does_not_count():
    second = 0.5 * FILM + 0.3
    second[:, :20] = np.nan
    match = match_exposure(FILM, second)
    assert match.gain == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("second", [np.full_like(FILM, 0.5), 1 - FILM, np.full_like(FILM, np.nan)])
def test_without_a_rising_line_nothing_is_matched(second):
    match = match_exposure(FILM, second)
    assert (match.gain, match.shift) == (1, 0)
