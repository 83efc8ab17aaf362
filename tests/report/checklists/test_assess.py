"""An item is answered where its section is there and its facts hold, and not otherwise."""

from dataclasses import replace

import pandas as pd
import pytest

from camlucida.report.build import build_report
from camlucida.report.checklists import CHECKLISTS, ChecklistItem
from camlucida.report.checklists.assess import assess, count_states
from camlucida.report.checklists.facts import FACTS
from camlucida.report.document import Message
from camlucida.report.evaluations import Evaluation
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.sections import SECTIONS
from camlucida.report.writers.html import html
from camlucida.report.writers.markdown import markdown
from tests.support.documents import english_in

CLAIM = CHECKLISTS["claim"]
EVERY = [name for name, _ in SECTIONS.items()]


def states(report, sections=EVERY, checklist=CLAIM):
    return {each.item.number: each for each in assess(checklist, report, sections)}


def evaluated(metric="psc", gate=True):
    table = pd.DataFrame({"verdict": ["depends"]}) if gate else None
    return Evaluation("net", "0", pd.DataFrame({"metric": [metric]}), table)


def test_the_three_states(gathered):
    items = states(gathered)
    assert items["3"].state == "author"
    assert items["28"].state == "answered"
    assert (items["28"].sections, items["28"].missing) == (("results",), ())
    assert items["22"].state == "partly"
    assert "architecture" in str(items["22"].missing[0])
    counts = count_states(list(items.values()))
    assert counts["items"] == 44 == sum(counts[state] for state in ("answered", "partly", "author"))


def test_a_section_that_is_not_there_answers_nothing(gathered):
    items = states(gathered, ["data"])
    assert items["28"].state == "author"
    assert {each.sections for each in items.values()} == {(), ("data",)}


def test_the_sanity_check_answers_the_item_on_explainability(gathered):
    without = states(replace(gathered, evaluations=()))["31"]
    assert without.state == "author"
    assert "cascading_randomisation" in str(without.missing[0])
    assert states(replace(gathered, evaluations=(evaluated(),)))["31"].state == "answered"
    no_gate = replace(gathered, evaluations=(evaluated(gate=False),))
    assert states(no_gate)["31"].state == "author"


def test_stability_or_a_comparison_answers_robustness(gathered):
    alone = replace(gathered, comparisons=())
    for metric, state in (("psc", "answered"), ("hit", "author")):
        report = replace(alone, evaluations=(evaluated(metric),))
        assert states(report)["30"].state == state


@pytest.mark.parametrize(
    ("splits", "patients", "known", "code"),
    [
        (["a", "b"], ["p", "q"], [True, True], None),
        (["a", "b"], ["p", "p"], [True, True], "checklist_facts.shared"),
        (["a", "a"], ["p", "q"], [True, True], "checklist_facts.one_split"),
        (["a", "b"], ["p", "q"], [True, False], "checklist_facts.no_patients"),
    ],
)
def test_disjoint_splits(gathered, splits, patients, known, code):
    images = pd.DataFrame({"split": splits, "patient": patients, "patient_known": known})
    missing = FACTS["disjoint"](replace(gathered, images=images))
    assert (missing and missing.code) == code


def test_few_patients_have_no_interval(gathered):
    assert FACTS["intervals"](gathered).code == "checklist_facts.intervals"
    performance = gathered.performance[0]
    figures = performance.figures.assign(interval_method="bca")
    report = replace(gathered, performance=(replace(performance, figures=figures),))
    assert FACTS["intervals"](report) is None


def test_an_unknown_fact_is_a_fault(gathered):
    item = ChecklistItem("1", Message("words.model"), ("data",), ("gone",), "")
    with pytest.raises(KeyError, match="gone"):
        assess(replace(CLAIM, items=(item,)), gathered, EVERY)


@pytest.mark.parametrize("name", list(CHECKLISTS))
def test_the_section_links_to_sections_of_the_report(small_run, tmp_path, name):
    document = build_report([small_run], tmp_path, ["data", "limitations"], checklists=[name])
    assert [section.name for section in document.sections][-1] == f"checklist-{name}"
    rendered = render_document(document)
    assert rendered.failures == ()
    page = html(rendered)
    table = page[page.index(f'id="table-checklist_{name.replace("-", "_")}"') :]
    assert 'href="#limitations"' in table
    assert 'href="#results"' not in table
    assert "#data" in markdown(rendered)


def test_a_chinese_checklist_has_no_english_sentence(small_run, tmp_path):
    document = build_report([small_run], tmp_path, ["references"], checklists=list(CHECKLISTS))
    text = markdown(render_document(document, load_texts("zh")))
    assert "## 参考文献" in text
    text = text.replace("camlucida evaluate RUN --metrics", "").replace("camlucida report RUN", "")
    assert not english_in(text)
