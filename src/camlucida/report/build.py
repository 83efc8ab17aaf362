"""A report's document, made of the sections that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from camlucida.analysis.selection import check_rules, select
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.report.document import Document, Message, Paragraph, Section
from camlucida.report.render import failed_section
from camlucida.report.sections import SECTIONS
from camlucida.report.study import Study
from camlucida.runs import Run


def build_report(
    runs: Sequence[Run],
    folder: Path,
    sections: Sequence[str] | None = None,
    rules: Sequence[str] = (),
    progress: Callable[..., object] | None = None,
    *,
    error_threshold: float | None = None,
    settings: PredictionSettings | None = None,
) -> Document:
    """What the report of ``runs`` says, in no language and no format yet.

    Args:
        runs: reported together.
        folder: where the report will be; its pictures are written below it now.
        sections: names of :data:`~camlucida.report.sections.SECTIONS`, in the order wanted; all without it.
        rules: by which cases are chosen, as :func:`~camlucida.analysis.selection.select` reads them; by task without them.
        progress: called with how many maps were measured since the last call, and once with their ``total``.
        error_threshold: of a regression: absolute errors from here up are high; the median of each model's without it.
        settings: of the figures of predictions.

    Returns:
        The document. A section that fails says so in its place, and in ``failures``.

    Raises:
        UsageError: an unknown section or rule, a rule's column that is none, no run, or one in which nothing is done yet.
    """
    if not runs:
        raise UsageError("no run to report", "give the folder of a run")
    makers = {name: SECTIONS[name].make for name in (SECTIONS if sections is None else sections)}
    for run in runs:
        if not run.counts["done"]:
            raise UsageError(
                f"nothing is done in {run.folder.root} yet",
                "finish it with: camlucida run COHORT --resume",
            )
    check_rules(rules)
    shown = progress or (lambda done=1, total=None: None)
    study = Study(
        tuple(runs), folder, tuple(rules), error_threshold, settings or PredictionSettings(), shown
    )
    select(
        study.cases, [rule for rule in rules if rule.strip().startswith("per-group")]
    )  # a column that is there?
    made: list[Section] = []
    failures: list[str] = []
    for name, maker in makers.items():
        try:
            section = maker(study)
        except Exception as error:  # noqa: BLE001 whatever it is costs this section, never the report
            failures.append(f"section {name}: {_one_line(error)}")
            section = failed_section(Section(name, ()), error)
        if section is not None:
            made.append(section)
    names = list(dict.fromkeys(str(run.about["name"]) for run in runs))
    intervals = Paragraph((Message("page.intervals"),), quiet=True)
    synthetic = any(bool(run.predictions()["synthetic"].any()) for run in runs)
    return Document(
        Message("page.title", {"names": names}),
        tuple(made),
        synthetic,
        tuple(failures),
        (intervals,),
    )


def _one_line(error: Exception) -> str:
    """What went wrong; a fault that is no input's is named by its kind, too."""
    if isinstance(error, CamlucidaError):
        return str(error)
    return f"{type(error).__name__}: {error}"
