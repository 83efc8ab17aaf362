"""How a section registers: its name, its title, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from camlucida.core.messages import declare
from camlucida.core.registry import Registry
from camlucida.report.data import ReportData
from camlucida.report.document import Section

SectionMaker: TypeAlias = Callable[[ReportData], "Section | None"]
"""None where there is nothing to say."""


@dataclass(frozen=True)
class SectionEntry:
    """One registered section.

    Attributes:
        name: what the user types, and its anchor.
        title: its heading in English; declared as ``sections.NAME``.
        make: from the data of the report to the section.
    """

    name: str
    title: str
    make: SectionMaker


SECTIONS: Registry[SectionEntry] = Registry("section")


def section(name: str, title: str) -> Callable[[SectionMaker], SectionMaker]:
    """Register a function as a section; reports have them in the order of registration."""

    def register(make: SectionMaker) -> SectionMaker:
        SECTIONS.add(name, SectionEntry(name, title, make))
        declare("sections", {name: title})
        return make

    return register
