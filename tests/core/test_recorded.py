"""Lines that are recorded in English and said again in another language."""

import re
from string import Formatter

import pytest

from camlucida.core.messages import Sentence, chain, named
from camlucida.core.recorded import english, heard, line
from camlucida.core.wording import Texts, placeholders

EN, ZH = Texts.load("en"), Texts.load("zh")
TABLES = ("notes", "preprocessing", "empty")
KEYS = [key for key in EN.templates if key.partition(".")[0] in TABLES]


def values(key: str) -> dict[str, object]:
    """A value for each placeholder: a number where the template has words for one, else a name."""
    counted = {name for _, name, spec, _ in Formatter().parse(EN.templates[key]) if spec}
    return {name: 3 if name in counted else f"{name}_7" for name in placeholders(EN.templates[key])}


@pytest.mark.parametrize("key", KEYS)
def test_what_was_recorded_is_understood(key):
    given = values(key)
    for known in (given, {name: 1 if value == 3 else value for name, value in given.items()}):
        assert heard(line(key, **known), key.partition(".")[0]) == Sentence(key, known)


@pytest.mark.parametrize("key", KEYS)
def test_and_said_in_chinese(key):
    said = ZH.say(heard(line(key, **values(key)), key.partition(".")[0]))
    assert re.search("[一-龥]", said)
    assert not re.search(r"(?:[A-Za-z]{2,} ){2}", said)


def test_a_sentence_in_a_sentence():
    step = line("preprocessing.antialias", rows=384, columns=288, height=128, width=128)
    whole = line("preprocessing.stretched", resize=step, stretch="1.33")
    assert (
        whole
        == "resize: 384 × 288 → 128 × 128, bilinear with antialiasing, width stretched 1.33 times against height"
    )
    said = ZH.say(heard(whole, "preprocessing"))
    assert said == "缩放：384 × 288 → 128 × 128，双线性插值，抗锯齿，宽度相对高度拉伸1.33倍"


def test_what_a_line_is_of_stays_before_it():
    assert (
        ZH.say(heard("seed: 42: 2 images without a mask: a, b", "notes"))
        == "“seed: 42: 2 images without a mask: a, b”"
    )
    assert (
        ZH.say(heard("unet: 2 images without a mask: a, b", "notes"))
        == "unet：2张图像没有掩膜：a, b"
    )


@pytest.mark.parametrize(
    "text",
    ["", "a.png is broken (save it again)", "3 images without", "no cell speaks for the target"],
)
def test_another_line_is_a_quotation(text):
    assert EN.say(heard(text, "notes")) == text
    assert ZH.say(heard(text, "notes")) == f"“{text}”"


def test_names_that_look_like_numbers_stay_as_they_are():
    assert heard("1 image without a mask: 007", "notes").values == {"count": 1, "names": "007"}


def test_sentences_in_lists_and_chains():
    names = [named("a"), Sentence("roles.TP"), "c"]
    assert (
        EN.say(Sentence("selection.no_outcome", {"outcomes": names}))
        == "there is no a, TP, c among the cases with a map"
    )
    assert (
        ZH.say(Sentence("selection.no_outcome", {"outcomes": names}))
        == "有热图的病例中没有a、真阳性、c"
    )
    assert english(chain("words.clause", [named("a"), named("b"), named("c")])) == "a; b; c"
    assert chain("words.clause", [named("a")]) == named("a")
