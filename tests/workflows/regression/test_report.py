"""What reads an evaluated regression: its figures in a notebook, its report, its case table."""

import ast
import json

import pytest

from camlucida.analysis.cases.case_table import case_table
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.report.build import build_report
from camlucida.report.document import Paragraph, Table
from camlucida.report.locale import load_texts
from camlucida.runs import Run
from camlucida.workflows.regression import (
    regression_figure,
)
from tests.support.paths import REPOSITORY
from tests.support.regression_study import read


def test_the_notebook_shows_a_sample_and_the_highest_errors(cohort_folder):
    book = json.loads((REPOSITORY / "examples/regression/show_sample.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in book["cells"])
    names: dict = {}
    shown = []
    for cell in [*cells[:1], f"OUT, INDEX = {str(cohort_folder / 'out')!r}, 2", *cells[1:]]:
        *lines, last = ast.parse(cell).body
        exec(ast.unparse(lines), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(ast.unparse(last), names))
        else:
            exec(ast.unparse(last), names)
    figure, highest = shown
    assert figure.axes[0].texts[0].get_text() == "anon_2_1.png"
    assert figure._repr_png_().startswith(b"\x89PNG")
    records, _ = read(cohort_folder)
    assert highest.index[0] == records["absolute_error"].idxmax()
    assert (highest["error"].abs().diff().dropna() <= 0).all()


def test_a_figure_for_a_notebook(cohort_folder):
    figure = regression_figure(cohort_folder / "out", 2)
    assert figure.axes[0].texts[0].get_text() == "anon_2_1.png"
    assert "row 2 of predictions.json" in figure._supxlabel.get_text()
    assert "preprocessing: 64 × 64 pixels as given; assumed" in figure._supxlabel.get_text()
    assert (
        "(5 or more)" in figure.axes[0].texts[-1].get_text()
        or "(below 5)" in figure.axes[0].texts[-1].get_text()
    )
    assert (
        "(below 500)"
        in regression_figure(cohort_folder / "out", 2, threshold=500).axes[0].texts[-1].get_text()
    )
    with pytest.raises(UsageError, match="no sample 8"):
        regression_figure(cohort_folder / "out", 8)


def test_the_report_holds_the_evidence_against_the_masks(cohort_folder, tmp_path):
    document = build_report(
        [Run.open(cohort_folder / "out/run")], tmp_path, ["quality"], error_threshold=5
    )
    sentences = [
        sentence
        for block in document.sections[0].blocks
        if isinstance(block, Paragraph)
        for sentence in block.sentences
        if isinstance(sentence, Message)
    ]
    _, metrics = read(cohort_folder)
    stored = metrics["mask_evidence"][0]
    (raising,) = [
        sentence.values
        for sentence in sentences
        if sentence.code == "evidence.everywhere"
        and sentence.values["heat"] == Message("evidence.raises")
    ]
    assert raising["images"] == 7
    assert raising["share"] == pytest.approx(stored["share"])
    assert raising["area"] == pytest.approx(stored["area"])
    assert raising["verdict"] == Message("quality.unsure")
    lines = [load_texts("en").render(sentence) for sentence in sentences]
    assert any("|error| ≥ 5 and |error| < 5" in line for line in lines)
    assert any("sex=f and sex=m" in line for line in lines)
    assert any(sentence.values.get("limit") == "5" for sentence in sentences)
    (table,) = [
        block
        for block in document.sections[0].blocks
        if isinstance(block, Table) and block.name == "evidence"
    ]
    assert len(table.rows) == len(
        [row for row in metrics["mask_evidence"] if not row["group"].startswith("truth")]
    )
    ends = [sentence for sentence in sentences if sentence.code == "evidence.ends"]
    best, worst = (
        metrics["selection"][f"gradcam_{name}_sample"]["image"].removesuffix(".png")
        for name in ("best", "worst")
    )
    assert "anon_3_1" not in (best, worst)  # which has no mask
    assert ends
    assert {(sentence.values["best"], sentence.values["worst"]) for sentence in ends} == {
        (best, worst)
    }
    again = build_report([Run.open(cohort_folder / "out/run")], tmp_path, ["quality"])
    words = str(again.sections[0])
    assert "evidence.split_median" in words


def test_an_architecture_is_that_of_the_backbone(cohort_folder):
    assert set(case_table([Run.open(cohort_folder / "out/run")])["architecture"]) == {
        "small_resnet"
    }
