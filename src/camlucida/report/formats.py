"""What a report can be written as; a new format is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from camlucida.registry import Registry
from camlucida.report.document import Document
from camlucida.report.html import write_html
from camlucida.report.latex import write_latex
from camlucida.report.markdown import write_markdown
from camlucida.report.pdf import write_pdf
from camlucida.texts import Texts

Writer: TypeAlias = Callable[[Document, Texts, Path], Path]
"""Document, texts, the report's folder, in which the pictures are → the file written."""

FORMATS: Registry[Writer] = Registry("format")
FORMATS.add("html", write_html)
FORMATS.add("md", write_markdown)
FORMATS.add("tex", write_latex)
FORMATS.add("pdf", write_pdf)
