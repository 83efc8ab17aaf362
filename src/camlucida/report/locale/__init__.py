"""Reports in other languages than English: one catalogue a language, ``LANGUAGE.toml``.

A catalogue holds the same codes as the English texts that the modules declare
(:func:`camlucida.core.messages.declare`); a code that it lacks is rendered in English.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import ENGLISH_TEXTS, Texts


def languages() -> list[str]:
    """English, and the languages that have a catalogue.

    >>> languages()
    ['en', 'zh']
    """
    names = [entry.name for entry in files("camlucida.report.locale").iterdir()]
    return sorted(["en", *(n.removesuffix(".toml") for n in names if n.endswith(".toml"))])


@cache
def load_texts(language: str) -> Texts:
    """The words of a language.

    Args:
        language: one of :func:`languages`.

    Raises:
        UsageError: there is no catalogue of this language.
    """
    if language == "en":
        return ENGLISH_TEXTS
    if language not in languages():
        raise UsageError(f"unknown language {language!r}", did_you_mean(language, languages()))
    catalogue = files("camlucida.report.locale") / f"{language}.toml"
    return Texts(language, dict(_flat(tomllib.loads(catalogue.read_text("utf-8")))))


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
