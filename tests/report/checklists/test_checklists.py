"""The checklists are data: numbers in order, and sections, facts and sources that exist."""

import re

import pytest

from camlucida.core.messages import ENGLISH
from camlucida.report.checklists import CHECKLISTS, assess
from camlucida.report.checklists.facts import FACTS
from camlucida.report.references import REFERENCES
from camlucida.report.sections import SECTIONS

LAST = {"claim": 44, "stard-ai": 40, "tripod-ai": 27}
"""Numbers of the items as published."""


@pytest.mark.parametrize("name", list(CHECKLISTS))
def test_every_item_is_there_once_and_in_order(name):
    numbers = [item.number for item in CHECKLISTS[name].items]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers, key=lambda number: (int(re.sub(r"\D", "", number)), number))
    assert {int(re.sub(r"\D", "", number)) for number in numbers} == set(range(1, LAST[name] + 1))


NOTES = "checklist_notes."


@pytest.mark.parametrize("name", list(CHECKLISTS))
def test_items_name_what_exists(name):
    checklist = CHECKLISTS[name]
    assert checklist.reference in REFERENCES
    for item in checklist.items:
        assert set(item.sections) <= {section for section, _ in SECTIONS.items()}
        assert set(item.facts) <= set(FACTS)
        assert not item.note or f"{NOTES}{item.note}" in ENGLISH
        assert item.sections or not (item.facts or item.note)


def test_every_fact_and_note_is_used():
    items = [item for name in CHECKLISTS for item in CHECKLISTS[name].items]
    assert {fact for item in items for fact in item.facts} == set(FACTS)
    assert assess.assess  # its module declares the notes
    notes = {code.removeprefix(NOTES) for code in ENGLISH if code.startswith(NOTES)}
    assert {item.note for item in items} - {""} == notes


@pytest.mark.parametrize(
    ("name", "number", "topic"),
    [
        ("claim", "20", "disjoint"),
        ("claim", "30", "Robustness"),
        ("claim", "31", "Explainability"),
        ("claim", "39", "failures"),
        ("stard-ai", "15a", "Index test"),
        ("stard-ai", "18", "estimating and comparing accuracy"),
        ("stard-ai", "23", "fairness"),
        ("stard-ai", "25", "Characteristics"),
        ("stard-ai", "30", "Cross-tabulation"),
        ("stard-ai", "31", "precision"),
        ("stard-ai", "40b", "audit"),
        ("tripod-ai", "13", "imbalance"),
        ("tripod-ai", "23a", "Performance with intervals"),
    ],
)
def test_numbers_stand_for_what_the_checklist_gives_them(name, number, topic):
    (item,) = (item for item in CHECKLISTS[name].items if item.number == number)
    assert topic in str(item.topic)
    assert item.sections
