"""Docstrings of the package in Markdown, for the generated pages of the API."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):`~?(?:[\w.]*\.)?([\w]+)`")


class Roles(griffe.Extension):
    """``:func:`~package.name``` → ```name```, which Markdown knows."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
