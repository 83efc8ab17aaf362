"""The case table: every task's maps beside what was said and what is true."""

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.cases.case_table import COLUMNS, case_table
from tests.support.runs_on_disk import run_of, save, segmentation_run

LABELS = ("Nodule", "Mass")


def test_multilabel(tmp_path):
    table = "image,patient,sex,Nodule,Mass\n0,p0,f,1,0\n1,p0,,0,-1\n2,p1,m,1,1\n3,p1,m,0,0\n"
    more = (
        '[columns]\ngroups = "sex"\n[explain]\ntarget = ["all", "diff:Nodule|Mass"]\n'
        'method = ["gradcam", "hirescam"]\n'
    )
    run = run_of(tmp_path, "multilabel", LABELS, table, more)
    cases = case_table([run, run])
    assert list(cases.columns) == [*COLUMNS, "group_sex"]
    assert cases.attrs == {"problems": [], "without_map": 0}
    assert len(cases) == 2 * 4 * 3 * 2
    assert cases["run"].tolist() == [0] * 24 + [1] * 24
    assert cases["explanation"].tolist() == [*range(24), *range(24)]
    stored, said = run.explanations(), run.predictions().set_index(["image", "label"])
    pd.testing.assert_series_equal(cases["score"][:24], stored["score"])
    assert set(cases["target"]) == {*LABELS, "Nodule − Mass"}
    assert set(cases["label"][cases["target"] == "Nodule − Mass"]) == {"Nodule"}
    for row in cases.itertuples():
        p = said["probability"][row.image, row.label]
        truth = {
            ("0", "Nodule"): 1,
            ("2", "Nodule"): 1,
            ("2", "Mass"): 1,
            ("1", "Mass"): np.nan,
        }.get((row.image, row.label), 0)
        assert row.probability == p
        assert row.predicted == ("positive" if p >= 0.5 else "negative")
        np.testing.assert_equal(row.truth, truth)
        if np.isnan(truth):
            assert (row.outcome, row.correct) == ("", None)
            assert np.isnan(row.loss)
        else:
            assert (
                row.outcome
                == {(1, 1): "TP", (1, 0): "FP", (0, 1): "FN", (0, 0): "TN"}[
                    int(p >= 0.5), int(truth)
                ]
            )
            assert row.correct is bool((p >= 0.5) == truth)
            assert row.loss == pytest.approx(abs(truth - p))
    first = cases.iloc[0]
    assert (first["patient"], first["group_sex"], first["split"], first["seed"], first["mask"]) == (
        "p0",
        "f",
        "",
        None,
        None,
    )
    assert first["architecture"] == "build"
    assert first["grid"] == (8, 8)
    assert set(cases["group_sex"][cases["image"] == "1"]) == {""}


@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_classes(tmp_path, task):
    run = run_of(
        tmp_path,
        task,
        ("a", "b"),
        "image,label\n0,a\n1,b\n2,\n3,a|b\n",
        '[explain]\ntarget = "all"\n',
    )
    cases = case_table([run])
    p = run.predictions().pivot(index="image", columns="label", values="probability")
    assert np.allclose(p.sum(axis=1), 1)
    said = p.idxmax(axis=1)
    for row in cases.itertuples():
        true = {"0": "a", "1": "b"}.get(row.image, "")  # two true classes: none is known
        assert (row.predicted, row.true_class) == (said[row.image], true)
        if not true:
            assert (row.outcome, row.correct, np.isnan(row.truth), np.isnan(row.loss)) == (
                "",
                None,
                True,
                True,
            )
            continue
        assert row.loss == pytest.approx(1 - p[true][row.image])
        assert row.correct is bool(said[row.image] == true)
        assert row.truth == (row.label == true)
        positive = said[row.image] == row.label
        assert row.outcome == (
            ("TP" if positive else "FN") if row.label == true else ("FP" if positive else "TN")
        )


def test_a_class_is_judged_among_all_also_where_one_alone_is_explained(tmp_path):
    """The class that is predicted, and the one that is true, may be without a map."""
    table = "image,label\n0,x\n1,y\n2,z\n3,x\n"
    run = run_of(
        tmp_path,
        "multiclass",
        ("x", "y", "z"),
        table,
        '[columns]\nlabels = "label"\n[explain]\ntarget = "y"\n',
    )
    cases = case_table([run]).set_index("image")
    predictions = run.predictions()
    best = (
        predictions.sort_values("probability", ascending=False)
        .drop_duplicates("image")
        .set_index("image")["label"]
    )
    assert cases["label"].unique().tolist() == ["y"]
    assert cases["predicted"].to_dict() == best.to_dict()
    assert cases["true_class"].to_dict() == {"0": "x", "1": "y", "2": "z", "3": "x"}
    assert cases["truth"].tolist() == [0, 1, 0, 0]
    assert cases["correct"].tolist() == [best[image] == true for image, true in zip("0123", "xyzx")]
    assert set(best) != {"y"}


def test_one_label_is_judged_by_its_own_name_also_where_its_negation_is_explained(tmp_path):
    run = run_of(
        tmp_path,
        "binary",
        ("sick",),
        "image,sick\n0,1\n1,0\n2,1\n3,0\n",
        '[explain]\ntarget = "all"\n',
    )
    cases = case_table([run])
    assert set(cases["target"]) == {"sick", "not sick"}
    assert set(cases["label"]) == {"sick"}
    same = cases.drop_duplicates(["image", "probability", "truth", "outcome"])
    assert len(same) == 4
    assert list(same["truth"]) == [1, 0, 1, 0]


def test_regression(tmp_path):
    run = run_of(
        tmp_path,
        "regression",
        ("age",),
        "image,years\n0,50\n1,\n2,70.5\n3,1\n",
        '[columns]\nvalue = "years"\n',
    )
    cases = case_table([run])
    assert list(cases["target"][:2]) == ["age ↑", "age ↓"]
    assert set(cases["label"]) == {"age"}
    value = run.predictions().set_index("image")["value"]
    np.testing.assert_allclose(
        cases["error"], cases["image"].map(value) - cases["image"].map({"0": 50, "2": 70.5, "3": 1})
    )
    np.testing.assert_array_equal(cases["loss"], cases["error"].abs())
    assert set(cases["predicted"]) == {""}
    assert cases["probability"].isna().all()
    assert set(cases["correct"]) == {None}


def test_one_value_is_not_the_truth_of_two_outputs(tmp_path):
    run = run_of(
        tmp_path,
        "regression",
        ("age", "bmi"),
        "image,years\n0,50\n1,3\n2,70\n3,1\n",
        '[columns]\nvalue = "years"\n',
    )
    cases = case_table([run])
    assert set(cases["label"]) == {"age", "bmi"}
    assert cases["truth"].isna().all()
    assert cases["loss"].isna().all()


def test_segmentation_is_measured_against_the_cohorts_masks(tmp_path):
    cases = case_table([segmentation_run(tmp_path)]).set_index("image")
    assert cases["dice"].to_dict() == {"whole": 1.0, "part": pytest.approx(2 * 128 / 384)}
    assert cases["loss"]["part"] == pytest.approx(1 / 3)
    assert set(cases["truth"]) == {1.0}
    assert cases.attrs == {"problems": [], "without_map": 1}


@pytest.mark.parametrize("bad", ["other size", "several values"])
def test_a_mask_that_cannot_be_read_costs_itself_alone(tmp_path, bad):
    run = segmentation_run(tmp_path)
    save(
        tmp_path / "masks/lesion/part.png",
        np.eye(31 if bad == "other size" else 32) * np.arange(31 + (bad != "other size")),
    )
    cases = case_table([run]).set_index("image")
    assert cases["dice"]["whole"] == 1
    assert np.isnan(cases["dice"]["part"])
    (line,) = cases.attrs["problems"]
    assert "part.png" in line


def test_a_folder_of_masks_that_is_gone_is_said(tmp_path):
    run = segmentation_run(tmp_path)
    (tmp_path / "masks").rename(tmp_path / "elsewhere")
    cases = case_table([run])
    assert cases["dice"].isna().all()
    assert ["no annotations" in line for line in cases.attrs["problems"]] == [True]


def test_masks_beside_the_images(tmp_path):
    run = segmentation_run(tmp_path / "a", masks="")
    assert case_table([run])["dice"].isna().all()
    (tmp_path / "a/films").rename(tmp_path / "a/Images")
    (tmp_path / "a/masks/lesion").rename(tmp_path / "a/Masks")
    cohort = tmp_path / "a/cohort.toml"
    cohort.write_text(cohort.read_text().replace('"films"', '"Images"'))
    from camlucida.runs import Run, execute

    execute(cohort, tmp_path / "b")
    assert case_table([Run.open(tmp_path / "b")]).set_index("image")["dice"]["whole"] == 1


def test_no_map_at_all(tmp_path):
    assert list(case_table([]).columns) == COLUMNS
    run = segmentation_run(tmp_path)
    for name in ("whole", "part"):
        (tmp_path / f"films/{name}.png").unlink()
    from camlucida.runs import Run, execute

    execute(tmp_path / "cohort.toml", tmp_path / "run", resume=True)
    cases = case_table([Run.open(run.folder.root)])
    assert len(cases) == 0
    assert cases.attrs["without_map"] == 1
