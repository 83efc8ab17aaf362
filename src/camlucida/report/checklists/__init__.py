"""Reporting checklists: CLAIM 2024, STARD-AI and TRIPOD+AI, one TOML file each.

A file has the checklist's ``title``, its ``reference`` and its ``items``. An item has the number
that the checklist gives it, its topic in our own words, the ``sections`` of a report that answer
it, the ``facts`` (:mod:`camlucida.report.checklists.facts`) that have to hold for that, and the
``note`` of what the author still has to write. An item without sections is for the author alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from camlucida.core.messages import Message, declare
from camlucida.core.registry import Registry

NAMES = ("claim", "stard-ai", "tripod-ai")


@dataclass(frozen=True)
class ChecklistItem:
    """One item, or a part of one.

    Attributes:
        number: that of the checklist, such as "30" or "15a".
        topic: in few words.
        sections: of a report, that answer it; none for the author's alone.
        facts: names of :data:`~camlucida.report.checklists.facts.FACTS` that must hold.
        note: what the author adds in any case, a code of ``checklist_notes``; "" for nothing.
    """

    number: str
    topic: Message
    sections: tuple[str, ...]
    facts: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Checklist:
    """A reporting checklist.

    Attributes:
        name: what the user types.
        title: as it is published.
        reference: key of :data:`camlucida.report.references.REFERENCES`.
        items: in the checklist's order.
    """

    name: str
    title: str
    reference: str
    items: tuple[ChecklistItem, ...]


def _item(checklist: str, content: Mapping[str, Any]) -> ChecklistItem:
    code = f"{checklist}_{content['number']}"
    declare("checklist_items", {code: content["text"]})
    return ChecklistItem(
        number=content["number"],
        topic=Message(f"checklist_items.{code}"),
        sections=tuple(content.get("sections", ())),
        facts=tuple(content.get("facts", ())),
        note=content.get("note", ""),
    )


def _read(name: str) -> Checklist:
    content = tomllib.loads((files(__name__) / f"{name}.toml").read_text("utf-8"))
    items = tuple(_item(name.replace("-", "_"), item) for item in content["items"])
    return Checklist(name, content["title"], content["reference"], items)


CHECKLISTS: Registry[Checklist] = Registry("checklist")
for _name in NAMES:
    CHECKLISTS.add(_name, _read(_name))
