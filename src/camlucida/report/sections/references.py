"""The works that the sentences of the report cite."""

from __future__ import annotations

from camlucida.report.data import ReportData
from camlucida.report.document import References, Section
from camlucida.report.sections.base import section


@section("references", "References", needs=())
def references(report: ReportData) -> Section:
    """Empty here: which works are cited is known once the sentences are rendered."""
    return Section("references", (References(),))
