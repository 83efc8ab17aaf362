"""The sections of a report, one a file, in the order of the report: the study in, sentences with their values out.

A new section is a file and a line here, and its sentences in every ``texts/LANGUAGE.toml``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from camlucida.core.registry import Registry
from camlucida.report.document import Section
from camlucida.report.sections.cases import cases
from camlucida.report.sections.consistency import consistency
from camlucida.report.sections.data import data
from camlucida.report.sections.limitations import limitations
from camlucida.report.sections.method import method
from camlucida.report.sections.model import model
from camlucida.report.sections.provenance import provenance
from camlucida.report.sections.quality import quality
from camlucida.report.sections.references import references
from camlucida.report.sections.results import results
from camlucida.report.sections.summary import summary
from camlucida.report.study import Study

SectionMaker: TypeAlias = Callable[[Study], "Section | None"]
"""None where there is nothing to say."""

SECTIONS: Registry[SectionMaker] = Registry("section")
SECTIONS.add("summary", summary)
SECTIONS.add("data", data)
SECTIONS.add("model", model)
SECTIONS.add("method", method)
SECTIONS.add("results", results)
SECTIONS.add("cases", cases)
SECTIONS.add("quality", quality)
SECTIONS.add("consistency", consistency)
SECTIONS.add("limitations", limitations)
SECTIONS.add("references", references)
SECTIONS.add("provenance", provenance)
