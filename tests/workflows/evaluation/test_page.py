"""The page of an evaluation: its numbers are those of the tables, and names are escaped."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from camlucida.attribution.explanation import _example
from camlucida.core.messages import named
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.maps.summary import (
    best_median_worst,
    differences,
    gate_table,
    over_all_labels,
    ranking,
    summarise,
)
from camlucida.report.lines import is_numeric
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file
from camlucida.workflows.evaluation.limits import limits
from camlucida.workflows.evaluation.page import (
    EvaluationAbout,
    EvaluationTables,
    Example,
    write_evaluation_page,
)
from camlucida.workflows.evaluation.page_tables import difference_table, rank_table
from tests.support.evaluations import LAYER, evaluation, row

pytestmark = pytest.mark.usefixtures("drawn_figures")

ABOUT = EvaluationAbout(
    model="<script>alert(1)</script>",
    sha256="ab" * 32,
    command="camlucida evaluate 'a\"><img src=x>'",
    versions={"camlucida": "0.1.0"},
    forwards=123456,
    seconds=81.6,
    notes=[named("gradcam and hirescam give the same map")],
    failures=["b.png is truncated"],
    cases_rule=named("Chosen by hand."),
    level=0.95,
    replicates=2000,
)


@pytest.fixture(scope="module")
def tables():
    rows, curves, sanity = evaluation(patients=12)
    return rows, curves, sanity, summarise(rows), differences(rows)


def examples(rows):
    return [Example(case, f"{case.which}.png") for case in best_median_worst(rows).maps]


def write(out, rows, curves, sanity, about=ABOUT):
    tables = EvaluationTables(rows, curves, sanity, summarise(rows), differences(rows))
    return write_evaluation_page(out, tables, about, [])


@pytest.fixture(scope="module")
def page(tables, tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    about = replace(ABOUT, cases_rule=best_median_worst(tables[0]).rule)
    path = write_evaluation_page(out, EvaluationTables(*tables), about, examples(tables[0]))
    assert path == out / "evaluation.html"
    return path


def test_names_are_escaped(page):
    text = page.read_text()
    for raw in ("<script>", "<img src=x>", "<b>"):
        assert raw not in text
    for words in (
        "&lt;b&gt;nodule&lt;/b&gt;",
        "&lt;script&gt;",
        "b.png is truncated",
        "gradcam and hirescam give",
        "SYNTHETIC",
    ):
        assert words in text
    assert "http" not in text.replace("http-equiv", "")  # no remote resource


def test_the_numbers_are_those_of_the_tables(page, tables):
    text = page.read_text()
    rows, _, sanity, summary, compared = tables
    for line in summary.query("metric == 'road' and output == 'probability'").to_dict("records"):
        interval = f"[{number_or_dash(line['low'])}, {number_or_dash(line['high'])}]"
        # Pages set a minus sign, not a hyphen.
        assert f"{number_or_dash(line['estimate'])} {interval}".replace("-", "−") in text
    for line in over_all_labels(summary).query("metric == 'hit'").to_dict("records"):
        assert (
            f"chance {number_or_dash(line['chance'])} · ceiling {number_or_dash(line['ceiling'])}"
            in text
        )
        assert f"÷ ceiling {number_or_dash(line['over_ceiling'])}" in text
    for line in compared.sample(10, random_state=0).to_dict("records"):
        assert f">{number_or_dash(line['p_holm'], '.2g')}<" in text
    for line in gate_table(sanity).to_dict("records"):
        assert f">{number_or_dash(line['similarity'])}<" in text
        block = f"{line['block'] + 1}: {line['block_name']}</td>"
        row = text[text.index(block) :].replace("\n", "")[:300]
        assert f">{line['images']}<" in row
        assert f">{line['patients']}<" in row
    assert f"{rows['image'].nunique()} of {rows['patient'].nunique()} patients" in text
    assert "123,456 forward passes of one image" in text
    assert f"{123456 / (12 * 2 * 2 * 7):.1f} a map" in text
    assert "nan" not in text.replace("nano", "")


def test_a_map_of_several_layers_is_shown_with_their_names(tables, tmp_path):
    blocks = "blocks.0 … blocks.11"
    frames = [table.replace({"layer": {LAYER: "(input)"}}) for table in tables]
    about = replace(ABOUT, shown_layers={("gradcam", "(input)"): blocks})
    path = write_evaluation_page(tmp_path, EvaluationTables(*frames), about, [])
    text = path.read_text("utf-8").replace("<wbr>", "")
    assert f"<td>gradcam</td><td>{blocks}</td>" in text
    assert "<td>hirescam</td><td>(input)</td>" in text


def test_the_cases_are_shown_with_their_pictures(page, tables):
    text = page.read_text()
    for case in examples(tables[0]):
        assert f"{case.chosen.which.capitalize()}: {case.chosen.image}" in text
        assert f'src="{case.picture}"' in text
    assert "Chosen by Average precision over area ÷ the ceiling of its grid" in text
    assert "<p>Average precision over area " in text
    assert "ceiling –" not in text


def test_numbers_are_aligned_right(tables):
    ranks = list(zip(*rank_table(ranking(tables[3])).rows))
    compared = list(zip(*difference_table("differences", tables[4]).rows))
    assert all(map(is_numeric, ranks[2:]))
    assert all(map(is_numeric, compared[3:6]))


def test_figures_lie_beside_the_page(page):
    for name in ("ranking", "curves", "sanity"):
        for suffix in ("png", "svg"):
            file = page.parent / f"evaluation_{name}.{suffix}"
            assert file.stat().st_size > 1000
            assert file.name in page.read_text()


def test_the_page_of_a_small_run_lists_what_is_missing(tmp_path):
    rows = pd.DataFrame(
        [row(value=0.5, synthetic=False), row(metric="gini", value=np.nan, synthetic=False)]
    )
    none = pd.DataFrame()
    curves = pd.DataFrame(
        columns=["method", "layer", "baseline", "curve", "output", "share", "value", "patient"]
    )
    sanity = pd.DataFrame(columns=["method", "layer", "mode", "block"])
    about = replace(ABOUT, sha256=None, notes=[], failures=[])
    text = write(tmp_path, rows, curves, sanity, about).read_text()
    for words in (
        "Nothing to compare",
        "No perturbation curve",
        "Parameter randomisation was not run",
        "1 of 1 patient<",
    ):
        assert words in text
    assert "SYNTHETIC" not in text
    assert "Failed:" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evaluation.html",
        "evaluation_ranking.png",
        "evaluation_ranking.svg",
    ]
    assert write(tmp_path, rows, none, none, about).is_file()


def test_a_run_in_which_every_image_failed_has_a_page(tmp_path):
    rows, none = pd.DataFrame([row()])[:0], pd.DataFrame()
    text = write(tmp_path, rows, none, none).read_text()
    assert "b.png is truncated" in text
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.html"]


def limit_texts(rows, sanity=None, failures=1):
    """The limits of a run, in one text."""
    summary = summarise(rows)
    gate = gate_table(
        sanity if sanity is not None else pd.DataFrame(columns=["method", "layer", "mode", "block"])
    )
    messages = limits(rows, summary, differences(rows), ranking(summary), gate, failures)
    return " | ".join(map(str, messages))


def test_each_limit_has_the_number_of_this_run(tables):
    rows, _, sanity, summary, compared = tables
    text = limit_texts(rows, sanity)
    assert "there are 12 patients. No interval is given where fewer than 10 patients" in text
    assert f"which applies to 0 of {len(summary)} means" in text
    assert "24 of 24 images are synthetic" in text
    assert "1 image failed and is excluded from all results" in text
    assert "8.3%, is that of gradcam by Average precision over area" in text  # 1 of 12 patients
    assert "gradcam 8.3%, hirescam 0.0%" in text
    assert f"within a layer; one layer was evaluated: {LAYER}" in text
    assert f"Pointing game at {LAYER} 0.85" in text
    between = compared[compared["against"] == "method"]
    assert (
        f"Of {len(between)} tested differences between two methods, "
        f"{(between['better'] != '').sum()} have p < 0.05" in text
    )
    fair = compared[(compared["against"] == "baseline") & (compared["second"] != "oracle")]
    assert f"in {(fair['better'] == 'second').sum()} of these the baseline is better" in text
    drops = over_all_labels(summary).query(
        "metric == 'average_drop' and output == 'probability' and not baseline"
    )
    best = drops.loc[drops["estimate"].idxmin()]
    assert (
        "Average drop (probability) 0.002; "
        f"the best method, {best['method']}, {number_or_dash(best['estimate'])}" in text
    )
    assert "Increase in confidence (probability) 1; the best method" in text
    assert "Of 6 tests of a method, layer and label, 4 show that the maps depend" in text
    assert "0 are unclear, which says nothing against them" in text
    assert f"learnt: eigencam at {LAYER} (effusion), eigencam at {LAYER} (<b>nodule</b>)" in text
    assert "Kendall's W 0." in text


def test_limits_of_a_run_without_the_gaming_map_and_of_few_patients():
    rows = pd.DataFrame(
        [row(f"i{k}", f"p{k}", metric="average_drop", output="logit", value=0.1) for k in range(3)]
    )
    text = limit_texts(rows, failures=0)
    assert "there are 3 patients" in text
    assert "which applies to 1 of 1 means" in text
    assert "“fake_cam”, a map of nearly all ones that carries no evidence" in text
    assert "it was not measured in this evaluation" in text
    assert "Failed" not in text
    assert "tested differences" not in text
    assert "average drop" not in limit_texts(pd.DataFrame([row()])).lower()


def test_a_case_with_its_film_and_map_opens_the_viewer(tables, tmp_path):
    drawn = examples(tables[0])
    first = replace(drawn[0], view="best.view.js")
    write_case(case_file(tmp_path / first.view, [_example()], outlines=[]))
    about = replace(ABOUT, cases_rule=best_median_worst(tables[0]).rule)
    path = write_evaluation_page(tmp_path, EvaluationTables(*tables), about, [first, *drawn[1:]])
    text = path.read_text()
    assert text.count("data-case=") == 1
    assert f'data-case="{first.view}"' in text
    assert 'data-viewer="dialog"' in text
    data = text.partition('<script type="application/json">')[2].partition("</script>")[0]
    (case,) = json.loads(data)["cases"]
    assert case["id"] == first.view
    assert case["data"]["film"]["width"] == 8
    assert len(case["data"]["maps"]) == 1
