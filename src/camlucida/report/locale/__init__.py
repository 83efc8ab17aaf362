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
from camlucida.core.messages.message import folded_label

_FOLDER = files("camlucida.report.locale")


def languages() -> list[str]:
    """English, and the languages that have a catalogue.

    >>> languages()
    ['en', 'pt', 'zh']
    """
    names = [entry.name for entry in _FOLDER.iterdir()]
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
    catalogue = _FOLDER / f"{language}.toml"
    templates = dict(_flat(tomllib.loads(catalogue.read_text("utf-8"))))
    return Texts(language, templates, label_glossary(language))


@cache
def label_glossary(language: str) -> dict[str, str]:
    """Folded label → what it is called in a language; empty where there is no glossary.

    Args:
        language: such as "zh".

    >>> label_glossary("zh")["pleuraleffusion"]
    '胸腔积液'
    """
    glossary = _FOLDER / "labels" / f"{language}.toml"
    if not glossary.is_file():
        return {}
    names = tomllib.loads(glossary.read_text("utf-8"))
    return {folded_label(name): word for name, word in names.items()}


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
