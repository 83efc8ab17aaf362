"""The meta-evaluation gives every metric what it needs."""

import numpy as np
import pytest

from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.measure import MetricSettings
from camlucida.models import load_model
from camlucida.phantom import trial_cards
from camlucida.phantom.trial import LABELS
from camlucida.workflows.benchmark import arms, films
from camlucida.workflows.benchmark.meta import BLEND

CARD = trial_cards().get("main_densenet_1")


def test_candidates_are_tested_and_no_defaults():
    assert set(arms.CANDIDATES) <= set(arms.TESTED)
    assert not {*arms.CANDIDATES, *arms.CHANGING} & set(choose())
    assert not set(arms.CHANGING) & set(arms.TESTED)


def test_the_transformer_is_no_model_of_the_benchmark():
    assert arms.TRANSFORMER not in {entry.arm for entry in arms.arm_models("cpu")}
    (trained, untrained) = arms.transformers("cpu")
    assert (trained.arm, untrained.arm) == (arms.TRANSFORMER, arms.UNTRAINED)
    assert trained.model.card.layer == untrained.model.card.layer == "blocks.2.norm1"


@pytest.mark.skipif(CARD is None, reason="main_densenet_1 is not in this copy")
def test_class_specificity_over_the_average_mask_is_tested(monkeypatch):
    monkeypatch.setattr(arms, "TESTED", choose(["class_specificity,class_specificity_gain"]))
    monkeypatch.setattr(arms, "CHANGING", ("emprt",))
    entry = arms.ArmModel(load_model(CARD, device="cpu"), "main", "densenet", 0)
    drawn = arms.films_of(entry, 6, 0)
    with_both = next(film for film in drawn if set(LABELS[:2]) <= set(film.labels))
    chosen = films.samples([with_both], {with_both.scan.id: LABELS[:2]})
    rows = arms.meta_scores(entry, chosen, 1, MetricSettings(), arms._atlas(drawn)).rows
    values = rows.set_index(["metric", "method", "label"])["value"]
    gain = values["class_specificity_gain"]
    assert np.isfinite(gain[BLEND[0]]).all()
    assert (gain[BLEND[-1]] > gain[BLEND[0]]).all()
    assert set(BLEND) <= set(values["emprt"].index.get_level_values("method"))
