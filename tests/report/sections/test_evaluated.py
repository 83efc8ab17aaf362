"""Every metric that was measured is in the report, the main ones first."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from camlucida.core.messages import english
from camlucida.report.document import Details, Table
from camlucida.report.evaluations import Evaluation
from camlucida.report.locale import load_texts
from camlucida.report.sections.evaluated import COLUMNS, evaluated


def summary_of(metrics: dict[str, float]) -> pd.DataFrame:
    """The summary of an evaluation of one method with these estimates."""
    rows = [
        {
            "label": "A",
            "method": "gradcam",
            "layer": "last",
            "baseline": False,
            "metric": metric,
            "output": "",
            "estimate": estimate,
            "low": estimate,
            "high": estimate,
            "interval_method": "none",
            "chance": float("nan"),
        }
        for metric, estimate in metrics.items()
    ]
    return pd.DataFrame(rows)


def blocks_of(metrics: dict[str, float]):
    report = SimpleNamespace(evaluations=(Evaluation("m", "0", summary_of(metrics), None),))
    return evaluated(report)


def columns(table: Table) -> list[str]:
    return [english(title) for title in table.head[1:]]


def test_a_metric_beside_the_main_ones_is_shown():
    main, others = blocks_of({"gini": 0.4, "hit": 0.5, "roc_auc": float("nan")})
    assert len(main.head) == 2
    (table,) = others.blocks
    assert table.rows[0][1].estimate == 0.4
    assert isinstance(others, Details)
    # What has no value of any method has no column.
    assert len(table.head) == 2


def test_many_metrics_stand_in_tables_that_fit_a_page():
    names = ("gini", "entropy", "area_above_half", "components", "centre_row", "centre_column")
    main, others = blocks_of({"hit": 0.5, **dict.fromkeys(names, 0.1)})
    assert [len(table.head) - 1 for table in others.blocks] == [COLUMNS, 1]
    titles = [title for table in others.blocks for title in columns(table)]
    assert len(set(titles)) == len(names)
    assert not set(titles) & set(columns(main))


def test_only_main_metrics_need_no_further_table():
    blocks = blocks_of({"hit": 0.5})
    assert [type(block) for block in blocks] == [Table]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "(images: 12–16, patients: 8)"),
        ("zh", "（图像：12–16，患者：8）"),
        ("pt", "(imagens: 12–16, pacientes: 8)"),
    ],
)
def test_a_sanity_check_states_images_and_patients(language, words):
    line = {"method": "gradcam", "layer": "last", "verdict": "depends", "patients": 8}
    numbers = {"similarity": 0.1, "null": 0.3, "more": 0.0}
    rows = [{**line, **numbers, "labels": (str(n),), "images": n} for n in (16, 12)]
    evaluation = Evaluation("m", "0", summary_of({"hit": 0.5}), pd.DataFrame(rows))
    *_, paragraph = evaluated(SimpleNamespace(evaluations=(evaluation,)))
    assert words in load_texts(language).render(paragraph.sentences[0])


@pytest.mark.parametrize("language", ["en", "zh", "pt"])
def test_an_unclear_check_names_patients_only_where_they_would_decide(language):
    line = {"method": "gradcam", "layer": "last", "verdict": "unclear", "patients": 8}
    numbers = {"similarity": 0.93, "null": 0.93, "images": 8}
    texts = load_texts(language)

    def sentence(*more):
        rows = [{**line, **numbers, "labels": (str(each),), "more": each} for each in more]
        evaluation = Evaluation("m", "0", summary_of({"hit": 0.5}), pd.DataFrame(rows))
        *_, paragraph = evaluated(SimpleNamespace(evaluations=(evaluation,)))
        return texts.render(paragraph.sentences[0])

    assert "17" in sentence(3.0, 17.0)
    assert "17" not in sentence(17.0, float("nan")).replace("17.0", "")
