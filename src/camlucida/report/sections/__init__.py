"""The sections of a report, one a file, in the order of the report: the study in, sentences with their values out.

A new section is a file and a line here, and its sentences in every ``texts/LANGUAGE.toml``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from camlucida.registry import Registry
from camlucida.report.document import Section
from camlucida.report.sections.data import data
from camlucida.report.sections.provenance import provenance
from camlucida.report.sections.references import references
from camlucida.report.study import Study

SectionMaker: TypeAlias = Callable[[Study], "Section | None"]
"""None where there is nothing to say."""

SECTIONS: Registry[SectionMaker] = Registry("section")
SECTIONS.add("data", data)
SECTIONS.add("references", references)
SECTIONS.add("provenance", provenance)
