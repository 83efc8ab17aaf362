"""The works that the sentences of the report cite."""

from __future__ import annotations

from camlucida.report.data import ReportData
from camlucida.report.document import References, Section
from camlucida.report.sections.base import section


@section("references", "References", needs=())
def references(report: ReportData) -> Section:
    """Filled when the sentences are said: only then is it known what they cite."""
    return Section("references", (References(),))
