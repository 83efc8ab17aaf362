"""Prediction–saliency correlation on maps that follow the prediction, and on maps that do not."""

import numpy as np
import pytest
import torch

from camlucida.core.errors import UsageError
from camlucida.metrics.prediction_saliency import COPIES, STRENGTHS, altered_copies, psc

HEAT = torch.rand((8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OTHER = torch.rand((8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def moved(amounts):
    return [(1 - amount) * HEAT + amount * OTHER for amount in amounts]


def test_a_map_that_moves_with_the_prediction_correlates_with_it():
    amounts = np.random.default_rng(0).uniform(0, 0.5, COPIES)
    assert psc(HEAT, moved(amounts), 0.9, 0.9 - amounts) > 0.9
    # A large move where the prediction stays, and a small one where it moves.
    assert psc(HEAT, moved(0.5 - amounts), 0.9, 0.9 - amounts) < -0.9


def test_what_moves_with_the_strength_alone_is_no_correlation():
    generator = np.random.default_rng(1)
    strength = np.repeat(STRENGTHS, COPIES // len(STRENGTHS))
    values = [
        psc(
            HEAT,
            moved(6 * strength + generator.uniform(0, 0.05, COPIES)),
            0.9,
            0.9 - 6 * strength - generator.uniform(0, 0.05, COPIES),
        )
        for _ in range(40)
    ]
    assert abs(np.mean(values)) < 0.15


def test_a_vanished_map_has_moved():
    maps = moved([0.0] * COPIES)
    maps[3] = torch.zeros(8, 8)
    scores = np.full(COPIES, 0.9)
    scores[3] = 0.1
    assert psc(HEAT, maps, 0.9, scores) == pytest.approx(1)


def test_without_change_there_is_no_value():
    assert np.isnan(psc(HEAT, moved([0.0] * COPIES), 0.9, [0.5] * COPIES))
    assert np.isnan(psc(torch.zeros(8, 8), moved([0.1] * COPIES), 0.9, [0.5] * COPIES))


def test_maps_and_scores_must_belong_together():
    with pytest.raises(UsageError, match="one of each"):
        psc(HEAT, moved([0.1] * 3), 0.9, [0.5] * 2)


def test_copies_stay_within_their_strength():
    image = torch.rand(1, 6, 6)
    gradient = torch.randn(1, 6, 6)
    copies = altered_copies(image, gradient)
    assert len(copies) == COPIES
    span = float(image.max() - image.min())
    reach = (copies - image).abs().amax((1, 2, 3)).reshape(len(STRENGTHS), -1)
    assert (reach <= span * torch.tensor(STRENGTHS)[:, None] * (1 + 1e-5)).all()
    assert len(altered_copies(image, None)) == COPIES // 2
