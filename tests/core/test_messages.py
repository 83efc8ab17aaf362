"""Sentences: the words of a language with the values of a run."""

import ast
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import camlucida
from camlucida.core.errors import UsageError
from camlucida.core.messages import (
    ENGLISH,
    Citation,
    Message,
    Texts,
    chain,
    clean,
    declare,
    english,
    named,
    placeholders,
    prefixed,
    quoted,
)
from camlucida.core.numbers import number
from camlucida.report.document import Estimate
from camlucida.report.locale import languages, load_texts
from camlucida.report.references import REFERENCES
from tests.support.modules import import_all

EN, ZH = load_texts("en"), load_texts("zh")
NAN = float("nan")


def say(template: str, language: Texts = EN, **values) -> str:
    texts = Texts(language.language, {**language.catalogue, "t": template})
    return texts.render(Message("t", values))


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
        (0, "p", "0.000"),
        (0.00049, "p", "< 0.001"),
        (0.0005, "p", "0.001"),
        (1, "p", "1.000"),
    ],
)
def test_numbers(value, spec, words):
    assert number(value, spec) == words


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_what_was_not_measured_is_not_said(value):
    with pytest.raises(ValueError, match="not a number that can be written"):
        say("{x:.2f}", x=value)
    with pytest.raises(ValueError, match="not a number that can be written"):
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
            "0.500 (no interval: fewer than 10 patients)",
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
    assert EN.cell(Message("words.seed")) == ("training seed",)


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


def test_citations_are_of_the_text_never_of_a_value():
    texts = Texts(
        "en", {**EN.catalogue, "t": "Grad-CAM [@selvaraju2017] of {label}.", "u": "({x})"}
    )
    sentence = Message("u", {"x": Message("t", {"label": "[@adebayo2018] {x}"})})
    assert texts.pieces(sentence) == (
        "(Grad-CAM ",
        Citation("selvaraju2017"),
        " of [@adebayo2018] {x}.)",
    )
    assert texts.render(sentence) == "(Grad-CAM [@selvaraju2017] of [@adebayo2018] {x}.)"


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_becomes_one_line_that_can_be_written(text):
    cleaned = clean(text)
    assert len(cleaned.encode().splitlines()) <= 1
    assert clean(cleaned) == cleaned


def test_what_is_no_character_is_taken_out():
    assert clean("a\x00\udc80\n\u202eb") == "a ? b"


def test_unknown_languages_name_the_known():
    with pytest.raises(UsageError, match=r"unknown language 'xx'.*en, pt, zh"):
        load_texts("xx")
    assert {"en", "pt", "zh"} <= set(languages())


@pytest.mark.parametrize("language", languages())
def test_no_small_probability_reads_as_zero(language):
    import_all()
    texts = load_texts(language)
    for code in ENGLISH:
        for _, name, spec, _ in Formatter().parse(texts.template(code)):
            if name in ("probability", "confidence"):
                assert spec in ("p", "+.3f", ""), code


@pytest.mark.parametrize("language", sorted({*languages()} - {"en"}))
def test_a_catalogue_has_declared_codes_with_the_same_placeholders(language):
    import_all()
    texts = load_texts(language)
    assert set(texts.catalogue) <= set(ENGLISH)
    for code, template in texts.catalogue.items():
        assert placeholders(template) == placeholders(ENGLISH[code]), code
        assert cited(template) == cited(ENGLISH[code]), code
    assert not re.search(r"[;:,.] ?。|，，", "".join(texts.catalogue.values()))


def test_templates_are_well_formed():
    import_all()
    for code, template in ENGLISH.items():
        for literal, _, spec, _ in Formatter().parse(template):
            assert "  " not in literal, code
            assert not (spec or "").startswith("|") or spec.count("|") == 2, code


@pytest.mark.parametrize("language", ["pt", "zh"])
def test_a_catalogue_is_complete(language):
    """English is the fallback of extensions; every text of the package is translated."""
    import_all()
    tables = {code.partition(".")[0] for code in declared_in()}
    codes = {code for code in ENGLISH if code.partition(".")[0] in tables}
    assert not codes - set(load_texts(language).catalogue)


def test_every_citation_has_a_reference():
    import_all()
    assert {key for template in ENGLISH.values() for key in cited(template)} <= set(REFERENCES)


def test_a_message_survives_json():
    message = Message(
        "words.of",
        {"of": "seed 42", "line": Message("words.clause", {"first": "a", "then": Estimate(0.5)})},
    )
    assert Message.from_json(json.loads(json.dumps(message.to_json()))).dumps() == message.dumps()
    assert Message.loads(message.dumps()).to_json() == message.to_json()
    assert Message.loads("empty.zero") == Message("empty.zero")


def test_a_code_that_nobody_declares_is_shown_with_its_values():
    assert EN.render(Message("no.such", {"count": 2})) == "no.such: count=2"
    assert ZH.render(Message("no.such")) == "no.such"


def test_a_missing_translation_falls_back_to_english():
    declare("test_fallback", {"hello": "hello {name}"})
    assert ZH.render(Message("test_fallback.hello", {"name": "x"})) == "hello x"


def test_a_code_has_one_text():
    declare("test_twice", {"a": "one"})
    declare("test_twice", {"a": "one"})
    with pytest.raises(ValueError, match="declared twice"):
        declare("test_twice", {"a": "two"})


def test_chains_and_names():
    assert english(chain("words.clause", [named("a"), named("b"), named("c")])) == "a; b; c"
    assert chain("words.clause", [named("a")]) == named("a")
    assert ZH.render(prefixed("unet", quoted("a.png is broken"))) == "unet：“a.png is broken”"


def cited(template):
    return set(re.findall(r"\[@(.*?)\]", template))


def test_references_read_as_references():
    assert str(REFERENCES["saporta2022"]) == (
        "Saporta A, Gui X, Agrawal A, et al. Benchmarking saliency methods for chest X-ray "
        "interpretation. "
        "Nature Machine Intelligence 4:867–878, 2022."
    )


SOURCE = Path(camlucida.__file__).parent


def module_name(path):
    parts = ("camlucida", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


@cache
def trees():
    """Module → its syntax tree."""
    return {module_name(path): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}


@cache
def calls():
    """Function called by its name → (module, call) of each call with arguments."""
    found = defaultdict(list)
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name):
                found[node.func.id].append((module, node))
    return found


def declared_in():
    """Code, or "table." where names are made at registration → the modules that declare it."""
    modules = defaultdict(set)
    for module, call in calls()["declare"]:
        table, texts = call.args
        for key in texts.keys:
            name = key.value if isinstance(key, ast.Constant) else ""
            modules[f"{table.value}.{name}"].add(module)
    return modules


def codes_of(node):
    """Codes that the argument may be: (the code or its beginning, whether it is whole)."""
    if isinstance(node, ast.Constant):
        return [(node.value, True)]
    if isinstance(node, ast.IfExp):
        return codes_of(node.body) + codes_of(node.orelse)
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return [(node.values[0].value, False)]
    return []


def uses():
    """(module, code or its beginning, whether it is whole) of each message that is made."""
    made = calls()["Message"]
    return [(module, *use) for module, call in made for use in codes_of(call.args[0])]


def at_import(statements):
    """Statements that run when a module is imported."""
    for node in statements:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield node
        typing_only = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for branch in ("orelse",) if typing_only else ("body", "orelse", "handlers", "finalbody"):
            yield from at_import(getattr(node, branch, []))


def with_packages(module):
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts) + 1)}


def imported_by(module):
    """The modules of the package that importing ``module`` imports at once."""
    names = set()
    for node in at_import(trees()[module].body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    reached = set().union(*map(with_packages, {module} | (names & set(trees()))))
    return reached - {module}


def loaded_with(module, graph):
    reached, rest = set(), [module]
    while rest:
        name = rest.pop()
        if name not in reached:
            reached.add(name)
            rest += graph[name]
    return reached


def test_every_code_that_is_used_is_declared():
    import_all()
    missing = [(module, code) for module, code, whole in uses() if whole and code not in ENGLISH]
    assert not missing
    begun = [(module, code) for module, code, whole in uses() if not whole]
    assert not [use for use in begun if not any(code.startswith(use[1]) for code in ENGLISH)]


def test_who_uses_a_code_imports_the_module_that_declares_it():
    """A code whose module is not imported would be rendered as the code itself."""
    graph = {module: imported_by(module) for module in trees()}
    loaded = {module: loaded_with(module, graph) for module in {use[0] for use in uses()}}
    declared = declared_in()
    missing = []
    for module, code, whole in uses():
        table = f"{code.partition('.')[0]}."
        if whole:
            declaring = declared.get(code) or declared.get(table, set())
        else:
            texts = (modules for other, modules in declared.items() if other.startswith(code))
            declaring = set().union(*texts) or declared.get(table, set())
        if not declaring & loaded[module]:
            missing.append((module, code, sorted(declaring)))
    assert not missing
