"""A report as PDF: the HTML page, printed by WeasyPrint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes
from camlucida.report.rendered import RenderedDocument
from camlucida.report.writers.html import html


def write_pdf(report: RenderedDocument, folder: Path) -> Path:
    """Write ``report.pdf``, A4.

    Raises:
        UsageError: WeasyPrint, or a system library that it needs, is not installed.
        CamlucidaError: a picture is missing or is no picture.
    """
    weasyprint = installed()
    path = folder / f"{report.stem}.pdf"
    # Nothing is fetched from a disk or a network: pictures are in the page.
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=["data"])
    page = weasyprint.HTML(string=html(report, folder), url_fetcher=fetcher)
    write_bytes(path, page.write_pdf())
    return path


def installed() -> Any:
    """The package WeasyPrint.

    Raises:
        UsageError: it, or a system library that it needs, is not installed.
    """
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
    # It would report every rule of the page that is for screens.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint
