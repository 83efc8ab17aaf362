"""Docstrings of the package in Markdown, for the generated pages of the API."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):`~?(?:[\w.]*\.)?(\w+)`")
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*|\n\1 +\S.*)*", re.MULTILINE)


class Markdown(griffe.Extension):
    """``:func:`~package.name``` becomes ```name```, and an example a block of code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(_block, text)


def _block(match: re.Match[str]) -> str:
    margin = match[1]
    return f"{margin}```pycon\n{match[0]}\n{margin}```"
