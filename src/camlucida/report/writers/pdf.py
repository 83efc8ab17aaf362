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
    path = folder / f"{report.stem}.pdf"
    write_bytes(path, pdf(html(report, folder)))
    return path


def pdf(page: str) -> bytes:
    """An HTML page, printed on A4.

    Args:
        page: with its pictures in it: nothing is fetched from a disk or a network.

    Raises:
        UsageError: WeasyPrint, or a system library that it needs, is not installed.
    """
    weasyprint = installed()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=["data"])
    printed: bytes = weasyprint.HTML(string=page, url_fetcher=fetcher).write_pdf()
    return printed


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
