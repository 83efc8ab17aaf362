"""Option names of other tools, underscores, a leading ``--``."""

import re

import pytest
import typer

from camlucida.cli import app
from camlucida.cli.option_words import ALIASES, ANSWERS
from camlucida.core.errors import UsageError
from tests.support.command_line import run_once

COMMANDS = typer.main.get_command(app).commands


def parsed(command: str, *words: str) -> dict[str, object]:
    """The values that a command would get."""
    each = COMMANDS[command]
    return each.make_context(command, list(words), resilient_parsing=True).params


@pytest.mark.parametrize(
    ("command", "words", "name", "value"),
    [
        ("evaluate-regression", ["--output-dir", "x"], "out", "x"),
        ("evaluate-regression", ["--output_dir=x"], "out", "x"),
        ("evaluate-regression", ["--image-size", "64"], "size", 64),
        ("evaluate-regression", ["--min-age", "20"], "min_value", 20.0),
        ("evaluate-regression", ["--max_age", "60"], "max_value", 60.0),
        ("evaluate-regression", ["--top-n", "7"], "top", 7),
        ("explain-segmentation", ["--n-samples", "3"], "num_samples", 3),
        ("explain-segmentation", ["--checkpoint", "m.pth"], "model_path", "m.pth"),
        ("explain-segmentation", ["--methods", "gradcam", "layercam"], "methods", 2),
        ("report-pack", ["--", "--run", "results_4"], "runs", 1),
        ("report-pack", ["--", " ", "--run", "a", "b"], "runs", 2),
        ("ensemble", ["--top-k", "2"], "top", 2),
    ],
)
def test_words(command, words, name, value):
    got = parsed(command, *words)[name]
    assert (len(got) if isinstance(got, list) else got) == value or str(got) == value


def test_a_dash_before_names_keeps_its_meaning():
    assert parsed("explain", "-m", "card", "--", "-odd.png")["images"] == ["-odd.png"]


@pytest.mark.parametrize(
    ("command", "word"), [("report-pack", "--save-best"), ("evaluate-regression", "--aug_smooth")]
)
def test_what_is_not_here_is_answered_in_one_line(command, word):
    with pytest.raises(UsageError) as caught:
        parsed(command, word)
    assert word in caught.value.what
    assert caught.value.fix
    assert "\n" not in str(caught.value)


def test_aliases_lead_to_options():
    options = {name for each in COMMANDS.values() for p in each.params for name in p.opts}
    for names in ALIASES.values():
        assert set(names) <= options
    named = re.findall(r"--[a-z-]+", " ".join(ANSWERS.values()))
    assert set(named) <= options


@pytest.mark.parametrize("words", [(), (".",), ("list",), ("./compact",)])
def test_words_that_name_no_command_of_a_group_are_those_of_its_default(tmp_path, words):
    for name in ("runs", "compact"):
        (tmp_path / name).mkdir()
    done = run_once(tmp_path, "runs", *words)
    folder = words[0].removeprefix("./") if words and words != ("list",) else "runs"
    assert (done.code, done.err) == (0, f"no run in {folder}\n")
