"""Tables of an evaluation: cases by hand, and equality with the statistics they are made of."""

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.row_tables import about
from camlucida.evaluation.maps.summary import (
    ALL_LABELS,
    best_median_worst,
    curve_means,
    differences,
    disagreement,
    gate_table,
    headline,
    over_all_labels,
    ranking,
    summarise,
    title,
)
from camlucida.metrics import METRICS
from camlucida.metrics.statistics import holm, mean_interval, paired_difference
from tests.support.evaluations import BASELINES, LABELS, METHODS, evaluation, row


@pytest.fixture(scope="module")
def tables():
    return evaluation(patients=14)


@pytest.fixture(scope="module")
def summary(tables):
    return summarise(tables[0])


@pytest.fixture(scope="module")
def compared(tables):
    rows = tables[0]
    return differences(rows[rows["metric"].isin(["hit", "road", "average_drop", "gini"])])


def only(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def test_one_group_by_hand():
    table = summarise(
        pd.DataFrame(
            [
                row("a", "p1", value=1.0, chance=0.1, ceiling=0.5),
                row("b", "p1", value=0.0, chance=0.2, ceiling=0.8),
                row("c", "p2", value=0.5, chance=0.3, ceiling=0.0),
                row("d", "p3", value=np.nan, chance=0.9, ceiling=0.9, empty=True, synthetic=False),
            ]
        )
    )
    (line,) = table.to_dict("records")
    assert (line["label"], line["method"], line["layer"], line["metric"], line["output"]) == (
        "a",
        "m",
        "l",
        "hit",
        "",
    )
    assert (line["family"], line["direction"], line["range_low"], line["range_high"]) == (
        "localisation",
        "higher",
        0,
        1,
    )
    assert line["estimate"] == pytest.approx(0.5)
    assert (line["patients"], line["rows"], line["nan_rate"], line["empty_rate"]) == (
        2,
        3,
        0.25,
        0.25,
    )
    assert line["interval_method"] == "none"
    assert np.isnan(line["low"])
    assert line["chance"] == pytest.approx(0.2)  # of the rows with a value
    assert line["ceiling"] == pytest.approx(1.3 / 3)
    assert line["over_ceiling"] == pytest.approx(
        (1 / 0.5 + 0 / 0.8) / 2
    )  # a ceiling of 0 bounds nothing
    assert line["synthetic"]
    assert not line["baseline"]


def test_every_interval_is_that_of_the_statistics(tables, summary):
    rows = tables[0]
    picked = summary.sample(25, random_state=0)
    for line in picked.to_dict("records"):
        group = only(rows, **{name: line[name] for name in ("method", "metric", "output")})
        group = group if line["label"] == ALL_LABELS else only(group, label=line["label"])
        proportion = about(line["metric"]).proportion
        patients = group["patient"].tolist()
        expected = mean_interval(group["value"], patients, proportion=proportion)
        np.testing.assert_equal({name: line[name] for name in vars(expected)}, vars(expected))


def test_all_labels_are_pooled_where_there_are_several(tables, summary):
    assert list(dict.fromkeys(summary["label"])) == [ALL_LABELS, *LABELS]
    assert set(over_all_labels(summary)["label"]) == {ALL_LABELS}
    one = summarise(only(tables[0], label=LABELS[0], metric="gini"))
    assert set(one["label"]) == {LABELS[0]}
    assert len(over_all_labels(one)) == len(one)


def test_seeds_levels_and_categorical_columns(tables):
    rows = only(tables[0], metric="average_precision_lift")
    compact = rows.astype(
        dict.fromkeys(
            ("label", "method", "layer", "metric", "output", "patient", "image"), "category"
        )
    )
    first, again = summarise(rows), summarise(rows)
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(first, summarise(compact), check_dtype=False)
    pd.testing.assert_frame_equal(differences(rows), differences(compact), check_dtype=False)
    assert not first["low"].equals(summarise(rows, seed=1)["low"])
    assert (summarise(rows, level=0.5)["low"] > first["low"]).all()


def test_the_tables_survive_parquet(tables, summary, tmp_path):
    for table in (*tables, summary, gate_table(tables[2])):
        table.to_parquet(tmp_path / "t.parquet")
        assert len(pd.read_parquet(tmp_path / "t.parquet")) == len(table)
    tables[0].to_parquet(tmp_path / "rows.parquet")
    again = pd.read_parquet(tmp_path / "rows.parquet")
    few = [only(rows, metric="road", output="logit") for rows in (tables[0], again)]
    pd.testing.assert_frame_equal(*map(summarise, few), check_dtype=False)


def test_no_rows_is_an_empty_table():
    rows = pd.DataFrame([row()])[:0]
    assert summarise(rows).empty
    assert differences(rows).empty
    assert ranking(summarise(rows)).empty
    assert headline(summarise(rows)) == []
    assert best_median_worst(rows).maps == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame([row()]).drop(columns=["chance", "output"]), r"rows without output, chance"),
        (pd.DataFrame([row(), row()]), r"1 rows are there twice, such as i, a, m, l, hit"),
        (pd.DataFrame([row(label=ALL_LABELS)]), r"a label called 'all labels'"),
        (pd.DataFrame([row(metric="hitt")]), r"unknown metric 'hitt'.*hit"),
    ],
)
def test_bad_rows_are_one_line(rows, message):
    with pytest.raises(UsageError, match=message):
        summarise(rows)


def test_a_region_is_named_in_the_title():
    assert str(title("region_share:left lung")) == "Heat in a region: left lung"
    assert str(title("road", "logit")) == "ROAD combined (logit)"
    (line,) = summarise(pd.DataFrame([row(metric="region_share:heart")])).to_dict("records")
    assert (line["metric"], line["family"]) == ("region_share:heart", "artefact")


def test_headline_is_one_score_a_metric(summary):
    assert headline(summary) == [
        ("average_precision_lift", ""),
        ("hit", ""),
        ("road", "probability"),
    ]
    others = summarise(
        pd.DataFrame([row(metric="gini"), row(metric="average_gain", output="probability")])
    )
    assert headline(others) == [("average_gain", "probability")]


def test_differences_are_paired_and_those_of_the_statistics(tables, compared):
    pairs = list(dict.fromkeys(zip(compared["first"], compared["second"], compared["against"])))
    chosen = list(METHODS)
    assert pairs[:3] == [
        (*pair, "method") for pair in (chosen[:2], [chosen[0], chosen[2]], chosen[1:])
    ]
    assert set(pairs[3:]) == {(a, b, "baseline") for a in METHODS for b in BASELINES}
    assert set(compared["metric"]) == {"hit", "road", "average_drop"}  # gini has no better end
    for line in compared.sample(8, random_state=1).to_dict("records"):
        group = only(tables[0], metric=line["metric"], output=line["output"])
        first, second = only(group, method=line["first"]), only(group, method=line["second"])
        joined = first.merge(second, on=["image", "label"], how="outer", sort=False)
        joined = joined.set_index(["image", "label"]).loc[list(zip(first["image"], first["label"]))]
        paired = paired_difference(
            joined["value_x"], joined["value_y"], joined["patient_x"].tolist()
        )
        assert line["p"] == paired.p
        assert (line["estimate"], line["low"], line["high"]) == (
            paired.interval.estimate,
            paired.interval.low,
            paired.interval.high,
        )
        assert line["n"] == paired.interval.rows == 14 * 2 * len(LABELS)


def test_pairs_are_by_image_and_label_whatever_the_order():
    rows = [
        row(f"i{k}", f"p{k}", method=m, value=v)
        for k in range(3)
        for m, v in (("a", k + 1.0), ("b", 1.0))
    ]
    rows[2]["value"] = np.nan  # a on i1
    for order in (rows, rows[::-1]):
        (line,) = differences(pd.DataFrame(order)).to_dict("records")
        sign = 1 if line["first"] == "a" else -1
        assert (sign * line["estimate"], line["n"], line["interval_method"]) == (
            1.0,
            2,
            "none",
        )  # (0 + 2) / 2
        assert np.isnan(line["p_holm"])
        assert line["better"] == ""


def test_holm_is_within_a_family_and_a_question(compared):
    for family in ("localisation", "faithfulness"):
        for against in ("method", "baseline"):
            part = only(compared, family=family, against=against)
            alone = part[part["counts_with"] == ""]
            np.testing.assert_array_equal(alone["p_holm"], holm(alone["p"]))
    assert (
        len(only(compared, family="faithfulness")) == 4 * 15
    )  # road and average_drop, on two scores
    assert len(only(compared, family="localisation")) == 15


def test_metrics_that_measure_nearly_the_same_count_once():
    rng = np.random.default_rng(0)
    names = ("average_precision_lift", "average_precision", "relevance_rank", "iou_area_matched")
    rows = []
    for k in range(20):
        for name, effect in zip(names, (0.4, 0.3, 0.2, 0.1)):
            for method, shift in (("gradcam", effect), ("layercam", 0.0)):
                value = shift + rng.normal() / 2
                rows.append(row(f"i{k}", f"p{k}", method=method, metric=name, value=value))
    table = differences(pd.DataFrame(rows)).set_index("metric")
    assert table["counts_with"].to_dict() == dict(zip(names, ("", names[0], "", names[2])))
    heads = [names[0], names[2]]
    np.testing.assert_allclose(table["p_holm"][heads], holm(table["p"][heads]))
    for near, head in ((names[1], names[0]), (names[3], names[2])):
        assert table["p_holm"][near] == max(table["p"][near], table["p_holm"][head])
    # Where the metric that would stand for it was not measured, it stands for itself.
    alone = pd.DataFrame(rows).query("metric == 'average_precision'")
    (line,) = differences(alone).to_dict("records")
    assert (line["counts_with"], line["p_holm"]) == ("", line["p"])


def test_specificity_over_the_average_mask_ranks_nothing():
    rows = [
        row(f"i{k}", f"p{k}", method=method, metric=name, value=value)
        for k in range(3)
        for method, value in (("a", 0.4), ("b", 0.2))
        for name in ("class_specificity", "class_specificity_gain")
    ]
    assert set(ranking(summarise(pd.DataFrame(rows)))["metric"]) == {"class_specificity"}


def test_two_outputs_of_the_model_are_one_test(compared):
    road = only(compared, metric="road")
    assert set(only(road, output="probability")["counts_with"]) == {""}
    assert set(only(road, output="logit")["counts_with"]) == {"road (probability)"}


def test_every_metric_counts_with_one_that_counts_by_itself():
    for _, metric in METRICS.items():
        if metric.counts_with:
            assert METRICS[metric.counts_with].counts_with == ""
            assert METRICS[metric.counts_with].family == metric.family


def test_hits_have_the_interval_of_a_proportion(summary):
    assert set(only(summary, metric="hit")["interval_method"]) == {"Wilson"}
    assert "Wilson" not in set(only(summary, metric="gini")["interval_method"])


@pytest.mark.parametrize(("metric", "better"), [("road", "first"), ("average_drop", "second")])
def test_the_better_one_follows_the_direction(metric, better):
    rows = [
        row(
            f"i{k}",
            f"p{k}",
            method=m,
            metric=metric,
            value=v,
            output="logit",
            baseline=m == "random",
        )
        for k in range(20)
        for m, v in (("gradcam", 2.0 + k / 100), ("random", 1.0))
    ]
    (line,) = differences(pd.DataFrame(rows)).to_dict("records")
    assert (line["first"], line["second"], line["against"], line["better"]) == (
        "gradcam",
        "random",
        "baseline",
        better,
    )
    assert line["p_holm"] < 0.05
    same = pd.DataFrame([{**item, "value": 1.0} for item in rows])
    assert differences(same)["better"].tolist() == [""]


def test_layers_are_compared_apart():
    rows = [
        row(f"i{k}", f"p{k}", method=m, layer=at)
        for k in range(2)
        for m in "ab"
        for at in ("deep", "shallow")
    ]
    assert differences(pd.DataFrame(rows))["layer"].tolist() == ["deep", "shallow"]
    assert ranking(summarise(pd.DataFrame(rows)))["of"].tolist() == [2] * 4


def test_ranks_by_hand():
    values = {
        "hit": (0.9, 0.5, 0.5),
        "average_drop": (0.1, 0.2, 0.3),
        "road": (1.0, np.nan, 2.0),
        "gini": (1, 2, 3),
    }
    rows = pd.DataFrame(
        [
            row(method=m, metric=name, value=v)
            for name, three in values.items()
            for m, v in zip("abc", three)
        ]
    )
    table = ranking(summarise(rows))
    ranks = {
        name: dict(zip(part["method"], part["rank"])) for name, part in table.groupby("metric")
    }
    assert ranks["hit"] == {"a": 1, "b": 2.5, "c": 2.5}
    assert ranks["average_drop"] == {"a": 1, "b": 2, "c": 3}  # lower is better
    assert (ranks["road"]["c"], ranks["road"]["a"]) == (1, 2)
    assert np.isnan(ranks["road"]["b"])
    assert "gini" not in ranks
    assert only(table, metric="road")["of"].tolist() == [2, 2, 2]
    family = (
        only(table, family="faithfulness")
        .drop_duplicates("method")
        .set_index("method")["family_rank"]
    )
    assert (family["a"], family["c"]) == (1.5, 2.0)
    assert np.isnan(family["b"])  # road does not rank it
    assert only(table, metric="hit")["family_rank"].tolist() == [1, 2.5, 2.5]


def test_a_metric_that_failed_the_meta_evaluation_ranks_nothing():
    values = {
        ("average_drop", "probability"): (0.1, 0.2),
        ("road_morf", "logit"): (1.0, 2.0),
        ("road_morf", "probability"): (1.0, 2.0),
    }
    rows = [
        row(method=method, metric=name, output=output, value=value)
        for (name, output), two in values.items()
        for method, value in zip("ab", two)
    ]
    table = ranking(summarise(pd.DataFrame(rows)))
    assert set(zip(table["metric"], table["output"])) == {("road_morf", "probability")}


def test_a_method_that_a_metric_was_not_asked_of_has_no_family_rank():
    rows = [
        row(method=m, metric="average_drop", value=v)
        for m, v in (("gradcam", 0.2), ("fake_cam", 0.0))
    ]
    rows += [
        row(method="gradcam", metric="road", output="logit"),
        *(row(method=m, metric="insertion", value=np.nan) for m in "ab"),
    ]
    table = (
        ranking(summarise(pd.DataFrame(rows)))
        .drop_duplicates("method")
        .set_index("method")["family_rank"]
    )
    assert table["gradcam"] == 1.5
    assert np.isnan(table["fake_cam"])  # it wins the only one of the two that it has


def test_disagreement_by_hand():
    values = {
        "hit": (3.0, 2.0, 1.0),
        "road": (1.0, 2.0, 3.0),
        "average_drop": (np.nan, 1.0, 2.0),
        "insertion": (5.0, 5.0, 5.0),
    }
    rows = [
        row(method=m, metric=name, value=v)
        for name, three in values.items()
        for m, v in zip("abc", three)
    ]
    rows += [row(method="random", metric=name, value=9.0, baseline=True) for name in values]
    (line,) = disagreement(ranking(summarise(pd.DataFrame(rows)))).to_dict("records")
    assert (line["rankings"], line["methods"], line["winners"]) == (
        2,
        3,
        "a, c",
    )  # average_drop lacks a, insertion ties
    assert line["kendall_w"] == 0
    alone = [item for item in rows if item["method"] == "a"]
    assert disagreement(ranking(summarise(pd.DataFrame(alone)))).empty


def gate_row(
    method="m",
    label="a",
    mode="cascading",
    block=0,
    image="i",
    similarity=0.5,
    verdict="depends",
    pooled=False,
):
    common = {"layer": "l", "block_name": f"block {block}", "seed": 0, "dead": np.isnan(similarity)}
    varied = {"method": method, "label": label, "mode": mode, "block": block, "image": image}
    tested = {"verdict": verdict, "pooled": pooled, "gate_similarity": 0.4, "null": 0.3}
    numbers = {"excess": 0.1, "low": 0.0, "high": 0.2, "margin": 0.14, "more": 0.0}
    numbers |= {"images": 18, "patients": 9}
    return {**common, **varied, **tested, **numbers, "similarity": similarity}


def test_the_gate_is_one_row_a_label_and_pooled_labels_share_one():
    rows = [
        gate_row(block=1, image="i", similarity=0.1),
        gate_row(block=1, image="j", similarity=np.nan),
        gate_row(block=1, label="b", verdict="unchanged"),
        gate_row(block=1, label="c", verdict="unclear", pooled=True),
        gate_row(block=1, label="d", verdict="unclear", pooled=True),
        gate_row(block=0),
        gate_row(mode="independent", block=2),
    ]
    first, *last, alone = gate_table(pd.DataFrame(rows)).to_dict("records")
    assert (first["block"], first["decisive"]) == (0, False)
    verdicts = {line["labels"]: (line["verdict"], line["pooled"]) for line in last}
    assert verdicts == {
        ("a",): ("depends", False),
        ("b",): ("unchanged", False),
        ("c", "d"): ("unclear", True),
    }
    assert all(line["decisive"] for line in last)
    of_a = next(line for line in last if line["labels"] == ("a",))
    assert (of_a["dead_rate"], of_a["images"], of_a["patients"]) == (0.5, 18, 9)
    assert (alone["mode"], alone["decisive"]) == ("independent", False)
    assert gate_table(pd.DataFrame(rows)[:0]).empty


def test_curve_means_are_those_of_the_statistics(tables):
    curves = only(tables[1], curve="road_morf", output="logit", method="gradcam")
    table = curve_means(curves)
    assert table["share"].tolist() == [0.2, 0.4, 0.6, 0.8]
    group = curves[curves["share"] == 0.4]
    expected = mean_interval(group["value"], group["patient"].tolist())
    assert tuple(table.iloc[1][["estimate", "low", "high"]]) == (
        expected.estimate,
        expected.low,
        expected.high,
    )
    shaky = curves.assign(
        share=curves["share"] + np.random.default_rng(0).choice([0, 1e-12], len(curves))
    )
    assert len(curve_means(shaky)) == 4


def lifts(values, **more):
    return [
        row(
            image=f"i{k}",
            patient=f"p{k}",
            metric="average_precision_lift",
            value=v,
            chance=1.0,
            ceiling=c,
            **more,
        )
        for k, (v, c) in enumerate(values)
    ]


def test_cases_go_by_lift_over_ceiling():
    rows = lifts([(4.0, 8.0), (3.0, 4.0), (9.0, 90.0), (np.nan, 5.0), (2.0, 8.0)])
    rows += lifts([(80.0, 80.0)], method="oracle", baseline=True)
    rows += [row(metric="road", output="logit", value=k) for k in range(1)]
    chosen = best_median_worst(pd.DataFrame(rows))
    assert [(case.which, case.image, case.value) for case in chosen.maps] == [
        ("best", "i1", 3.0),  # .75
        ("median", "i0", 4.0),  # .5, .25
        ("worst", "i2", 9.0),  # .1
    ]
    assert (chosen.maps[0].method, chosen.maps[0].chance, chosen.maps[0].ceiling) == (
        "m",
        1.0,
        4.0,
    )
    for words in (
        "Average precision over area ÷ the ceiling",
        "higher is better",
        "among 4",
        "median is number 2",
    ):
        assert words in str(chosen.rule)


def test_cases_fall_back_and_follow_what_is_asked():
    road = [
        row(f"i{k}", metric="road", output=output, value=v)
        for k, v in enumerate([1.0, 3.0])
        for output in ("probability", "logit")
    ]
    drop = [row(f"i{k}", metric="average_drop", value=v) for k, v in enumerate([0.1, 0.1, 0.0])]
    rows = pd.DataFrame([*lifts([(np.nan, 4.0)]), *drop, *road])
    by_road = best_median_worst(rows)
    assert [(case.metric, case.output, case.image) for case in by_road.maps] == [
        ("road", "probability", "i1"),
        ("road", "probability", "i0"),
    ]
    by_drop = best_median_worst(rows, "average_drop")
    assert [case.image for case in by_drop.maps] == [
        "i2",
        "i0",
        "i1",
    ]  # lower is better; equal ones by name
    assert "ceiling" not in str(by_drop.rule)
    shuffled = best_median_worst(rows.sample(frac=1, random_state=0), "average_drop")
    assert [case.image for case in shuffled.maps] == ["i2", "i0", "i1"]
    with pytest.raises(UsageError, match="best and worst by gini"):
        best_median_worst(rows, "gini")


@pytest.mark.parametrize(("count", "shown"), [(1, ["best"]), (2, ["best", "worst"])])
def test_a_map_is_chosen_once(count, shown):
    rows = lifts([(float(k), 8.0) for k in range(count)])
    assert [case.which for case in best_median_worst(pd.DataFrame(rows)).maps] == shown
