"""The sections of a report, one a file, in the order of the report.

This list is the registry; a new section is a file and a line here.
"""

# isort: skip_file
from camlucida.report.sections import summary  # noqa: F401
from camlucida.report.sections import data  # noqa: F401
from camlucida.report.sections import model  # noqa: F401
from camlucida.report.sections import method  # noqa: F401
from camlucida.report.sections import results  # noqa: F401
from camlucida.report.sections import cases  # noqa: F401
from camlucida.report.sections import quality  # noqa: F401
from camlucida.report.sections import consistency  # noqa: F401
from camlucida.report.sections import discussion  # noqa: F401
from camlucida.report.sections import limitations  # noqa: F401
from camlucida.report.sections import conclusion  # noqa: F401
from camlucida.report.sections import future  # noqa: F401
from camlucida.report.sections import references  # noqa: F401
from camlucida.report.sections import provenance  # noqa: F401
from camlucida.report.sections.base import SECTIONS, SectionEntry, SectionMaker, section

__all__ = ["SECTIONS", "SectionEntry", "SectionMaker", "section"]
