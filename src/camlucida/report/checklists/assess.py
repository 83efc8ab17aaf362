"""Which items of a checklist a report answers, and what its author still has to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from camlucida.core.messages import chain, declare
from camlucida.report.checklists import Checklist, ChecklistItem
from camlucida.report.checklists.facts import FACTS
from camlucida.report.data import ReportData
from camlucida.report.document import (
    Block,
    Details,
    Facts,
    Gallery,
    Link,
    Links,
    Listing,
    Message,
    Notice,
    Paragraph,
    Picture,
    Points,
    References,
    Section,
    Subsection,
    Table,
    Text,
    Value,
    phrase,
)
from camlucida.report.sections import SECTIONS

declare(
    "checklist",
    {
        "title": "Checklist: {name}",
        "counts": (
            "Of the {items} items and parts of items of {name} this report answers {answered}, "
            "{partly} in part; {author} {author:|is|are} for the author."
        ),
        "meaning": (
            "An answered item is information that stands in this report, measured from these runs; "
            "it does not say that the study is good. The topics are in our words: submit the "
            "checklist as it is published."
        ),
        "caption": "Items of {name}.",
        "head_number": "Item",
        "head_topic": "Topic",
        "head_state": "In this report",
        "head_where": "Section",
        "head_missing": "To write, or to supply",
        "answered": "answered",
        "partly": "in part",
        "author": "for the author",
        "cited_claim": "{counts} [@tejani2024]",
        "cited_stard_ai": "{counts} [@sounderajah2025]",
        "cited_tripod_ai": "{counts} [@collins2024]",
    },
)

declare(
    "checklist_notes",
    {
        "abstract": "the summary has the numbers; the abstract is yours",
        "criteria": "why images were eligible; the report lists those that could not be used",
        "before_files": "steps before the files that were read; quality control",
        "missing_in_training": "missing data in training",
        "split_rule": "by which rule the data were split, and why",
        "planned_size": "the size that was planned, and its reason",
        "architecture": "a reference for the architecture, and its version",
        "training_software": "software and hardware of the training",
        "internal": "whether these data come from where the training data come from",
        "excluded_before": "what was excluded before the cohort was written",
        "other_groups": "characteristics that the cohort's table does not have",
        "other_limits": "limits of design and data that no number of a run shows",
        "other_future": "next steps that do not follow from these numbers",
        "availability": "where software, weights and data can be had, with their licences",
        "development": "training and tuning of the model",
        "planned_threshold": "whether the threshold was planned; camlucida takes 0.5 or the card's",
        "planned_groups": "which groups were planned, and why these",
        "flow": "the diagram, from eligible to analysed patients",
        "run_folder": "where the folder of the run is kept for audit",
        "acquisition": "how the images were acquired",
        "augmentation": "augmentation in training",
        "training": "reason, building and tuning of the model; internal validation",
        "clusters": "whether these groups are the clusters of your data, such as hospitals",
        "imbalance": "what was done about it in training",
        "interpretation": "earlier studies, fairness, and what the results mean",
    },
)

State: TypeAlias = Literal["answered", "partly", "author"]


@dataclass(frozen=True)
class AssessedItem:
    """An item of a checklist, seen from one report.

    Attributes:
        item: of the checklist.
        state: "answered" where nothing is left to write, "partly" where something is, "author"
            where the report has nothing.
        sections: of this report, that answer it; none where the state is "author".
        missing: what the author adds, or what the runs lack; none where all is the author's.
    """

    item: ChecklistItem
    state: State
    sections: tuple[str, ...]
    missing: tuple[Message, ...]


def assess(
    checklist: Checklist, report: ReportData, sections: Collection[str]
) -> list[AssessedItem]:
    """Compare a checklist with a report.

    Args:
        checklist: of :data:`~camlucida.report.checklists.CHECKLISTS`.
        report: with the tables that the report's sections needed.
        sections: names of the sections that the report has.

    Returns:
        One entry an item, in the checklist's order.
    """
    lacking = {name: fact(report) for name, fact in FACTS.items()}
    return [_assessed(item, lacking, sections) for item in checklist.items]


def _assessed(
    item: ChecklistItem, lacking: dict[str, Message | None], sections: Collection[str]
) -> AssessedItem:
    present = tuple(name for name in item.sections if name in sections)
    if not item.sections:
        return AssessedItem(item, "author", (), ())
    missing = [message for name in item.facts if (message := lacking[name]) is not None]
    if missing or not present:
        return AssessedItem(item, "author", (), tuple(dict.fromkeys(missing)))
    if item.note:
        return AssessedItem(item, "partly", present, (Message(f"checklist_notes.{item.note}"),))
    return AssessedItem(item, "answered", present, ())


def checklist_section(
    checklist: Checklist, report: ReportData, sections: Sequence[Section]
) -> Section:
    """The section of a report that lists a checklist's items, with links to what answers them.

    Args:
        checklist: of :data:`~camlucida.report.checklists.CHECKLISTS`.
        report: the data of the report.
        sections: those of the report, in their order.
    """
    present = [each.name for each in sections if any(map(_holds_something, each.blocks))]
    assessed = assess(checklist, report, present)
    name: dict[str, Value] = {"name": checklist.title}
    key = checklist.name.replace("-", "_")
    counts = Message("checklist.counts", {**name, **count_states(assessed)})
    head = tuple(
        Message(f"checklist.head_{column}")
        for column in ("number", "topic", "state", "where", "missing")
    )
    rows = tuple(map(_row, assessed))
    table = Table(f"checklist_{key}", Message("checklist.caption", name), head, rows)
    cited = Message(f"checklist.cited_{key}", {"counts": counts})
    opening = Paragraph((cited, Message("checklist.meaning")))
    title = Message("checklist.title", name)
    return Section(f"checklist-{checklist.name}", (opening, table), title)


def count_states(assessed: Sequence[AssessedItem]) -> dict[str, int]:
    """How many items there are, and how many of each state."""
    states = Counter(each.state for each in assessed)
    counts = {"items": len(assessed)}
    return counts | {state: states[state] for state in ("answered", "partly", "author")}


def _row(assessed: AssessedItem) -> tuple[Text, ...]:
    item = assessed.item
    entries = [SECTIONS[name] for name in assessed.sections]
    where = [Link(f"#{entry.name}", Message(f"sections.{entry.name}")) for entry in entries]
    state = Message(f"checklist.{assessed.state}")
    missing = chain("words.clause", assessed.missing) if assessed.missing else ""
    return (item.number, item.topic, state, _separated(where), missing)


def _separated(links: Sequence[Link]) -> Text:
    parts: list[Text] = []
    for link in links:
        parts += [", ", link] if parts else [link]
    return phrase(*parts)


def _holds_something(block: Block) -> bool:
    """Whether a block is more than a frame: an empty section is not in the report."""
    match block:
        case Paragraph(content) | Points(content) | Notice(content) | Listing(content):
            return bool(content)
        case Table(rows=content) | Facts(content) | Gallery(content) | Links(links=content):
            return bool(content)
        case Details(blocks=content) | Subsection(blocks=content):
            return any(map(_holds_something, content))
        case Picture():
            return True
        case References():
            return False
