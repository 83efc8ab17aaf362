"""Documentation of what is installed: every extra is named, with how to install it or what for."""

import re
import tomllib

import pytest

from tests.support.paths import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
INTERNAL = {"test", "docs", "dev"}
EXTRAS = sorted(set(PROJECT["optional-dependencies"]) - INTERNAL)


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_is_documented(extra: str) -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    named = (
        rf"\[(?:[a-z]+,)*{extra}(?:,[a-z]+)*\]|[Ee]xtra `{extra}`|`{extra}` (?:needs the )?extra"
    )
    assert re.search(named, text)
