"""Sentences that would lie in an odd run: each is of the numbers that this run has, or is not
there.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.comparison import compare
from camlucida.core.errors import UsageError
from camlucida.metrics.multilabel import MEAN_ENOUGH
from camlucida.report.build import build_report
from camlucida.report.document import Document, Message, Picture
from camlucida.report.evaluations import read_evaluations
from camlucida.report.gather import gather
from camlucida.report.render import render_document
from camlucida.report.sections import SECTIONS
from camlucida.report.sections.cases import cases
from camlucida.report.sections.consistency import consistency
from camlucida.report.sections.data import data
from camlucida.report.sections.limitations import limitations
from camlucida.report.sections.model import model
from camlucida.report.sections.quality import quality
from camlucida.report.sections.results import results
from camlucida.report.sections.summary import summary
from camlucida.runs import Run
from tests.report.sections.test_sections import TEXTS, cells, section_lines
from tests.support.runs_on_disk import done, run_of, segmentation_run

TRUTHS = "image,patient,A,B\n0,p,1,0\n1,q,0,0\n2,q,1,0\n3,r,0,0\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("odd")
    values = "image,patient,age\n0,p,20\n1,q,30\n2,q,25.5\n3,r,41\n"
    return {
        "labels": run_of(
            folder / "labels", "multilabel", ("A", "B"), TRUTHS, '[explain]\ntarget = ["A", "B"]\n'
        ),
        "nobody": run_of(
            folder / "nobody", "multilabel", ("A", "B"), "image,A\n0,1\n1,0\n2,1\n3,0\n"
        ),
        "unknown": run_of(
            folder / "unknown", "regression", ("age",), "image,patient\n0,p\n1,q\n2,r\n3,s\n"
        ),
        "value": run_of(
            folder / "value", "regression", ("age",), values, '[columns]\nvalue = "age"\n'
        ),
        "regions": segmentation_run(folder / "regions"),
    }


def test_how_little_can_be_concluded_stands_before_any_figure(runs, tmp_path):
    lines = section_lines(summary(gather((runs["labels"],), tmp_path)))
    assert lines[0].startswith("1 model (card) on 4 images of 3 patients")
    assert (
        lines[1] == "With fewer than 10 patients, no estimate has an interval and "
        "nothing can be concluded about other patients."
    )
    # A is positive in patients p and q; B in none.
    assert (
        lines[2] == "2 of 2 labels have fewer than 10 positive patients, 1 of them none; "
        "the most frequent label has 2."
    )
    assert "mean AUC of 1 label" in lines[3]
    assert "it cannot be computed for 1 more, which is positive in no image" in lines[3]
    (point,) = [
        line
        for line in section_lines(limitations(gather((runs["labels"],), tmp_path)))
        if "images come from" in line
    ]
    assert point.startswith("4 images come from 3 patients, up to 2 of one.")


def test_a_mean_without_an_interval_has_that_of_the_labels_with_one_beside_it(tmp_path):
    """Of A an interval is known, as in a larger cohort; of B not."""
    rows = "".join(f"{at % 4},q{at},{at % 2},{int(at == 0)}\n" for at in range(4))
    report = gather(
        (run_of(tmp_path / "few", "multilabel", ("A", "B"), "image,patient,A,B\n" + rows),),
        tmp_path,
    )
    (performance,) = report.performance
    table = performance.figures[performance.figures["metric"] == "auc"].set_index("label")
    table.loc["A", ["low", "high", "interval_method"]] = [0.2, 0.9, "BCa"]
    sure = table.loc[["A"]].rename(index={"A": MEAN_ENOUGH})
    changed = replace(performance, figures=pd.concat([table, sure]).reset_index())
    report = replace(report, performance=(changed,))
    lines = section_lines(summary(report))
    (line,) = [line for line in lines if "mean AUC of the 1 label with an interval" in line]
    assert "[0.200, 0.900]" in line


def test_images_of_nobody_are_not_so_many_patients(runs, tmp_path):
    report = gather((runs["nobody"],), tmp_path)
    lines = [
        *section_lines(summary(report)),
        *section_lines(data(report)),
        *section_lines(limitations(report)),
    ]
    assert lines[0].startswith("1 model (card) on 4 images (4 of unknown patients)")
    assert not any("of 4 patients" in line for line in lines)
    both = section_lines(data(gather((runs["nobody"], runs["labels"]), tmp_path)))
    assert both[0].startswith("The cohort has 8 images. 4 have no patient identifier")
    assert both[0].endswith("the others are of 3 patients.")


@pytest.mark.usefixtures("unsaved")
def test_a_mean_of_labels_is_of_so_many_images(runs, tmp_path):
    rows = cells(results(gather((runs["labels"],), tmp_path)), "by_label")
    assert [row[:4] for row in rows] == [
        ["A", "4", "2", "3"],
        ["B", "4", "0", "3"],
        ["mean of labels", "4", "", "3"],
    ]


@pytest.mark.parametrize(
    ("name", "has_truth"),
    [("unknown", False), ("value", True), ("regions", True), ("labels", True)],
)
def test_truth_that_is_there_is_not_called_missing(runs, name, has_truth, tmp_path):
    report = gather((runs[name],), tmp_path)
    for section in (summary(report), data(report), limitations(report)):
        missing = [
            line for line in section_lines(section) if "No ground truth is available" in line
        ]
        assert bool(missing) != has_truth, missing


def test_masks_of_a_folder_are_counted_and_predictions_without_a_map_count(runs, tmp_path):
    report = gather((runs["regions"],), tmp_path)
    lines = section_lines(data(report))
    assert "Masks are available for 2 of 3 images." in lines
    assert (
        "Run “run”: 1 image has a prediction, which is included in the results, but no map."
        in lines
    )
    assert not any("excluded from all results" in line for line in lines)
    assert not any("items failed" in line for line in section_lines(limitations(report)))


@pytest.mark.usefixtures("unsaved")
def test_an_empty_mask_is_not_outlined(runs, tmp_path):
    report = gather((runs["regions"],), tmp_path)
    mask = np.zeros((32, 32), bool)
    empty = SimpleNamespace(mask=lambda *_: mask, boxes=lambda *_: None)
    report = replace(report, annotations={(0, "card"): empty})
    captions = [line for line in section_lines(cases(report)) if "Selected as:" in line]
    assert captions
    assert all("The annotated mask is empty." in line for line in captions)


@pytest.mark.usefixtures("unsaved")
def test_a_value_is_not_called_true(runs, tmp_path, monkeypatch):
    shown_truths = []
    module = import_module("camlucida.report.sections.cases")
    monkeypatch.setattr(
        module, "label_comparison", lambda maps, truths: shown_truths.append(truths)
    )
    cases(gather((runs["value"],), tmp_path))
    cases(gather((runs["labels"],), tmp_path))
    assert shown_truths[0] is None
    assert set(shown_truths[1]) <= {True, False}


@pytest.mark.usefixtures("unsaved")
def test_of_several_tasks_each_has_its_rules_and_nothing_is_compared(runs, tmp_path):
    report = gather((runs["labels"], runs["value"], runs["regions"]), tmp_path)
    made = [SECTIONS[name].make(report) for name in SECTIONS]
    for texts in TEXTS.values():
        render_document(
            Document(
                Message("page.title", {"names": ["x"]}), tuple(s for s in made if s is not None)
            ),
            texts,
        )
    lines = section_lines(cases(report))
    assert any(line.startswith("worst (worst), regression: 1 of 4 cases") for line in lines)
    assert any(
        line.startswith("worst (worst), segmentation: 1 of 2 cases")
        and "1 prediction without a map" in line
        for line in lines
    )
    assert not any(
        "cannot be compared" in line or ("multi-label" in line and "no map" in line)
        for line in lines
    )
    stems = [block.stem for block in cases(report).blocks if isinstance(block, Picture)]
    assert len(stems) == len(set(stems))
    assert consistency(report) is None
    with pytest.raises(UsageError, match="different tasks"):
        compare(report.runs, report.cases, report.heat, "model")


@pytest.mark.usefixtures("unsaved")
def test_groups_of_sets_of_maps_do_not_differ_in_one_thing_alone(tmp_path):
    run = run_of(
        tmp_path / "r",
        "multilabel",
        ("A", "B"),
        TRUTHS,
        '[explain]\nmethod = ["gradcam", "layercam"]\n',
    )
    net = (tmp_path / "r/net.py").read_text().replace("manual_seed(0)", "manual_seed(5)")
    (tmp_path / "r/net.py").write_text(net)
    shutil.move(run.folder.root, tmp_path / "first")
    report = gather((Run.open(tmp_path / "first"), done(tmp_path / "r")), tmp_path / "out")
    lines = section_lines(consistency(report))
    assert "4 map series in 2 groups; within a group they differ only in the method." in lines
    panels = [line for line in lines if line.startswith("The same cases by method")]
    assert len(set(panels)) == 2


def test_an_evaluation_of_other_weights_is_left_out(runs, tmp_path, monkeypatch):
    shutil.copytree(runs["labels"].folder.root, tmp_path / "run")
    (tmp_path / "run/evaluation").mkdir()
    (tmp_path / "run/evaluation/evaluation.json").touch()
    described = runs["labels"].about["models"][0]
    run = Run.open(tmp_path / "run")
    for sha256, count in ((described["sha256"], 1), ("of other weights", 0)):
        stored = SimpleNamespace(
            about={"model": {"name": "another name", "sha256": sha256}},
            tables=SimpleNamespace(rows=pd.DataFrame()),
            sanity=pd.DataFrame(),
        )
        module = import_module("camlucida.report.evaluations")
        monkeypatch.setattr(module, "read", lambda _, stored=stored: stored)
        evaluations = list(read_evaluations((run,)))
        assert [evaluation.model for evaluation in evaluations] == [described["name"]] * count


def test_a_design_is_cited_where_it_is_that(runs, tmp_path):
    report = gather((runs["labels"],), tmp_path)
    assert not any("CheXNet" in line for line in section_lines(model(report)))
    run = report.runs[0]
    described = run.about["models"][0]
    chexnet = {
        **described,
        "resolved": {**described["resolved"], "factory": "torchvision:densenet121"},
    }
    other = gather(
        (type(run)(run.folder, {**run.about, "models": [chexnet]}, run.entries),), tmp_path
    )
    assert any(
        "DenseNet-121 with one output per label" in line and "[@rajpurkar2017]" in line
        for line in section_lines(model(other))
    )


def test_of_few_maps_no_half_is_told(runs, tmp_path):
    lines = section_lines(quality(gather((runs["regions"],), tmp_path)))
    assert not any("interquartile range" in line for line in lines)
    assert any("in 2 maps with positive attribution" in line for line in lines)


def test_intervals_without_width_are_no_narrow_ones(runs, tmp_path):
    report = gather((runs["labels"],), tmp_path)
    figures = report.performance[0].figures
    figures.loc[figures["metric"] == "auc", ["low", "high", "interval_method"]] = [
        1.0,
        1.0,
        "constant",
    ]
    images = pd.concat([report.images] * 3, ignore_index=True)
    report = replace(report, images=images.assign(patient=[f"p{i}" for i in range(12)]))
    lines = section_lines(limitations(report))
    assert not any("median width" in line for line in lines)
    assert any("no width" in line for line in lines)


def test_a_column_that_no_cohort_has_is_refused_before_anything_is_written(runs, tmp_path):
    with pytest.raises(UsageError, match="no group column 'site'"):
        build_report([runs["labels"]], tmp_path / "out", None, ["per-group:site"])
    assert not (tmp_path / "out").exists()
