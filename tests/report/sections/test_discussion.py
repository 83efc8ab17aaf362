"""Discussion, conclusion and future work: each sentence has its number, or is not there."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from camlucida.core.messages import Message
from camlucida.report.document import Document
from camlucida.report.gather import gather
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.sections import SECTIONS
from camlucida.report.sections.conclusion import conclusion
from camlucida.report.sections.discussion import discussion
from camlucida.report.sections.future import future
from tests.report.test_findings import evaluation
from tests.support.runs_on_disk import run_of

SCORES = {"gradcam": 0.8, "sobel": 0.3, "center": 0.8, "random": 0.1}


def messages(section):
    return [message for block in section.blocks for message in block.sentences]


def codes(section):
    return [message.code for message in messages(section)]


def of_code(section, code):
    return [message for message in messages(section) if message.code == code]


@pytest.fixture
def report(gathered, tmp_path):
    report = replace(gathered, folder=tmp_path, performance=deepcopy(gathered.performance))
    sha256 = report.runs[0].about["models"][0]["sha256"]
    return replace(report, evaluations=(replace(evaluation(SCORES), sha256=sha256),))


def test_edges_and_centre_are_named_each_with_their_difference(report):
    edges, centre = (
        of_code(discussion(report), "discussion.baseline_more"),
        of_code(discussion(report), "discussion.baseline_same"),
    )
    assert [message.values["baseline"].code for message in edges] == ["findings.sobel"]
    assert edges[0].values["difference"].estimate == pytest.approx(0.5, abs=0.05)
    assert [message.values["baseline"].code for message in centre] == ["findings.center"]
    (tally,) = of_code(conclusion(report), "conclusion.baselines")
    assert dict(tally.values) == {"all": 2, "more": 1, "less": 0, "open": 1}


def test_an_undecided_baseline_asks_for_more_patients(report):
    (needed,) = of_code(future(report), "future.more_baseline")
    assert needed.values["baseline"].code == "findings.center"
    assert needed.values["more"] >= 1
    decided = replace(evaluation({"gradcam": 0.8, "sobel": 0.3}), sha256="x")
    other = future(replace(report, evaluations=(decided,)))
    assert not of_code(other, "future.more_baseline") + of_code(other, "future.power")


def test_without_evaluation_no_baseline_is_discussed_and_the_evaluation_is_missing(report):
    bare = replace(report, evaluations=())
    assert not [code for code in codes(discussion(bare)) if "baseline" in code]
    assert not of_code(conclusion(bare), "conclusion.sanity")
    (missing,) = of_code(future(bare), "future.evaluate")
    assert missing.values["maps"] == len(report.cases)
    assert not of_code(future(report), "future.evaluate")
    assert of_code(future(report), "future.sanity")


def test_the_sanity_outcomes_are_counted_and_the_missing_patients_named(report):
    gate = pd.DataFrame({"verdict": ["depends", "unclear", "unclear"], "more": [0.0, 3.0, 8.0]})
    checked = replace(report.evaluations[0], gate=gate)
    report = replace(report, evaluations=(checked,))
    (tally,) = of_code(conclusion(report), "conclusion.sanity")
    assert dict(tally.values) == {"checks": 3, "depends": 1, "unchanged": 0, "unclear": 2}
    (more,) = of_code(future(report), "future.sanity_more")
    assert more.values["more"] == 8
    gate["more"] = [0.0, np.nan, 8.0]
    assert not of_code(future(report), "future.sanity_more")


def test_images_without_annotation_are_counted(report):
    images = report.images.assign(has_mask=False, has_box=False)
    (missing,) = of_code(future(replace(report, images=images)), "future.annotate")
    assert missing.values["missing"] == missing.values["images"] == len(images)
    annotated = replace(report, images=images.assign(has_box=True))
    assert not of_code(future(annotated), "future.annotate")


def test_a_mask_under_a_cell_asks_for_a_finer_grid(report):
    measured = report.measured.assign(mask_area=0.5)
    measured.attrs = {"problems": []}
    assert not of_code(future(replace(report, measured=measured)), "future.grid")
    cells = int(np.prod(measured["grid"].iloc[0]))
    measured.loc[measured.index[0], "mask_area"] = 0.9 / cells
    (small,) = of_code(future(replace(report, measured=measured)), "future.grid")
    assert small.values["small"] == 1
    assert small.values["maps"] == len(measured)


def test_one_training_asks_for_more_seeds(report):
    assert of_code(future(report), "future.seeds")


def test_nothing_measured_nothing_concluded(tmp_path):
    run = run_of(tmp_path / "r", "multilabel", ("A", "B"), "image,patient\n0,p\n1,q\n")
    report = gather((run,), tmp_path / "out")
    measured = report.measured.assign(spread=np.nan)
    measured.attrs = {"problems": []}
    bare = replace(report, measured=measured)
    assert discussion(bare) is None
    assert codes(conclusion(bare)) == ["conclusion.nothing"]
    assert of_code(future(bare), "future.truth")


@pytest.mark.parametrize("language", ["en", "zh", "pt"])
def test_every_language_renders_them(report, language):
    sections = tuple(SECTIONS[name].make(report) for name in ("discussion", "conclusion", "future"))
    document = Document(Message("page.title", {"names": ["x"]}), sections)
    assert render_document(document, load_texts(language)).failures == ()
