"""What a report can be written as; a new format is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from camlucida.core.registry import Registry
from camlucida.report.rendered import RenderedDocument
from camlucida.report.writers.html import write_html
from camlucida.report.writers.latex import write_latex
from camlucida.report.writers.markdown import write_markdown
from camlucida.report.writers.pdf import write_pdf

Writer: TypeAlias = Callable[[RenderedDocument, Path], Path]
"""A rendered document, the report's folder, in which the pictures are → the file written."""

FORMATS: Registry[Writer] = Registry("format")
FORMATS.add("html", write_html)
FORMATS.add("md", write_markdown)
FORMATS.add("tex", write_latex)
FORMATS.add("pdf", write_pdf)
