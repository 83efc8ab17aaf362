"""The page of a passport: facts, measurements, what was not measured, checklists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camlucida.analysis.cases.names import architecture
from camlucida.core.messages import Message, Value, declare
from camlucida.report.checklists import CHECKLISTS
from camlucida.report.checklists.assess import AssessedItem, assess
from camlucida.report.data import ReportData
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Code,
    Document,
    Facts,
    Paragraph,
    Points,
    Section,
    Subsection,
    Table,
)
from camlucida.report.passport.checks import KINDS, Check, maps_name
from camlucida.report.sections import SECTIONS
from camlucida.runs.keyed import is_keyed
from camlucida.runs.mismatch import any_mismatch

declare(
    "passport",
    {
        "title": "Passport of {model}",
        "title_mismatch": "NOT THE MODEL OF THE STORED PREDICTIONS. Passport of {model}",
        "meaning": (
            "What was measured of this model and its maps in one run, and what was not. It states "
            "measurements; it does not certify the model."
        ),
        "model": "Model",
        "described": "{architecture}, {task}: {labels}",
        "weights": "SHA-256 of the weights",
        "data": "Data",
        "images": (
            "cohort {cohort}: {done} of {images} {images:|image|images} computed, {patients} "
            "{patients:|patient|patients}"
        ),
        "images_unknown": (
            "cohort {cohort}: {done} of {images} {images:|image|images} computed, patients unknown"
        ),
        "maps": "Maps",
        "content": "Content hash",
        "run": "Run",
        "made": "{run}, by camlucida {version}",
        "measured": "Measured",
        "head_check": "Measurement",
        "head_value": "Value",
        "head_reference": "Reference",
        "head_patients": "Patients",
        "head_images": "Images",
        "head_verdict": "Verdict",
        "more": "{count} more {count:|line is|lines are} in the JSON file and in the report.",
        "missing": "Not measured",
        "no_performance": "Performance: needs ground truth in the cohort's table.",
        "no_sanity": (
            "Whether the maps depend on the weights: camlucida evaluate RUN --metrics "
            "cascading_randomisation"
        ),
        "no_psc": "Prediction–saliency correlation: camlucida evaluate RUN --metrics psc",
        "no_metric": "Faithfulness beside baselines: camlucida evaluate RUN --metrics road",
        "no_localisation": "Localisation: needs masks or boxes in the cohort.",
        "no_artefact": "Attribution on artefacts: needs maps that are not empty.",
        "no_consistency": "Consistency: needs a second seed, fold, model or method in the run.",
        "checklists": "Checklists",
        "checklist": (
            "{name}: a report of this run answers {answered}, and in part {partly}. Items that "
            "need more from the run: {lacking}. The others are for the author."
        ),
        "no_items": "none",
    },
)

MOST = 4
"""Lines of one kind on the page; a note counts the others."""


@dataclass(frozen=True)
class Passport:
    """All that a passport says of one model.

    Attributes:
        model: its record in ``run.json``.
        run: name of the run's folder.
        about: the content of ``run.json``.
        content: hash of the run's results.
        counts: images of the cohort, computed images, patients (None where unknown).
        maps: names of its map series.
        checks: what was measured.
        checklists: title of a checklist → its items.
        synthetic: whether any image is.
        mismatch: whether its predictions differ from those that were stored.
    """

    model: Mapping[str, Any]
    run: str
    about: Mapping[str, Any]
    content: str
    counts: Mapping[str, int | None]
    maps: tuple[str, ...]
    checks: tuple[Check, ...]
    checklists: Mapping[str, Sequence[AssessedItem]]
    synthetic: bool
    mismatch: bool

    @property
    def missing(self) -> list[str]:
        """Kinds of :data:`~camlucida.report.passport.checks.KINDS` that were not measured."""
        measured = {check.kind for check in self.checks}
        return [kind for kind in KINDS if kind not in measured]


def make_passport(
    report: ReportData, model: Mapping[str, Any], content: str, checks: Sequence[Check]
) -> Passport:
    """Put the facts of a model together.

    Args:
        report: of one run.
        model: one of the records of its ``run.json``.
        content: of :func:`~camlucida.runs.content_hash.content_hash`.
        checks: of :func:`~camlucida.report.passport.checks.checks`.
    """
    (run,) = report.runs
    done = report.predictions.loc[report.predictions["model"] == model["name"], "image"].nunique()
    patients = int(report.images["patient"].nunique()) if report.patients_known else None
    counts = {"images": len(report.images), "done": int(done), "patients": patients}
    own = [series for series in report.all_series if series.model == model["name"]]
    names = [maps_name(report, series) for series in own]
    lists = {each.title: assess(each, report, _sections(report)) for _, each in CHECKLISTS.items()}
    synthetic = bool(report.predictions["synthetic"].any())
    mismatch = bool(any_mismatch(report.runs))
    parts = (counts, tuple(names), tuple(checks), lists, synthetic, mismatch)
    return Passport(model, run.folder.root.name, run.about, content, *parts)


def _sections(report: ReportData) -> list[str]:
    """The sections that a report of the run has."""
    absent = set()
    if not report.performance:
        absent.add("results")
    if not report.comparisons:
        absent.add("consistency")
    return [name for name in SECTIONS if name not in absent]


def passport_document(passport: Passport, version: str) -> Document:
    """The page, in no language yet.

    Args:
        passport: of one model.
        version: of camlucida.
    """
    shown, hidden = _shown(passport.checks)
    blocks: list[Block] = [_table(shown, passport.counts["patients"] is not None)]
    if hidden:
        blocks.append(Paragraph((Message("passport.more", {"count": hidden}),), quiet=True))
    missing = list(map(not_measured, passport.missing))
    lists = [_checklist(name, items) for name, items in passport.checklists.items()]
    blocks += [
        Subsection(Message("passport.missing"), (Points(tuple(missing)),)),
        Subsection(Message("passport.checklists"), (Points(tuple(lists)),)),
    ]
    opening = Paragraph((Message("passport.meaning"),), quiet=True)
    title = "title_mismatch" if passport.mismatch else "title"
    return Document(
        Message(f"passport.{title}", {"model": str(passport.model["name"])}),
        (Section("measured", tuple(blocks), Message("passport.measured")),),
        synthetic=passport.synthetic,
        intro=(opening, Facts(tuple(_facts(passport, version)))),
        keyed=is_keyed(passport.about),
    )


def not_measured(kind: str) -> Message:
    """What has no value, and the command or the data that it needs.

    Args:
        kind: of :attr:`Passport.missing`.

    >>> str(not_measured("psc"))
    'Prediction–saliency correlation: camlucida evaluate RUN --metrics psc'
    """
    return Message(f"passport.no_{kind}")


def _facts(passport: Passport, version: str) -> Iterator[tuple[Message, CellValue]]:
    card = passport.model["resolved"]
    described: dict[str, Value] = {
        "architecture": architecture(card),
        "task": Message(f"words.{card['task']}") if card["task"] else "–",
        "labels": [label for label in card["labels"] if label] or "–",
    }
    yield Message("passport.model"), Message("passport.described", described)
    yield Message("passport.weights"), Code(str(passport.model["sha256"]))
    counts = {name: count for name, count in passport.counts.items() if count is not None}
    code = "images" if "patients" in counts else "images_unknown"
    cohort: dict[str, Value] = {"cohort": str(passport.about["name"]), **counts}
    yield Message("passport.data"), Message(f"passport.{code}", cohort)
    if passport.maps:
        yield Message("passport.maps"), list(passport.maps)
    made = Message("passport.made", {"run": passport.run, "version": version})
    yield Message("passport.run"), made
    yield Message("passport.content"), Code(passport.content)


def _shown(checks: Sequence[Check]) -> tuple[list[Check], int]:
    """The first lines of each kind, and how many are left out."""
    shown: list[Check] = []
    for kind in KINDS:
        shown += [check for check in checks if check.kind == kind][:MOST]
    return shown, len(checks) - len(shown)


def _table(checks: Sequence[Check], patients_known: bool) -> Table:
    # Where patients are unknown, each image was counted as one.
    counted = "patients" if patients_known else "images"
    columns = ("check", "value", "reference", counted, "verdict")
    head = tuple(Message(f"passport.head_{column}") for column in columns)
    return Table("measured", None, head, tuple(map(_row, checks)))


def _row(check: Check) -> tuple[CellValue | Cell, ...]:
    # The chance level stands in its own column.
    spec = ".1%" if check.value.percent else ".3f"
    # A mean over the tests of several labels has no interval, however many patients there are.
    number = check.value.estimate if check.kind == "sanity" else None
    value = Cell(check.value if number is None or check.value.has_interval else number, spec=spec)
    verdict = Message(f"passport_checks.{check.verdict}")
    return Cell(check.title, note=check.series), value, check.reference, check.patients, verdict


def _checklist(name: str, items: Sequence[AssessedItem]) -> Message:
    numbers = {state: _numbers(items, state) for state in ("answered", "partly")}
    lacking = [each.item.number for each in items if each.state == "author" and each.missing]
    values: dict[str, Value] = {"name": name, **numbers}
    values["lacking"] = ", ".join(lacking) or Message("passport.no_items")
    return Message("passport.checklist", values)


def _numbers(items: Sequence[AssessedItem], state: str) -> str | Message:
    numbers = [each.item.number for each in items if each.state == state]
    return ", ".join(numbers) or Message("passport.no_items")
