"""Sentences: the words of a language with the values of a run."""

import re
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.core.numbers import number
from camlucida.core.wording import Citation, Texts, clean, languages, placeholders
from camlucida.report.document import Estimate, Sentence
from camlucida.report.references import REFERENCES
from camlucida.report.sections import SECTIONS

EN, ZH = Texts.load("en"), Texts.load("zh")
NAN = float("nan")


def say(template: str, language: Texts = EN, **values) -> str:
    texts = Texts(language.language, {**language.templates, "t": template})
    return texts.say(Sentence("t", values))


@pytest.mark.parametrize(
    ("value", "spec", "words"),
    [
        (-1.25, ".2f", "−1.25"),
        (-0.0004, ".2f", "0.00"),
        (-0.0004, ".0%", "0%"),
        (0.256, ".1%", "25.6%"),
        (1e-5, "", "1e−05"),
        (12345, "", "12345"),
        (12345.6, "", "12346"),
        (999.7, "", "1000"),
        (0.12345, "", "0.123"),
        (-3, "+d", "−3"),
        (3, "+d", "+3"),
    ],
)
def test_numbers(value, spec, words):
    assert number(value, spec) == words


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_what_was_not_measured_is_not_said(value):
    with pytest.raises(ValueError, match="not a number that can be said"):
        say("{x:.2f}", x=value)
    with pytest.raises(ValueError, match="not a number that can be said"):
        say("{x}", x=Estimate(value))


@pytest.mark.parametrize(
    ("estimate", "english", "chinese"),
    [
        (
            Estimate(0.812, 0.76, 0.861, 0.5),
            "0.812 [0.760, 0.861], chance 0.500",
            "0.812 [0.760, 0.861]，随机水平为0.500",
        ),
        (Estimate(-0.1, -0.2, 0.0), "−0.100 [−0.200, 0.000]", "−0.100 [−0.200, 0.000]"),
        (
            Estimate(0.5),
            "0.500 (no interval: it rests on fewer than 10 patients)",
            "0.500（所依据的患者不足10名，无置信区间）",
        ),
        (Estimate(0.25, 0.1, 0.4, percent=True), "25.0% [10.0%, 40.0%]", "25.0% [10.0%, 40.0%]"),
    ],
)
def test_estimates_are_said_with_all_that_belongs_to_them(estimate, english, chinese):
    assert say("{x}", x=estimate) == english
    assert say("{x}", ZH, x=estimate) == chinese


def test_an_estimate_by_a_spec():
    assert say("{x:.0f} years", x=Estimate(3.4, 2.6, 4.2)) == "3 [3, 4] years"


def test_cells_are_short_and_a_hole_is_a_dash():
    assert EN.cell(Estimate(0.5, 0.4, 0.6, 0.1)) == ("0.500 [0.400, 0.600] (chance 0.100)",)
    assert EN.cell(Estimate(0.5)) == ("0.500",)
    assert EN.cell(Estimate(NAN)) == EN.cell(NAN) == ("–",)
    assert EN.cell(3) == ("3",)
    assert EN.cell(["a", "b"]) == ("a and b",)
    assert EN.cell(Sentence("sections.data")) == ("Data",)


def test_lists_and_plurals():
    assert say("{x}", x=["a"]) == "a"
    assert say("{x}", x=["a", "b"]) == "a and b"
    assert say("{x}", x=("a", "b", "c")) == "a, b and c"
    assert say("{x}", ZH, x=["a", "b", "c"]) == "a、b和c"
    assert [say("{n} {n:|film|films}", n=n) for n in (0, 1, 2)] == ["0 films", "1 film", "2 films"]


@pytest.mark.parametrize("value", [[], True, None, 1j, object()])
def test_what_cannot_be_said_is_a_fault(value):
    with pytest.raises((ValueError, TypeError)):
        say("{x}", x=value)


def test_values_are_those_of_the_sentence():
    for values in ({}, {"x": 1, "y": 2}):
        with pytest.raises(ValueError, match="placeholders"):
            say("{x}", **values)
    with pytest.raises(ValueError, match="is no number"):
        say("{x:.2f}", x="text")
    with pytest.raises(KeyError):
        EN.say(Sentence("no.such"))


def test_citations_are_of_the_text_never_of_a_value():
    texts = Texts(
        "en", {**EN.templates, "t": "Grad-CAM [@selvaraju2017] of {label}.", "u": "({x})"}
    )
    sentence = Sentence("u", {"x": Sentence("t", {"label": "[@adebayo2018] {x}"})})
    assert texts.pieces(sentence) == (
        "(Grad-CAM ",
        Citation("selvaraju2017"),
        " of [@adebayo2018] {x}.)",
    )
    assert texts.say(sentence) == "(Grad-CAM [@selvaraju2017] of [@adebayo2018] {x}.)"


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_becomes_one_line_that_can_be_written(text):
    cleaned = clean(text)
    assert len(cleaned.encode().splitlines()) <= 1
    assert clean(cleaned) == cleaned


def test_what_is_no_character_is_taken_out():
    assert clean("a\x00\udc80\n\u202eb") == "a ? b"


def test_unknown_languages_name_the_known():
    with pytest.raises(UsageError, match=r"unknown language 'pt'.*en, zh"):
        Texts.load("pt")
    assert {"en", "zh"} <= set(languages())


@pytest.mark.parametrize("language", languages())
def test_every_language_has_the_same_sentences_with_the_same_placeholders(language):
    texts = Texts.load(language)
    assert list(texts.templates) == list(EN.templates)
    for key, template in texts.templates.items():
        assert placeholders(template) == placeholders(EN.templates[key]), key
        assert set(re.findall(r"\[@(.*?)\]", template)) == set(
            re.findall(r"\[@(.*?)\]", EN.templates[key])
        ), key
        for literal, _, spec, _ in Formatter().parse(template):
            assert "  " not in literal, key
            assert not (spec or "").startswith("|") or spec.count("|") == 2, key
    assert not re.search(r"[;:,.] ?。|，，", "".join(texts.templates.values()))


def test_every_section_has_a_title():
    assert {f"sections.{name}" for name in SECTIONS} <= set(EN.templates)


def test_every_citation_has_a_reference():
    cited = {
        key for template in EN.templates.values() for key in re.findall(r"\[@(.*?)\]", template)
    }
    assert cited <= set(REFERENCES)


def test_references_read_as_references():
    assert str(REFERENCES["saporta2022"]) == (
        "Saporta A, Gui X, Agrawal A, et al. Benchmarking saliency methods for chest X-ray interpretation. "
        "Nature Machine Intelligence 4:867–878, 2022."
    )
