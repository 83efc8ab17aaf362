"""A report as PDF: the HTML page, printed by WeasyPrint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes
from camlucida.core.messages import Texts
from camlucida.report.document import Document
from camlucida.report.rendered import render_document
from camlucida.report.writers.html import file_stem, html


def write_pdf(document: Document, texts: Texts, folder: Path) -> Path:
    """Write ``report.pdf``, A4.

    Raises:
        UsageError: WeasyPrint, or a system library that it needs, is not installed.
        CamlucidaError: a picture is missing or is no picture.
    """
    weasyprint = installed()
    path = folder / f"{file_stem(texts)}.pdf"
    own = weasyprint.urls.URLFetcher(allowed_protocols=["data"])  # nothing from a disk or a network
    write_bytes(
        path,
        weasyprint.HTML(
            string=html(render_document(document, texts), folder), url_fetcher=own
        ).write_pdf(),
    )
    return path


def installed() -> Any:
    """The package WeasyPrint. Raises UsageError: it, or a system library that it needs, is not there."""
    try:
        import weasyprint
    except ImportError as error:
        raise UsageError(
            "the report as PDF needs WeasyPrint", 'pip install "camlucida[report]"'
        ) from error
    except OSError as error:
        packages = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
        fix = f"Debian, Ubuntu: apt-get install {packages}; or take another --format"
        raise UsageError("the report as PDF needs the system library Pango", fix) from error
    logging.getLogger("weasyprint").setLevel(
        logging.ERROR
    )  # it reports every rule of the page that is for screens
    return weasyprint
