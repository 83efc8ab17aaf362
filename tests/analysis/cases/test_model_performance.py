"""Figures of runs are those of the same predictions, written to a file and read again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.cases.annotations import background_label
from camlucida.analysis.cases.model_performance import evaluate_runs, run_predictions
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, prefixed
from camlucida.evaluation.predictions.evaluate import evaluate_file
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.runs import Run, execute
from tests.support.models_on_disk import write_image
from tests.support.runs_on_disk import run_of, save, segmentation_run, two_channel_run

SETTINGS = PredictionSettings(within=(5,))
LABELS = ("Nodule", "Mass")


def film_run(
    folder: Path, task: str, labels: tuple[str, ...], cells: list[str], header: str, more: str = ""
) -> Run:
    """A run of 12 films of 12 patients, six of each sex; ``cells``: of the table, taken in turn."""
    run_of(folder, task, labels, "image\n0\n1\n2\n3\n")
    rows = [f"{i},p{i},{'fm'[i % 2]},{cells[i % len(cells)]}" for i in range(12)]
    for i in range(12):
        write_image(folder / f"films/{i}.png", i)
    (folder / "labels.csv").write_text("\n".join([f"image,patient,sex,{header}", *rows, ""]))
    text = (
        'images = "films"\ntable = "labels.csv"\nmodel = "card.toml"\n[columns]\ngroups = "sex"\n'
    )
    (folder / "cohort.toml").write_text(text + more)
    execute(folder / "cohort.toml", folder / "all")
    return Run.open(folder / "all")


def same_figures(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one.drop(columns="model"), other.drop(columns="model"), rtol=1e-9)


def test_multilabel(tmp_path):
    run = film_run(tmp_path, "multilabel", LABELS, ["1,0", "0,1", "0,-1", "1,1"], "Nodule,Mass")
    result = evaluate_runs([run], SETTINGS)
    assert set(result.figures["model"]) == {"card"}
    assert result.document["task"] == "multilabel"
    assert result.predictions is not None
    assert result.predictions.groups == ("sex",)
    assert Message("notes.rows_left_out", {"count": 3, "rows": 24}) in result.notes
    rows = run.predictions().rename(columns={"group_sex": "sex"})[
        ["image", "patient", "sex", "label", "logit", "probability", "truth"]
    ]
    rows.to_csv(tmp_path / "p.csv", index=False)
    same_figures(
        result.figures,
        evaluate_file(tmp_path / "p.csv", "multilabel", SETTINGS, groups=["sex"]).figures,
    )


@pytest.mark.parametrize("known", ["both", "one"])
def test_binary_of_two_labels_is_judged_by_its_positive_one(tmp_path, known):
    cells, header = (
        (["0,1", "1,0", ","], "well,sick") if known == "both" else (["0", "1", ""], "well")
    )
    run = film_run(tmp_path, "binary", ("well", "sick"), cells, header)
    result = evaluate_runs([run], SETTINGS)
    assert result.predictions is not None
    frame = result.predictions.frame
    assert set(frame["label"]) == {"sick"}
    np.testing.assert_array_equal(
        frame["truth"], [[1, 0, np.nan][int(image) % 3] for image in frame["image"]]
    )
    one = run.predictions().query("label == 'sick'")
    np.testing.assert_array_equal(frame["probability"], one["probability"])


def test_multiclass(tmp_path):
    run = film_run(
        tmp_path,
        "multiclass",
        ("3", "1", "2"),
        ["1", "2", "3", ""],
        "label",
        '[explain]\ntarget = "predicted"\n',
    )
    result = evaluate_runs([run], SETTINGS)
    assert result.predictions is not None
    assert result.predictions.labels == ("3", "1", "2")
    wide = (
        run.predictions()
        .pivot(index="image", columns="label", values="probability")
        .add_prefix("prob_")
    )
    truth = {str(i): ["1", "2", "3", ""][i % 4] for i in range(12)}
    sex = {str(i): "fm"[i % 2] for i in range(12)}
    table = wide.assign(
        y_true=wide.index.map(truth), patient=["p" + i for i in wide.index], sex=wide.index.map(sex)
    )
    order = result.predictions.frame["image"].tolist()
    table.loc[order].to_csv(tmp_path / "p.csv")
    again = evaluate_file(
        tmp_path / "p.csv", "multiclass", SETTINGS, groups=["sex"], labels=["3", "1", "2"]
    )
    same_figures(result.figures, again.figures)
    assert result.document["confusion_matrix"] == again.document["confusion_matrix"]


def test_regression_of_two_seeds(tmp_path):
    folder = tmp_path / "a"
    run = film_run(folder, "regression", ("age",), ["50", "60.5", ""], "years", 'value = "years"\n')
    result = evaluate_runs([run], SETTINGS)
    assert result.document["mae"] > 0
    assert set(result.figures["group"]) == {"", "sex=f", "sex=m"}
    execute(folder / "cohort.toml", tmp_path / "b/all")
    both = evaluate_runs([run, Run.open(tmp_path / "b/all")], SETTINGS)
    names = list(dict.fromkeys(both.figures["model"]))
    assert names == [f"{folder / 'all'}: card", f"{tmp_path / 'b/all'}: card"]
    for name in names:
        same_figures(
            both.figures[both.figures["model"] == name].reset_index(drop=True), result.figures
        )
    with pytest.raises(UsageError, match="a run is given twice"):
        evaluate_runs([run, run], SETTINGS)


def test_segmentation(tmp_path):
    run = segmentation_run(tmp_path)
    result = evaluate_runs([run], SETTINGS)
    dice = result.figures[result.figures["metric"] == "dice"].iloc[0]
    assert dice["estimate"] == pytest.approx((1 + 2 / 3) / 2)
    assert Message("notes.no_readable_mask", {"count": 1, "names": "none"}) in result.notes
    assert result.errors == ()
    save(tmp_path / "masks/lesion/none.png", np.zeros((8, 20), bool))
    again = evaluate_runs([run], SETTINGS)
    assert len(again.errors) == 1
    same_figures(again.figures, result.figures)
    (tmp_path / "masks/lesion/none.png").unlink()
    for name in ("whole", "part"):
        (tmp_path / f"masks/lesion/{name}.png").unlink()
    save(tmp_path / "masks/lesion/other.png", np.zeros((32, 32), bool))
    with pytest.raises(UsageError, match="no mask to compare with"):
        evaluate_runs([run], SETTINGS)
    with pytest.raises(UsageError, match="use evaluate_runs"):
        run_predictions([run])


@pytest.mark.parametrize(
    ("overlapping", "labels", "dice"),
    [
        (True, ("upper", "square"), {"upper": 2 / 3, "square": 1.0}),
        (False, ("rest", "square"), {"square": 1.0}),
        # An output without a name is not predicted; the rest of the channels are no background.
        (True, ("", "square"), {"square": 1.0}),
        (False, ("", "square"), {"square": 1.0}),
    ],
)
def test_channels_that_overlap_have_no_background(tmp_path, overlapping, labels, dice):
    run = two_channel_run(tmp_path, overlapping, labels)
    result = evaluate_runs([run], SETTINGS)
    figures = result.figures[result.figures["metric"] == "dice"]
    of_labels = dict(zip(figures["label"], figures["estimate"]))
    of_labels.pop("all labels", None)
    assert of_labels == pytest.approx(dice)
    assert background_label(run.predictions()) == ("rest" if labels[0] == "rest" else None)


def test_what_cannot_be_evaluated_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no run is given"):
        evaluate_runs([], SETTINGS)
    blank = run_of(tmp_path / "a", "multilabel", LABELS, "image\n0\n1\n2\n3\n")
    with pytest.raises(UsageError, match="the truth of no image is known"):
        evaluate_runs([blank], SETTINGS)
    other = run_of(
        tmp_path / "b", "multiclass", LABELS, "image,label\n0,Mass\n1,Mass\n2,Nodule\n3,Mass\n"
    )
    with pytest.raises(UsageError, match="several tasks: multilabel, multiclass"):
        evaluate_runs([blank, other], SETTINGS)
    known = run_of(tmp_path / "c", "multilabel", LABELS, "image,Mass\n0,1\n1,0\n2,1\n3,0\n")
    result = evaluate_runs([blank, known], SETTINGS)
    name = f"{tmp_path / 'a' / 'run'}: card"
    assert prefixed(name, Message("notes.no_truth")) in result.notes
    assert Message("notes.no_truth_labels", {"count": 1, "names": "Nodule"}) in result.notes
    third = run_of(tmp_path / "d", "multiclass", ("x", "y"), "image,label\n0,x\n1,y\n2,x\n3,x\n")
    with pytest.raises(UsageError, match="several sets of classes"):
        evaluate_runs([other, third], SETTINGS)


def test_a_group_called_like_a_column_keeps_its_prefix(tmp_path):
    table = "image,model,age\n0,a,1\n1,b,2\n2,a,3\n3,b,4\n"
    run = run_of(
        tmp_path, "regression", ("age",), table, '[columns]\nvalue = "age"\ngroups = "model"\n'
    )
    predictions = run_predictions([run])
    assert predictions.groups == ("group_model",)
    assert set(predictions.frame["group_model"]) == {"a", "b"}
