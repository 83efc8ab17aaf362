"""How each command names images is documented, and a command that is new cannot be forgotten."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from camlucida.cli import app
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs/reference/files.md").read_text("utf-8")
SECTION = PAGE.partition("## Names of images\n")[2].partition("\n## ")[0]
OPTIONS = ("--deidentify", "--keep-names")


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the registry, those of groups with both words."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, below in command.commands.items():
        yield from commands(below, f"{name} {word}".strip())


COMMANDS = dict(commands(typer.main.get_command(app)))
ROWS = [row.split("|")[1:3] for row in SECTION.splitlines() if "`" in row and row.startswith("|")]
LISTED = {name: how for how, names in ROWS for name in re.findall("`([^`]+)`", names)}


def test_every_command_is_in_the_table_once():
    named = [name for _, names in ROWS for name in re.findall("`([^`]+)`", names)]
    assert sorted(named) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_table_has_the_option_that_the_command_has(name):
    given = [word for each in COMMANDS[name].params for word in each.opts if word in OPTIONS]
    assert re.findall(r"`(--[a-z-]+)`", LISTED[name]) == given
