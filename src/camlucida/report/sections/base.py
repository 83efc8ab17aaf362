"""How a section registers: its name, its title, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from camlucida.core.messages import declare
from camlucida.core.registry import Registry
from camlucida.report.data import PARTS, Part, ReportData
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
        needs: the slow tables that ``make`` reads.
    """

    name: str
    title: str
    make: SectionMaker
    needs: tuple[Part, ...] = PARTS


SECTIONS: Registry[SectionEntry] = Registry("section")


def section(
    name: str, title: str, needs: tuple[Part, ...] = PARTS
) -> Callable[[SectionMaker], SectionMaker]:
    """Register a function as a section; reports have them in the order of registration.

    Args:
        name: what the user types, and the section's anchor.
        title: its heading in English.
        needs: the slow tables that the section reads, all by default. The others may be empty
            where this section is reported alone.
    """

    def register(make: SectionMaker) -> SectionMaker:
        SECTIONS.add(name, SectionEntry(name, title, make, needs))
        declare("sections", {name: title})
        return make

    return register
