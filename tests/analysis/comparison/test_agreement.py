"""Agreement of two models' predictions, against scikit-learn, scipy and counts by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import cohen_kappa_score

from camlucida.analysis.comparison.agreement import agreements
from camlucida.analysis.comparison.predictions import SeriesPredictions, headline, performance
from camlucida.core.errors import UsageError

RNG = np.random.default_rng(0)
NAN = float("nan")


def predictions(kind, labels, rows):
    """Rows of (image, patient, label, number, truth)."""
    column = {"values": "value", "regions": "region"}.get(kind, "probability")
    blank = dict.fromkeys(("logit", "probability", "value", "region"), NAN)
    frame = [
        {
            **blank,
            "image": i,
            "patient": p,
            "label": name,
            column: number,
            "truth": truth,
            "original": [2, 2],
        }
        for i, p, name, number, truth in rows
    ]
    return SeriesPredictions(kind, tuple(labels), pd.DataFrame(frame))


def labelled(probabilities, labels=("a", "b"), truth=None):
    rows = []
    for k, of_image in enumerate(probabilities):
        for c, name in enumerate(labels):
            rows.append(
                (f"i{k}", f"p{k // 2}", name, of_image[c], NAN if truth is None else truth[k][c])
            )
    return predictions("labels", labels, rows)


def test_shares_kappa_and_chance():
    x, y = RNG.random((40, 2)), RNG.random((40, 2))
    result, cases = agreements(labelled(x), labelled(y), NAN)
    same = (x >= 0.5) == (y >= 0.5)
    for c, name in enumerate("ab"):
        kappa = cohen_kappa_score(x[:, c] >= 0.5, y[:, c] >= 0.5)
        assert result[name].estimate == pytest.approx(same[:, c].mean())
        assert result[name].kappa == pytest.approx(kappa)
        assert (result[name].estimate - result[name].chance) / (
            1 - result[name].chance
        ) == pytest.approx(kappa)
        assert result[name].correlation == pytest.approx(pearsonr(x[:, c], y[:, c]).statistic)
        assert result[name].low < result[name].estimate < result[name].high
        assert (
            result[name].correlation_low < result[name].correlation < result[name].correlation_high
        )
    assert result[""].estimate == pytest.approx(same.mean())
    assert result[""].chance == pytest.approx(np.mean([result[name].chance for name in "ab"]))
    assert result[""].correlation == pytest.approx(
        np.mean([result[name].correlation for name in "ab"])
    )
    assert cases["i3", "b"] == same[3, 1]


def test_logits_where_all_rows_have_one():
    first, second = labelled(RNG.random((12, 2))), labelled(RNG.random((12, 2)))
    for each in (first, second):
        each.frame["logit"] = RNG.normal(size=24)
    result, _ = agreements(first, second, NAN)
    u, v = (each.frame.loc[each.frame["label"] == "a", "logit"] for each in (first, second))
    assert result["a"].correlation == pytest.approx(pearsonr(u, v).statistic)


def test_few_patients_have_no_interval_and_constants_no_kappa():
    result, _ = agreements(labelled(np.full((6, 2), 0.9)), labelled(np.full((6, 2), 0.8)), NAN)
    assert result["a"].estimate == result["a"].chance == 1
    assert np.isnan([result["a"].low, result["a"].kappa, result["a"].correlation]).all()


def test_classes_agree_by_image_and_one_against_all():
    def classed(predicted):
        rows = [
            (f"i{k}", f"p{k}", name, 0.6 if name == best else 0.2, float(name == "ABC"[k % 3]))
            for k, best in enumerate(predicted)
            for name in "ABC"
        ]
        return predictions("classes", "ABC", rows)

    x, y = "ABCAAB" * 3, "ABCBAC" * 3
    result, cases = agreements(classed(x), classed(y), NAN)
    assert result[""].estimate == pytest.approx(4 / 6)
    assert result[""].kappa == pytest.approx(cohen_kappa_score(list(x), list(y)))
    assert result["B"].estimate == pytest.approx(4 / 6)
    assert cases["i3", ""] == 0
    assert cases["i4", ""] == 1
    rows = performance(classed(x))
    assert headline(rows, "classes").estimate == pytest.approx(
        np.mean([a == b for a, b in zip(x, "ABC" * 6)])
    )
    assert {"accuracy", "quadratic_kappa"} <= {row.metric for row in rows}


def test_two_classes_of_which_one_alone_has_a_truth_are_judged_on_every_image():
    """A table with the column "malignant" says which images are benign, too."""
    known = [1.0, 1.0, 0.0, 0.0]
    said = [0.9, 0.2, 0.1, 0.2]
    rows = [
        {
            "image": f"i{k}",
            "image_sha256": "",
            "patient": f"p{k}",
            "model": "m",
            "task": "binary",
            "label": label,
            "truth": truth,
        }
        | {"probability": p, "logit": NAN, "value": NAN}
        for k, (truth, malignant) in enumerate(zip(known, said))
        for label, truth, p in (("benign", NAN, 1 - malignant), ("malignant", truth, malignant))
    ]
    run = SimpleNamespace(predictions=lambda: pd.DataFrame(rows))
    result = headline(
        performance(SeriesPredictions.of(run, "m", {(f"i{k}", "") for k in range(4)})), "classes"
    )
    assert (result.n, result.estimate) == (4, 0.75)


def test_values_correlate_and_agree_within_a_gap():
    truth = RNG.uniform(20, 80, 30)
    u, v = truth + RNG.normal(0, 4, 30), truth + RNG.normal(0, 4, 30)

    def valued(values):
        return predictions(
            "values",
            ["age"],
            [(f"i{k}", f"p{k}", "age", value, truth[k]) for k, value in enumerate(values)],
        )

    result, cases = agreements(valued(u), valued(v), 5.0)
    assert result["age"].estimate == result[""].estimate == pytest.approx(pearsonr(u, v).statistic)
    assert result[""].low < result[""].estimate < result[""].high
    assert cases["i0", "age"] == (abs(u[0] - v[0]) <= 5)
    _, unknown = agreements(valued(u), valued(v), NAN)
    assert np.isnan(unknown["i0", "age"])
    assert headline(performance(valued(u)), "values").estimate == pytest.approx(
        np.abs(u - truth).mean()
    )


def test_regions_overlap_by_dice():
    """Runs down the columns of 2 × 2 pixels, the first outside.

    [0, 2, 2] is the left column, [0, 3, 1] three pixels.
    """
    runs = {"left": [0, 2, 2], "three": [0, 3, 1], "right": [2, 2], "none": [4]}

    def regions(names):
        return predictions(
            "regions",
            ["lung"],
            [(f"i{k}", f"p{k}", "lung", runs[name], NAN) for k, name in enumerate(names)],
        )

    result, cases = agreements(
        regions(["left", "left", "none"]), regions(["three", "right", "none"]), NAN
    )
    assert result[""].estimate == pytest.approx((0.8 + 0) / 2)
    assert result[""].n == 2
    assert (cases["i0", "lung"], cases["i1", "lung"]) == (1, 0)
    assert np.isnan(cases["i2", "lung"])


def test_auc_over_the_labels_that_have_a_truth():
    truth = np.column_stack([np.arange(40) % 2, np.full(40, NAN)])
    model = labelled(RNG.random((40, 2)), truth=truth)
    rows = performance(model)
    assert {row.label for row in rows} == {"a", "mean of labels"}
    assert headline(rows, "labels").metric == "auc"
    assert performance(labelled(RNG.random((4, 2)))) == []
    assert headline([], "labels") is None


def test_models_of_different_tasks_are_refused():
    with pytest.raises(UsageError, match="different tasks"):
        agreements(
            labelled(RNG.random((4, 2))),
            predictions("values", ["age"], [("i0", "p0", "age", 3.0, NAN)]),
            NAN,
        )
