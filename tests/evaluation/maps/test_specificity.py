"""Class specificity against permuted labels and the average mask."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from camlucida.evaluation.maps.samples import MetricSettings
from camlucida.evaluation.maps.scores import Heat
from camlucida.evaluation.maps.specificity import SpecificityScores, specificities
from camlucida.metrics import METRICS
from camlucida.metrics.class_specificity import class_specificity

RNG = np.random.default_rng(0)


def disc(row, column):
    mask = np.zeros((12, 12), bool)
    mask[row : row + 4, column : column + 4] = True
    return mask


MASKS = {"a": disc(0, 0), "b": disc(7, 7), "c": disc(0, 8)}
NAMES = ("class_specificity", "class_specificity_gain")


def a_map(method, labels, layer="l"):
    explanations = {}
    for position, label in enumerate(labels):
        spec = SimpleNamespace(kind="class", label=label)
        explanations[position] = SimpleNamespace(spec=spec, target=label, detection=None)
    return SimpleNamespace(
        method=method, layer=layer, baseline=method == "average_mask", explanations=explanations
    )


def scored(maps, masks=MASKS):
    """(method, label, metric) → score."""
    session = SpecificityScores(SimpleNamespace(masks=masks), MetricSettings(metrics=NAMES))
    for each, heat in maps:
        session.add(each, Heat(heat, heat))
    found = {}
    for each, explanation, name, score in session.scores():
        found[each.method, explanation.target, name] = score
    return found


def test_the_mean_over_the_other_labels():
    heat = RNG.random((12, 12))
    metric = METRICS["class_specificity"]
    fast = specificities(metric, Heat(heat, heat), MASKS)
    slow = specificities(replace(metric, of_mask=None), Heat(heat, heat), MASKS)
    assert fast == pytest.approx(slow)
    pairs = [class_specificity(heat, MASKS["a"], MASKS[other]) for other in "bc"]
    assert fast["a"] == pytest.approx(np.mean(pairs))


def test_one_map_for_all_labels_scores_its_chance_level():
    heat = RNG.random((12, 12))
    found = scored([(a_map("eigencam", "abc"), heat)])
    assert len(found) == 3
    for score in found.values():
        assert score.value == pytest.approx(score.chance)


def test_maps_that_follow_the_label_score_above_permuted_labels():
    maps = [
        (a_map("gradcam", [label]), MASKS[label] + 0.1 * RNG.random((12, 12))) for label in "ab"
    ]
    found = scored(maps)
    for label in "ab":
        score = found["gradcam", label, "class_specificity"]
        assert score.value > score.chance + 0.3
    # By hand: a is scored by both maps as if each were its own.
    taken = [
        np.mean([class_specificity(heat, MASKS["a"], MASKS[other]) for other in "bc"])
        for _, heat in maps
    ]
    assert found["gradcam", "a", "class_specificity"].chance == pytest.approx(np.mean(taken))


def test_the_average_mask_is_subtracted():
    maps = []
    for method, noise in (("gradcam", 0.3), ("average_mask", 2.0)):
        for label in "ab":
            heat = MASKS[label] + noise * RNG.random((12, 12))
            maps.append((a_map(method, [label]), heat))
    found = scored(maps)
    for label in "ab":
        raw, gain = (found["gradcam", label, name] for name in NAMES)
        average = found["average_mask", label, "class_specificity"].value
        assert gain.value == pytest.approx(raw.value - average)
        assert gain.chance == pytest.approx(raw.chance - average)
        assert found["average_mask", label, "class_specificity_gain"].value == 0


def test_nothing_to_compare_with():
    heat = RNG.random((12, 12))
    assert scored([(a_map("gradcam", "a"), heat)], {"a": MASKS["a"]}) == {}
    found = scored([(a_map("gradcam", "a"), heat)])
    # No average mask: no gain. A single map: no labels to permute.
    assert set(found) == {("gradcam", "a", "class_specificity")}
    assert np.isnan(found["gradcam", "a", "class_specificity"].chance)
    assert scored([(a_map("gradcam", ["elsewhere"]), heat)]) == {}
