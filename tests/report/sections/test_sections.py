"""The measured sections: every sentence changes with its number, and is not there without it;
every task, both languages.
"""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from camlucida.attribution.methods import METHODS
from camlucida.core.messages import Message
from camlucida.report.build import build_report
from camlucida.report.data import ReportData
from camlucida.report.document import Document, Paragraph, Picture, Points, Table
from camlucida.report.gather import RULES, gather
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.sections import SECTIONS
from camlucida.report.sections.cases import cases, outcome_of
from camlucida.report.sections.limitations import limitations
from camlucida.report.sections.method import method
from camlucida.report.sections.model import model
from camlucida.report.sections.quality import quality
from camlucida.report.sections.results import results
from camlucida.report.sections.summary import summary
from camlucida.report.writers.markdown import markdown, write_markdown
from camlucida.runs import Run
from camlucida.runs.items import MissingMap
from tests.support.documents import english_in
from tests.support.runs_on_disk import run_of, segmentation_run

TEXTS = {language: load_texts(language) for language in ("en", "zh")}


def section_lines(section, language="en") -> list[str]:
    """Paragraphs, points and captions."""
    lines = []
    for block in section.blocks:
        if isinstance(block, (Paragraph, Points)):
            lines += [TEXTS[language].render(sentence) for sentence in block.sentences]
        elif isinstance(block, (Picture, Table)):
            lines.append(TEXTS[language].render(block.caption))
    return lines


def cells(section, name) -> list[list[str]]:
    (table,) = [
        block for block in section.blocks if isinstance(block, Table) and block.name == name
    ]
    return [["".join(map(str, TEXTS["en"].cell(cell))) for cell in row] for row in table.rows]


@pytest.fixture
def report(gathered, tmp_path) -> ReportData:
    """With a folder and tables that a test may change."""
    return replace(gathered, folder=tmp_path, performance=deepcopy(gathered.performance))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    """A run of every other task."""
    folder = tmp_path_factory.mktemp("tasks")
    truths = "image,patient,class\n0,p,A\n1,q,B\n2,q,C\n3,r,A\n"
    values = "image,patient,age\n0,p,20\n1,q,30\n2,q,25.5\n3,r,41\n"
    columns = (
        '[columns]\nlabels = "class"\n[explain]\nmethod = ["gradcam", "hirescam"]\n'
        'layer = "features.2"\n'
    )
    return {
        "multiclass": run_of(folder / "classes", "multiclass", ("A", "B", "C"), truths, columns),
        "regression": run_of(
            folder / "values", "regression", ("age",), values, '[columns]\nvalue = "age"\n'
        ),
        "segmentation": segmentation_run(folder / "regions"),
    }


@pytest.mark.usefixtures("drawn_figures")
@pytest.mark.parametrize("task", ["multiclass", "regression", "segmentation"])
def test_every_section_of_every_task_in_both_languages(runs, task, tmp_path):
    report = gather((runs[task],), tmp_path)
    made = [(name, entry.make(report)) for name, entry in SECTIONS.items()]
    assert {name for name, section in made if section is None} <= {"results", "consistency"}
    document = Document(
        Message("page.title", {"names": ["x"]}), tuple(s for _, s in made if s is not None)
    )
    # A failure: a value is missing, left over or not finite.
    assert render_document(document, TEXTS["en"]).failures == ()
    chinese = render_document(document, TEXTS["zh"])
    assert chinese.failures == ()
    assert not english_in(write_markdown(chinese, tmp_path).read_text("utf-8"))
    for _, section in made:
        for block in section.blocks if section else ():
            if isinstance(block, Picture):
                assert (tmp_path / f"{block.stem}.png").stat().st_size > 5000
                assert (tmp_path / f"{block.stem}.pdf").is_file()


@pytest.mark.usefixtures("unsaved")
def test_a_chinese_report_has_no_english_sentence(small_run, tmp_path):
    """A broken film, images without a mask and an item without one of its maps: errors are quoted,
    all else is said.
    """
    first, *others = small_run.entries
    missing = MissingMap("", "gradcam", "x", "image", "1 is strange, as nothing is")
    entries = (
        replace(first, missing=(missing,)),
        *others,
    )
    notes = [
        Message("notes.no_mask", {"count": 2, "names": "1, 2"}).to_json(),
        Message("notes.absent_labels", {"count": 1, "names": "Mass"}).to_json(),
    ]
    run = replace(small_run, about={**small_run.about, "notes": notes}, entries=entries)
    text = markdown(render_document(build_report([run], tmp_path), TEXTS["zh"]))
    assert "2张图像没有掩膜：1, 2" in text
    assert "gradcam at x：“1 is strange, as nothing is”" in text
    assert f"{first.image}, {first.model}" in text
    assert not english_in(text)


def test_methods_words_metrics_and_verdicts_have_texts():
    from camlucida.analysis.comparison import BY
    from camlucida.analysis.comparison.verdict import VERDICTS
    from camlucida.analysis.selection import RULES as SELECTION

    keys = [f"methods.{name}" for name in METHODS] + [f"words.{by}" for by in BY]
    keys += [f"rules.{name.replace('-', '_')}" for name in SELECTION] + [
        f"verdicts.{v.replace(' ', '_')}" for v in VERDICTS
    ]
    for texts in TEXTS.values():
        assert not [key for key in keys if texts.template(key) is None]


def test_the_rules_of_each_task_are_rules(report):
    from camlucida.analysis.selection import check_rules

    for rules in RULES.values():
        check_rules(rules)
    assert all(str(chosen.description) for chosen in report.selected)


# Every sentence is bound to a number


def test_shares_in_words_are_those_of_the_maps(report):
    measured = report.measured.copy()
    measured.attrs = {"problems": []}
    measured["artefact_share"], measured["artefact_area"] = 0.25, 0.5
    report = replace(report, measured=measured)
    first = section_lines(quality(report))
    assert any("25.0% on the border" in line and "area 50.0%" in line for line in first)
    assert any(
        "Difference from the area −0.250 (no interval: fewer than 10 patients)" in line
        for line in first
    )
    measured["artefact_share"] = 0.75
    assert any(
        "75.0% on the border" in line and "area 0.250" in line
        for line in section_lines(quality(report))
    )
    measured["artefact_share"] = np.nan
    assert not any("on the border" in line for line in section_lines(quality(report)))
    assert not any("burned-in text" in line for line in section_lines(summary(report)))


def test_more_than_chance_needs_an_interval_that_leaves_out_zero(report):
    measured = report.measured.iloc[[0] * 12].reset_index(drop=True)
    measured.attrs = {"problems": []}
    measured["patient"] = [f"p{i}" for i in range(12)]
    measured["mask_area"], measured["mask_ceiling"] = 0.1, 0.9
    report = replace(report, measured=measured)
    report = replace(report, all_series=(type(report.all_series[0])("m", 0, "m", list(range(12))),))
    for shares, verdict in (
        (np.linspace(0.4, 0.6, 12), "more than chance"),
        (np.linspace(0.01, 0.05, 12), "less than chance"),
        (np.linspace(0, 0.2, 12), "not distinguishable from chance"),
    ):
        measured["mask_share"] = shares
        (line,) = [
            line for line in section_lines(quality(report)) if "inside the annotated mask" in line
        ]
        assert verdict in line
        assert f"{shares.mean():.1%}" in line


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("sick", ["Probability 0.250.", "Outcome: false negative."]),
        ("not sick", ["Probability of sick 0.250.", "Outcome for sick: false negative."]),
    ],
)
def test_probability_and_outcome_are_those_of_the_label(report, target, lines):
    case = report.cases.iloc[0].copy()
    case[["task", "label", "target", "probability", "outcome", "true_class"]] = [
        "binary",
        "sick",
        target,
        0.25,
        "FN",
        "",
    ]
    assert [TEXTS["en"].render(sentence) for sentence in outcome_of(case)] == lines


@pytest.mark.usefixtures("unsaved")
def test_spread_is_of_this_case_and_of_its_peers(report):
    measured = report.measured.copy()
    measured.attrs = {"problems": []}
    measured["spread"] = 0.5
    row = report.selected[0].rows[0] if report.selected[0].rows else report.selected[-1].rows[0]
    measured.loc[row, ["spread", "empty_reason"]] = [0.125, ""]
    report = replace(report, measured=measured)
    lines = [
        line
        for line in section_lines(cases(report))
        if "Cells at or above half the maximum" in line
    ]
    assert any(
        "Cells at or above half the maximum: 12% (median of these maps 50%)." in line
        for line in lines
    )


@pytest.mark.usefixtures("unsaved")
def test_a_label_that_is_never_predicted_is_named(report):
    figures = report.performance[0].figures
    label = str(figures.loc[figures["metric"] == "predicted_share", "label"].iloc[0])
    figures.loc[
        (figures["metric"] == "predicted_share") & (figures["label"] == label), "estimate"
    ] = 0.0
    assert any(label in line and "for no image" in line for line in section_lines(results(report)))
    assert any(
        label in line for line in section_lines(limitations(report)) if "for no image" in line
    )
    figures.loc[figures["metric"] == "predicted_share", "estimate"] = 0.5
    assert not any("for no image" in line for line in section_lines(results(report)))


@pytest.mark.usefixtures("unsaved")
def test_figures_stand_in_the_table_with_their_chance(report):
    figures = report.performance[0].figures
    is_ap = (figures["metric"] == "ap") & (figures["label"] == "Mass") & (figures["group"] == "")
    figures.loc[is_ap, ["estimate", "low", "high", "interval_method", "chance"]] = [
        0.8125,
        0.75,
        0.875,
        "BCa",
        0.5,
    ]
    (row,) = [row for row in cells(results(report), "by_label") if row[0] == "Mass"]
    assert "0.812 [0.750, 0.875] (chance 0.500)" in row


@pytest.mark.usefixtures("unsaved")
def test_no_truth_no_results(tmp_path):
    run = run_of(tmp_path / "r", "multilabel", ("A", "B"), "image,patient\n0,p\n1,q\n")
    report = gather((run,), tmp_path / "out")
    assert results(report) is None
    assert any(
        "No ground truth is available" in line for line in section_lines(limitations(report))
    )


def test_few_patients_and_patients_with_several_images_are_limits(report):
    lines = section_lines(limitations(report))
    assert any(line.startswith("6 images of 3 patients: fewer than 10") for line in lines)
    assert any("1 of 6 items failed" in line for line in lines)
    assert any("sanity check" in line and "was not run" in line for line in lines)


@pytest.mark.usefixtures("unsaved")
def test_an_empty_map_is_called_so(report):
    measured = report.measured.copy()
    measured.attrs = {"problems": []}
    measured["empty_reason"] = "no cell speaks for the target"
    report = replace(report, measured=measured)
    lines = [line for line in section_lines(cases(report)) if "Selected as:" in line]
    assert lines
    assert all(
        "No evidence: no cell speaks for the target." in line and "Cells at or above" not in line
        for line in lines
    )


@pytest.mark.usefixtures("unsaved")
def test_names_of_case_figures_are_those_that_reports_use(report):
    stems = [block.stem for block in cases(report).blocks if isinstance(block, Picture)]
    first = report.cases.loc[next(row for chosen in report.selected for row in chosen.rows)]
    assert stems[0] == f"figures/gradcam_1_{first['target'].replace(' ', '_')}"


@pytest.mark.usefixtures("unsaved")
def test_asked_rules_choose_and_stand_in_words(small_run, tmp_path):
    report = gather((small_run,), tmp_path, ("random:2:seed=3",))
    section = cases(report)
    assert [chosen.rule for chosen in report.selected] == ["random:2:seed=3"]
    assert any("seed 3" in line for line in section_lines(section))


def test_models_with_their_preprocessing(report):
    section = model(report)
    (row,) = cells(section, "models")
    assert row[0] == report.runs[0].about["models"][0]["name"]
    assert row[-2:] == ["–", "–"]  # neither seed nor fold is stated
    assert any("resize" in line or "pixels" in line for line in section_lines(section))


@pytest.mark.usefixtures("unsaved")
def test_cells_in_pixels_and_millimetres(report, tmp_path):
    rows = cells(method(report), "layers")
    geometry = report.explanation(0, 0)
    assert rows[0][3] == " × ".join(f"{side:.0f}" for side in geometry.cell)
    assert rows[0][4] == "–"


@pytest.mark.usefixtures("unsaved")
def test_the_method_figure_needs_the_model_of_the_run(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "run")
    report = gather((Run.open(tmp_path / "run"),), tmp_path)
    with_model = [block.stem for block in method(report).blocks if isinstance(block, Picture)]
    about = dict(report.runs[0].about)
    about["models"] = [{**about["models"][0], "sha256": "another"}]
    other = gather(
        (type(report.runs[0])(report.runs[0].folder, about, report.runs[0].entries),), tmp_path
    )
    assert not [block for block in method(other).blocks if isinstance(block, Picture)]
    assert with_model in ([], ["figures/method"])
