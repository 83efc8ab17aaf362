"""``camlucida passport``: a page for each model of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camlucida import __version__
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.files import slug, unique, write_bytes, write_json
from camlucida.figures.style import style
from camlucida.report.data import Part
from camlucida.report.gather import gather
from camlucida.report.passport.checks import checks
from camlucida.report.passport.page import Passport, make_passport, passport_document
from camlucida.report.passport.record import passport_record
from camlucida.report.render import render_document
from camlucida.report.writers.html import html
from camlucida.report.writers.pdf import pdf
from camlucida.runs import Run
from camlucida.runs.content_hash import content_hash

PARTS: tuple[Part, ...] = ("performance", "chosen", "comparisons", "evaluations")
"""Not "measured", with which the lung zones would be looked for in every film: a passport has none,
and what it states of the maps is measured for the choice of cases."""


def passports(run: Run, folder: Path, model: str = "") -> list[Passport]:
    """The passport of each model of a run.

    Args:
        run: computed, best with its evaluation; no model is run.
        folder: for which the data of a report are gathered; nothing is written.
        model: its name in the run; "" for all of them.

    Raises:
        UsageError: no such model, or nothing is done in the run yet.
    """
    models = {str(each["name"]): each for each in run.about["models"]}
    if model and model not in models:
        raise UsageError(f"the run has no model {model!r}", did_you_mean(model, list(models)))
    run.check_done()
    content = content_hash(run.folder)
    report = gather((run,), folder, parts=PARTS)
    return [
        make_passport(report, models[name], content, checks(report, name))
        for name in ([model] if model else list(models))
    ]


def write_passports(passports: Sequence[Passport], out: Path, with_pdf: bool = True) -> list[Path]:
    """Write ``MODEL_passport.html``, ``.json`` and ``.pdf`` of each model of a run.

    Args:
        passports: of :func:`passports`.
        out: folder, made if missing.
        with_pdf: False where WeasyPrint is not installed.

    Returns:
        The files that were written.
    """
    taken: set[str] = set()
    paths: list[Path] = []
    for passport in passports:
        stem = out / f"{unique(slug(str(passport.model['name'])), taken)}_passport"
        paths += _write(passport, stem, with_pdf)
    return paths


def _write(passport: Passport, stem: Path, with_pdf: bool) -> list[Path]:
    texts = style().page_texts
    rendered = render_document(passport_document(passport, __version__), texts)
    page = html(rendered, stem.parent, compact=True)
    files = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("html", "json", "pdf")]
    write_bytes(files[0], page.encode())
    write_json(files[1], passport_record(passport, __version__))
    if not with_pdf:
        return files[:2]
    write_bytes(files[2], pdf(page))
    return files
