"""Tables of the arms and the leaderboard, from rows written by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlucida.evaluation.maps.summary import summarise
from camlucida.workflows.benchmark import leaderboard as board
from camlucida.workflows.benchmark import ranks, tables
from camlucida.workflows.benchmark.tables import TAG


def row(film, method, value, metric=TAG, *, chance=0.02, **more):
    common = {
        "image": f"i{film}",
        "patient": f"p{film}",
        "label": "nodule",
        "output": "",
        "ceiling": np.nan,
        "baseline": False,
    }
    return (
        common
        | {
            "model": "m",
            "net": "n",
            "method": method,
            "metric": metric,
            "value": value,
            "chance": chance,
        }
        | more
    )


def test_a_false_alarm_is_more_than_twice_the_area():
    rows = pd.DataFrame(
        [row(film, "a", 0.03 + 0.02 * (film % 2), part="all") for film in range(12)]
    )
    share, alarms = tables.region_shares(rows, "decoy", TAG)
    assert share["estimate"] == pytest.approx(0.04)
    assert share["chance"] == pytest.approx(0.02)
    assert alarms["estimate"] == 0.5  # 0.03 is under twice 0.02, 0.05 is over it
    exact = pd.DataFrame([row(film, "a", 0.04, part="all") for film in range(12)])
    assert [line["estimate"] for line in tables.region_shares(exact, "decoy", TAG)][1] == 0


def test_heat_that_follows_the_reliance_has_rank_correlation_1():
    tag = pd.DataFrame(
        {"model": "m", "image": [f"i{k}" for k in range(12)], "logit_drop": np.arange(12.0) ** 2}
    )
    rows = pd.DataFrame(
        [row(k, "follows", 0.01 * k) for k in range(12)]
        + [row(k, "opposes", -0.01 * k) for k in range(12)]
    )
    lines = {(line["method"], line["part"]): line for line in tables.tracking(rows, tag)}
    assert lines["follows", "all"]["estimate"] == pytest.approx(1)
    assert lines["follows", "all"]["low"] == pytest.approx(1)
    assert lines["opposes", "within models"]["estimate"] == pytest.approx(-1)


def test_what_differs_between_models_does_not_count_within_them():
    """Two models: within each, heat follows the drop; the one that drops more has less heat."""
    rows = pd.DataFrame(
        [row(k, "a", 0.01 * k + 0.5 * (k < 6), model=f"m{k // 6}") for k in range(12)]
    )
    tag = pd.DataFrame(
        {
            "model": [f"m{k // 6}" for k in range(12)],
            "image": [f"i{k}" for k in range(12)],
            "logit_drop": range(12),
        }
    )
    lines = {line["part"]: line["estimate"] for line in tables.tracking(rows, tag)}
    assert lines["within models"] == pytest.approx(1)
    assert lines["all"] < 0


def test_null_models_are_measured_against_chance():
    rows = [row(k, "a", 0.5 + 0.1 * (k % 2), "roc_auc", chance=0.5) for k in range(12)]
    rows += [row(k, "a", 0.3, "gini", chance=np.nan) for k in range(12)]
    (line,) = tables.above_chance(pd.DataFrame(rows), "untrained")
    assert line["metric"] == "roc_auc"
    assert line["estimate"] == pytest.approx(0.05)
    assert line["low"] > 0


def test_strata_go_by_the_largest_lesion():
    rows = pd.DataFrame([row(k, "a", 0.1 * k, "hit", ceiling=0.2 * max(k, 1)) for k in range(3)])
    verification = pd.DataFrame(
        {"image": ["i0", "i1", "i2"], "label": "nodule", "radius": [9.9, 10.0, 20.0]}
    )
    lines = {line["part"]: line for line in tables.by_size(rows, verification)}
    assert [lines[part]["estimate"] for part in ("small", "medium", "large")] == pytest.approx(
        [0, 0.1, 0.2]
    )
    assert lines["large"]["over_ceiling"] == pytest.approx(0.5)


def test_agnostic_methods_are_listed():
    assert [tables.agnostic(name) for name in ("gradcam", "eigencam", "sobel", "oracle")] == [
        False,
        True,
        True,
        False,
    ]


def ranked(values, model="m", net="n"):
    """``values``: method → (hit, average drop); lower is better for the second."""
    lines = []
    for method, (hit, drop) in values.items():
        lines += [row(k, method, hit, "hit", model=model, net=net) for k in range(2)]
        lines += [
            row(k, method, drop, "average_drop", output="logit", model=model, net=net)
            for k in range(2)
        ]
    return pd.DataFrame(lines)


def test_ranks_are_means_over_families_in_each_metrics_direction():
    rows = ranked({"good": (0.9, 0.1), "fair": (0.5, 0.1), "poor": (0.1, 0.8)})
    table = ranks.mean_ranks(rows, [("hit", ""), ("average_drop", "logit")])
    assert table.loc["good"].to_dict() == {"localisation": 1, "faithfulness": 1.5, "rank": 1.25}
    assert table.loc["poor", "rank"] == 3
    assert ranks.mean_ranks(rows, [("roc_auc", "")])["rank"].isna().all()


def many(values, models=("m1", "m2", "m3"), films=8, noise=0.0):
    """``values``: method → mean score; each film of each model with its own noise."""
    generator = np.random.default_rng(0)
    lines = []
    for model in models:
        for film in range(films):
            for method, value in values.items():
                score = value + noise * generator.normal()
                common = {"model": model, "net": "n", "patient": f"{model}{film}"}
                lines.append(row(f"{model}{film}", method, score, "roc_auc", **common))
    return pd.DataFrame(lines)


def test_clear_differences_make_groups_and_noise_does_not():
    clear = many({"a": 0.9, "b": 0.6, "c": 0.3}, noise=0.01)
    samples = ranks.rank_replicates(clear, [("roc_auc", "")], replicates=200)
    intervals = ranks.rank_intervals(samples)
    assert intervals.loc["a"].tolist() == [1, 1]
    assert ranks.groups(["a", "b", "c"], ranks.rank_gaps(samples)) == {"a": 0, "b": 1, "c": 2}
    equal = many({"a": 0.5, "b": 0.5, "c": 0.5}, noise=0.2)
    samples = ranks.rank_replicates(equal, [("roc_auc", "")], replicates=200)
    assert set(ranks.groups(["a", "b", "c"], ranks.rank_gaps(samples)).values()) == {0}


def test_models_that_disagree_make_no_order():
    """Each model puts another method first: intervals over models hold all ranks."""
    turned = pd.concat(
        [
            many({"a": 0.9, "b": 0.5, "c": 0.1}, ("m1",), noise=0.01),
            many({"a": 0.1, "b": 0.9, "c": 0.5}, ("m2",), noise=0.01),
            many({"a": 0.5, "b": 0.1, "c": 0.9}, ("m3",), noise=0.01),
        ]
    )
    samples = ranks.rank_replicates(turned, [("roc_auc", "")], replicates=500)
    assert set(ranks.groups(["a", "b", "c"], ranks.rank_gaps(samples)).values()) == {0}
    agreed = board.agreement(turned, [("roc_auc", "")])
    assert not board.models_agree(agreed)
    assert board.models_agree(board.agreement(many({"a": 0.9, "b": 0.1}), [("roc_auc", "")]))


def test_identical_methods_are_one_entry_and_no_order_is_printed_without_agreement():
    turned = pd.concat(
        [
            many({"gradcam": 0.9, "eigencam": 0.1}, ("m1",)),
            many({"gradcam": 0.1, "eigencam": 0.9}, ("m2",)),
        ]
    )
    summary = summarise(turned.assign(layer="l", empty=False, synthetic=True))
    found = board.ranks_of(turned, {("roc_auc", "")})
    same = [("gradcam", "xgradcam")]
    table = board.leaderboard(turned, summary, found, pd.DataFrame(), same)
    assert table["position"].isna().all()
    assert table["method"].tolist() == ["eigencam", "gradcam"]  # by name within the group
    assert table["also"].tolist() == ["", "xgradcam"]
    assert (table["rank_low"] <= table["rank_high"]).all()


def test_the_permuted_models_are_a_reference():
    null = many({"gradcam": 0.4, "eigencam": 0.6}, films=12).assign(arm="permuted")
    null = pd.concat([null, null.assign(arm="untrained", value=9.0)])
    null["metric"] = "hit"
    line = board.permuted_reference(null, [("hit", ""), ("road", "probability")])
    assert line["hit:estimate"] == pytest.approx(0.5)
    assert "road:estimate" not in line
    assert board.permuted_reference(pd.DataFrame(), [("hit", "")]).keys() == {"method"}


def test_only_metrics_that_passed_rank_and_each_once():
    rows = pd.concat([ranked({"a": (1, 1)}), ranked({"a": (1, 1)}).replace("logit", "probability")])
    passed = {("average_drop", "probability"), ("average_drop", "logit"), ("road", "logit")}
    assert ranks.ranked_by(rows, passed) == [("average_drop", "probability")]
    assert ranks.ranked_by(rows, {("average_drop", "probability")}) == [
        ("average_drop", "probability")
    ]


def test_agreement_of_models_that_agree_and_that_do_not():
    same = {"a": (0.9, 0.1), "b": (0.5, 0.4), "c": (0.1, 0.8)}
    rows = pd.concat([ranked(same, "m1"), ranked(same, "m2"), ranked(same, "m3", "other")])
    table = board.agreement(rows, [("hit", "")]).set_index("among")
    assert table["kendall_w"].tolist() == pytest.approx([1, 1, 1])
    assert table.loc["models", "rankings"] == 3
    assert table.loc["models", "first"] == "a"
    turned = pd.concat(
        [ranked(same, "m1"), ranked({"c": (0.9, 0), "b": (0.5, 0), "a": (0.1, 0)}, "m2")]
    )
    assert board.agreement(turned, [("hit", "")])["kendall_w"].iloc[0] == pytest.approx(0)


def test_gains_over_baselines_are_paired_and_signed():
    rows = ranked({"a": (0.9, 0.1)})
    blind = ranked({"random": (0.2, 0.3)}).assign(baseline=True)
    lines = list(
        board.gains_over_baselines(
            pd.concat([rows, blind]), [("hit", ""), ("average_drop", "logit")], ["random", "sobel"]
        )
    )
    assert [line["estimate"] for line in lines] == pytest.approx([0.7, 0.2])
