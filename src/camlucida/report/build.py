"""A report's document, made of the sections that are requested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.selection import check_rules, select
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import NO_ROOM
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.figures.notice import stamped
from camlucida.report.checklists import CHECKLISTS
from camlucida.report.checklists.assess import checklist_section
from camlucida.report.data import ReportData
from camlucida.report.document import Document, Message, Paragraph, Section
from camlucida.report.gather import gather
from camlucida.report.render import failed_section
from camlucida.report.sections import SECTIONS, SectionEntry
from camlucida.runs import Run
from camlucida.runs.keyed import is_keyed
from camlucida.runs.mismatch import any_mismatch


def build_report(
    runs: Sequence[Run],
    folder: Path,
    sections: Sequence[str] | None = None,
    rules: Sequence[str] = (),
    progress: Callable[..., object] | None = None,
    *,
    error_threshold: float | None = None,
    settings: PredictionSettings | None = None,
    checklists: Sequence[str] = (),
) -> Document:
    """The report of ``runs``, in no language and no format yet.

    Args:
        runs: reported together.
        folder: of the report; its figures are written below it now.
        sections: names of :data:`~camlucida.report.sections.SECTIONS`, in order; None for all.
        rules: by which cases are chosen, as :func:`~camlucida.analysis.selection.select` reads
            them; by task without them.
        progress: called with how many maps were measured since the last call, and once with their
            ``total``.
        error_threshold: of a regression: absolute errors from here up are high; the median of each
            model's without it.
        settings: of the figures of predictions.
        checklists: names of :data:`~camlucida.report.checklists.CHECKLISTS`; each becomes a section
            at the end, with links to the sections that answer its items.

    Returns:
        The document. A section that fails says so in its place, and in ``failures``.

    Raises:
        UsageError: an unknown section, checklist or rule, a rule's column that is none, no run,
            or one in which nothing is done yet.
    """
    _check_done(runs)
    entries = [SECTIONS[name] for name in (SECTIONS if sections is None else sections)]
    listed = [CHECKLISTS[name] for name in checklists]
    _check_rules(runs, rules)
    parts = frozenset(chain.from_iterable(entry.needs for entry in entries))
    mismatch = any_mismatch(runs)
    with stamped(mismatch):
        report = gather(runs, folder, rules, error_threshold, settings, progress, parts=parts)
        failures = [str(failure) for failure in report.failures]
        written = [_made(entry, report, failures) for entry in entries]
        made = [section for section in written if section is not None]
        made += [checklist_section(each, report, made) for each in listed]
    names = list(dict.fromkeys(str(run.about["name"]) for run in runs))
    return Document(
        title=Message("page.title_mismatch" if mismatch else "page.title", {"names": names}),
        sections=tuple(made),
        synthetic=bool(report.predictions["synthetic"].any()),
        failures=tuple(failures),
        intro=(Paragraph((Message("page.intervals"),), quiet=True),),
        keyed=all(is_keyed(run.about) for run in runs),
    )


def _check_done(runs: Sequence[Run]) -> None:
    """Refuse no run at all, and one in which nothing is done yet."""
    if not runs:
        raise UsageError("no run to report", "give the folder of a run")
    for run in runs:
        run.check_done()


def _check_rules(runs: Sequence[Run], rules: Sequence[str]) -> None:
    """Refuse an unknown rule, and a group column that no run has, before anything is computed."""
    check_rules(rules)
    by_group = [rule for rule in rules if rule.strip().startswith("per-group")]
    if by_group:
        select(case_table(runs), by_group)


def _made(entry: SectionEntry, report: ReportData, failures: list[str]) -> Section | None:
    """A section; where it cannot be made, what says so."""
    try:
        return entry.make(report)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return _failed(entry, error, failures)
    except Exception as error:  # noqa: BLE001 whatever it is costs this section, never the report
        return _failed(entry, error, failures)


def _failed(entry: SectionEntry, error: Exception, failures: list[str]) -> Section:
    # A fault that is not one of the inputs is named by its kind, too.
    is_expected = isinstance(error, CamlucidaError)
    reason = str(error) if is_expected else f"{type(error).__name__}: {error}"
    failures.append(f"section {entry.name}: {reason}")
    return failed_section(Section(entry.name, ()), error)
