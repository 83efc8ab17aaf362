"""Rules of selection, on case tables made by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.selection import RULES, select
from camlucida.analysis.selection.pool import Pool
from camlucida.core.errors import UsageError
from camlucida.core.messages import english
from tests.support.runs_on_disk import hand_made, run_of

RULE = [
    name if rule.takes != "column" else f"{name}:sex"
    for name, rule in RULES.items()
    if name not in ("artefact", "case")
]


def chosen(cases: pd.DataFrame, rule: str, heat: pd.DataFrame | None = None):
    """Images, roles and words of one rule."""
    (result,) = select(cases, [rule], heat)
    assert result.rule == rule
    assert len(result.rows) == len(result.roles) == len(set(result.rows))
    return (
        cases.loc[result.rows, "image"].tolist(),
        [english(role) for role in result.roles],
        str(result.description),
    )


def regression(errors: dict[str, float], **more: object) -> pd.DataFrame:
    """Both signs of each film, as a regression has them."""
    rows = [
        {
            "image": name,
            "target": f"age {sign}",
            "value": 50 + error,
            "truth": 50.0,
            "error": error,
            "loss": abs(error),
        }
        for name, error in errors.items()
        for sign in "↑↓"
    ]
    return hand_made(rows, task="regression", label="age", **more)


def test_a_case_by_hand_is_declared_as_such():
    cases = hand_made(
        [
            {"image": image, "path": f"films/{image}.png", "label": label, "loss": 0.5}
            for image in ("a", "b")
            for label in ("Mass", "Pleural Effusion")
        ],
        task="multilabel",
    )
    images, roles, words = chosen(cases, "case:B.png:pleural_effusion")
    assert images == ["b"]
    assert roles == ["chosen by hand"]
    assert words == "chosen by hand, not by a rule: b, Pleural Effusion (4 cases to choose from)"
    for rule, message in (
        ("case:c:Mass", "no case of image 'c'"),
        ("case:a", "2 cases of 'a' fit"),
        ("case:a:Nodule", "0 cases of 'a' fit .*Mass, Pleural Effusion"),
        ("case", "names no image"),
    ):
        with pytest.raises(UsageError, match=message):
            select(cases, [rule])


def test_best_worst_and_median_by_error():
    cases = regression({"e": 5, "a": -1, "b": 2, "d": -4, "c": 2, "unknown": np.nan})
    assert chosen(cases, "best:2")[:2] == (["a", "b"], ["best 1", "best 2"])
    assert chosen(cases, "worst")[:2] == (["e"], ["worst"])
    assert chosen(cases, "worst:2")[0] == ["e", "d"]
    images, roles, words = chosen(cases, "median:3")
    assert images == ["b", "c", "a"]
    assert roles == ["median 1", "median 2", "median 3"]
    assert words.startswith(
        "3 of 5 cases: |error| nearest to the median, 2, first; ties by image name"
    )
    assert "1 case without ground truth excluded" in words
    assert chosen(cases, "worst")[2].startswith("1 of 5 cases: largest |error| first")
    assert chosen(cases, "worst:9")[2].startswith(
        "5 of 5 cases (9 requested): largest |error| first"
    )


def test_random_is_stated_reproducible_and_blind_to_order_and_truth():
    cases = regression({str(i): np.nan for i in range(20)})
    images, _, words = chosen(cases, "random:5:seed=3")
    assert "5 of 20 cases, drawn at random with seed 3" in words
    shuffled = cases.sample(frac=1, random_state=1)
    assert chosen(shuffled, "random:seed=3:5")[0] == images
    assert chosen(cases, "random:5")[2].count("seed 0") == 1
    assert len({tuple(chosen(cases, f"random:5:seed={seed}")[0]) for seed in range(10)}) > 5
    assert set(chosen(cases, "random:20")[0]) == set(cases["image"])


def test_what_a_rule_does_to_its_candidates_is_not_seen_by_the_next():
    cases = regression({"a": 1, "b": 5, "c": 3})
    pool = Pool(cases)
    first = pool.candidates()
    first["loss"] = 0.0
    first.attrs["of"] = "one rule"
    again = pool.candidates()
    pd.testing.assert_frame_equal(again, Pool(cases).candidates())
    assert again.attrs == Pool(cases).candidates().attrs
    assert pool.candidates(by_label=True).equals(Pool(cases).candidates(by_label=True))


def test_per_class_takes_the_typical_of_each_true_class():
    rows = [
        {
            "image": f"{name}{i}",
            "true_class": name,
            "predicted": "2",
            "label": "2",
            "target": "2",
            "loss": loss,
        }
        for name, losses in {"10": [0.1, 0.5, 0.9], "2": [0.4, 0.2]}.items()
        for i, loss in enumerate(losses)
    ]
    rows.append({"image": "x", "predicted": "3", "label": "3", "target": "3"})
    images, roles, words = chosen(hand_made(rows, task="multiclass"), "per-class")
    assert (images, roles) == (["20", "101"], ["2", "10"])  # of two equally near, the first name
    assert words.startswith(
        "for each true class, the case nearest to its median 1 − probability of the true class"
    )
    assert "2 (2), 10 (3); no case of 3" in words
    assert chosen(hand_made(rows, task="multiclass"), "per-class:2")[1] == [
        "2 1",
        "2 2",
        "10 1",
        "10 2",
    ]
    assert chosen(regression({"a": 1}), "per-class")[2] == "none: a regression has no classes"


def test_a_multiclass_image_is_one_case_by_the_map_of_the_predicted_class():
    rows = [
        {
            "image": "0",
            "target": name,
            "label": name,
            "predicted": "b",
            "true_class": "c",
            "loss": 0.9,
            "outcome": outcome,
        }
        for name, outcome in zip("abc", ("TN", "FP", "FN"))
    ]
    cases = hand_made(rows, task="multiclass")
    assert cases.loc[select(cases, ["worst:3"])[0].rows, "label"].tolist() == ["b"]
    assert chosen(cases, "outcomes")[1] == ["FP", "FN", "TN"]
    assert "no TP among the cases with a map" in chosen(cases, "outcomes")[2]
    without = cases[cases["label"] != "b"]
    assert without.loc[select(without, ["worst"])[0].rows, "label"].tolist() == ["c"]


def test_per_group():
    cases = regression({"a": 1, "b": 5, "c": 3, "d": 9}).assign(
        group_sex=["f", "f", "f", "f", "f", "f", "", ""]
    )
    images, roles, words = chosen(cases, "per-group:sex")
    assert (images, roles) == (["c"], ["sex = f"])
    assert "sex = f (3)" in words
    assert "1 case without a sex excluded" in words
    assert chosen(cases, "per-group:group_sex:2")[0] == ["c", "a"]
    with pytest.raises(UsageError, match="did you mean sex"):
        select(cases, ["per-group:sexx"])
    with pytest.raises(UsageError, match=r"no group column 'sex'.*groups"):
        select(cases.drop(columns="group_sex"), ["per-group:sex"])


def test_outcomes_name_what_does_not_exist():
    rows = [
        {"image": str(i), "outcome": outcome, "loss": loss}
        for i, (outcome, loss) in enumerate(
            [("TP", 0.1), ("TP", 0.3), ("TP", 0.4), ("FN", 0.8), ("", np.nan)]
        )
    ]
    images, roles, words = chosen(hand_made(rows), "outcomes")
    assert (images, roles) == (["1", "3"], ["TP", "FN"])
    assert "TP (3), FN (1); no FP, TN among the cases with a map" in words
    assert chosen(regression({"a": 1}), "outcomes")[2] == "none: this task has no such outcomes"


def test_disagreement_shows_every_model_of_a_case():
    rows = [
        {"image": image, "model": model, "probability": p, "method": method}
        for model, ps in {
            "m1": (0.1, 0.5, 0.9),
            "m2": (0.2, 0.9, 0.8),
            "m3": (0.2, 0.4, 0.9),
        }.items()
        for image, p in zip("abc", ps)
        for method in ("gradcam", "layercam")
    ]
    cases = hand_made(rows)
    images, roles, words = chosen(cases, "disagreement")
    assert (images, roles) == (["b"] * 3, ["m1", "m2", "m3"])
    assert set(cases.loc[select(cases, ["disagreement"])[0].rows, "method"]) == {"gradcam"}
    assert "1 of 3 cases with maps by two or more of 3 models" in words
    assert "widest range of the probability" in words
    assert chosen(cases, "disagreement:2")[0] == ["b"] * 3 + ["a"] * 3  # 0.1 twice: by name
    alone = cases[cases["model"] == "m1"]
    assert chosen(alone, "disagreement") == (
        [],
        [],
        "none: two models are needed, and there is 1",
    )
    apart = cases[(cases["model"] == "m1") == (cases["image"] == "a")]
    apart = apart[apart["model"] != "m3"]
    assert (
        chosen(apart, "disagreement")[2]
        == "none: no case has a map and the probability from two models"
    )


def test_disagreement_on_the_class_comes_first():
    rows = [
        {
            "image": image,
            "model": model,
            "label": name,
            "target": name,
            "predicted": name,
            "probability": p,
        }
        for image, one, two in (("a", ("x", 0.9), ("x", 0.4)), ("b", ("x", 0.6), ("y", 0.6)))
        for model, (name, p) in (("m1", one), ("m2", two))
    ]
    images, _, words = chosen(hand_made(rows, task="multiclass"), "disagreement:2")
    assert images == ["b", "b", "a", "a"]
    assert "cases with different predicted classes (1) before all others" in words


@pytest.mark.parametrize(("column", "task"), [("value", "regression"), ("dice", "segmentation")])
def test_disagreement_of_other_tasks(column, task):
    rows = [
        {"image": i, "model": m, column: v}
        for m, vs in (("m", (1, 2)), ("n", (1.5, 4)))
        for i, v in zip("ab", vs)
    ]
    images, _, words = chosen(hand_made(rows, task=task), "disagreement")
    assert images == ["b", "b"]
    assert column in words.casefold()


def test_low_evidence_is_relative_to_its_own_kind():
    rows = [
        {
            "image": image,
            "target": label,
            "label": label,
            "high": high,
            "empty_reason": "dead" if high == 0 else "",
        }
        for label, highs in {
            "big": (100.0, 90.0, 20.0),
            "small": (0.1, 0.09, 0.0),
            "against": (-1.0, 1.0, 1.0),
        }.items()
        for image, high in zip("abc", highs)
    ]
    cases = hand_made(rows)
    rows = select(cases, ["low-evidence:4"])[0].rows
    pairs = list(zip(cases.loc[rows, "image"], cases.loc[rows, "label"]))
    assert pairs == [("a", "against"), ("c", "small"), ("c", "big"), ("b", "against")]
    description = select(cases, ["low-evidence:4"])[0].description
    assert "2 of the 9 have no positive attribution" in str(description)


def test_artefact_looks_at_the_heat_table():
    cases = hand_made([{"image": name} for name in "abc"])
    heat = pd.DataFrame(
        {"artefact_share": [0.2, 0.3, np.nan], "artefact_area": [0.1, 0.3, 0.2]}, index=cases.index
    )
    images, _, words = chosen(cases, "artefact:3", heat)
    assert images == ["a", "b"]
    assert "median 1.5, largest 2" in words
    with pytest.raises(UsageError, match="needs the heat table"):
        select(cases, ["artefact"])
    assert chosen(cases, "artefact", heat * np.nan)[2].startswith("none: ")


def test_of_several_maps_the_first_model_method_and_layer():
    rows = [
        {"image": i, "model": m, "method": e, "layer": layer, "loss": loss}
        for m, loss in (("first", 0.2), ("second", 0.9))
        for i in "ab"
        for e in ("gradcam", "layercam")
        for layer in ("x", "y")
    ]
    rows.append({"image": "c", "model": "second", "method": "layercam", "layer": "x", "loss": 0.9})
    cases = hand_made(rows)
    images, _, words = chosen(cases, "worst:3")
    assert images == ["c", "a", "b"]  # c is explained by the second model alone
    assert "each case by its first map" in words
    words = chosen(cases[cases["image"] != "c"], "best:2")[2]
    assert "each case by the map of first, gradcam at x" in words
    second = cases[cases["model"] == "second"]
    assert chosen(second, "worst:3")[0] == ["a", "b", "c"]


def test_several_tasks_and_no_cases():
    mixed = pd.concat(
        [regression({"a": 1.0}), hand_made([{"image": "b", "loss": 0.5}])], ignore_index=True
    )
    for rule in ("best", "median", "per-class", "outcomes"):
        assert not chosen(mixed, rule)[0]
    assert "different tasks (regression, multilabel)" in chosen(mixed, "worst")[2]
    none = mixed[:0].assign(group_sex="")
    for rule in RULE:
        assert chosen(none, rule)[2].startswith("none: ")
    unknown = hand_made([{"image": "a"}]).assign(group_sex="f")
    for rule in ("best", "worst", "median", "per-class", "per-group:sex", "outcomes"):
        assert chosen(unknown, rule) == ([], [], "none: no case has ground truth")


def test_predictions_without_a_map_are_said():
    cases = regression({"a": 1.0})
    cases.attrs["without_map"] = 2
    assert chosen(cases, "worst")[2].endswith("2 predictions without a map excluded")


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("wurst", "unknown selection rule 'wurst' .did you mean worst"),
        ("worst:0", "'0' is not a number of cases .write worst:COUNT"),
        ("worst:-1", "not a number"),
        ("worst:x", "not a number"),
        ("worst:1:2", "'2' is not understood"),
        ("worst:seed=1", "'seed=1' is not understood"),
        ("random:seed=x", "not a number"),
        ("random:sead=1", "write random:COUNT:seed=N"),
        ("random:seed=1:seed=2", "not understood"),
        ("per-group", "names no column .write per-group:COLUMN:COUNT"),
        ("per-group:", "names no column"),
    ],
)
def test_what_is_written_wrongly(rule, line):
    with pytest.raises(UsageError, match=line):
        select(regression({"a": 1.0}), ["best", rule])


@settings(max_examples=10)
@given(
    st.lists(st.floats(0, 100) | st.just(np.nan), min_size=1, max_size=12),
    st.integers(1, 5),
    st.randoms(),
)
def test_every_rule_gives_each_case_once_whatever_the_order(losses, count, random):
    cases = regression({f"f{i}": loss for i, loss in enumerate(losses)}).assign(group_sex="f")
    order = list(cases.index)[::2]
    random.shuffle(order)
    shuffled = cases.loc[[i + sign for i in order for sign in (0, 1)]]
    for name in ("best", "median", "random"):
        one, other = (chosen(table, f"{name}:{count}") for table in (cases, shuffled))
        assert one == other
        assert len(set(one[0])) == len(one[0]) <= count


def test_two_models_of_a_real_run(tmp_path):
    more = (
        '[columns]\ngroups = "sex"\n[explain]\ntarget = "all"\nmethod = ["gradcam", "layercam"]\n'
    )
    table = "image,sex,Nodule,Mass\n0,f,1,0\n1,f,0,1\n2,m,1,1\n3,m,0,0\n"
    run = run_of(tmp_path, "multilabel", ("Nodule", "Mass"), table, more)
    cases = case_table([run, run])
    for result in select(cases, [f"{name}:2" for name in RULE]):
        assert result.rows
        assert set(cases.loc[result.rows, "method"]) == {"gradcam"}
    (result,) = select(cases, ["worst"])
    assert cases["loss"][result.rows[0]] == cases["loss"].max()
