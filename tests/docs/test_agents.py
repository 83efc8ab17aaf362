"""llms.txt and the troubleshooting page name pages, commands, options and tests that exist."""

import re
import shlex

import pytest

from tests.docs.test_docs import commands
from tests.support.paths import REPOSITORY

DOCS = REPOSITORY / "docs"
LLMS = (DOCS / "llms.txt").read_text("utf-8")
TROUBLE = (DOCS / "how-to/troubleshooting.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TROUBLE)


def test_links_of_llms_txt_are_pages_of_the_site():
    links = re.findall(r"\]\(([^)]+)\)", LLMS)
    assert len(links) > 15
    for link in links:
        assert (DOCS / link).with_suffix(".md").is_file(), link
    assert LLMS.startswith("# camlucida\n\n> ")
    assert "research use only" in LLMS.lower()


@pytest.mark.parametrize("text", [LLMS, TROUBLE], ids=["llms", "troubleshooting"])
def test_commands_and_options_exist(text):
    known = commands()
    typed = re.findall(r"`camlucida ([^`]+)`", text)
    assert typed
    for line in typed:
        name, *words = shlex.split(line)
        if name == "COMMAND":
            continue
        options = [word for word in words if word.startswith("--")]
        assert set(options) <= set(known[name]), line
    every = set().union(*known.values())
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert option in every, option


def test_every_row_of_the_troubleshooting_names_a_test():
    rows = [line for line in TROUBLE.splitlines() if re.match(r"\| (?!what |-)", line)]
    assert len(rows) == len(NAMED) > 20


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_a_row_names_exists(file, test):
    assert f"def {test}(" in (REPOSITORY / file).read_text("utf-8")


def test_symptoms_are_quoted_as_the_program_says_them():
    """The words between the quotation marks are those that people see."""
    sources = [path.read_text("utf-8") for path in (REPOSITORY / "src").rglob("*.py")]
    for quoted in re.findall(r"“([^”]+)”", TROUBLE):
        assert any(quoted in source for source in sources), quoted
