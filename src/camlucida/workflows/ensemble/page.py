"""``index.html`` of an ensemble: classifiers, how to read the page, and the findings by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from camlucida.analysis.ensemble.combine import scale_description
from camlucida.analysis.ensemble.members import weighting_description
from camlucida.core.messages import Estimate, Message, Value, declare, quoted
from camlucida.figures.ensemble import BOXES_RULE
from camlucida.metrics.multilabel import DECISION_THRESHOLD
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Code,
    Details,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Picture,
    Points,
    Section,
    Strong,
    Subsection,
    Table,
    Text,
    View,
    phrase,
)
from camlucida.runs.keyed import IMAGE_NAMES, KEYED
from camlucida.workflows.ensemble.tables import ENSEMBLE, MEASURES
from camlucida.workflows.ensemble.texts import page_message

SHOWN = 12
"""Labels of an image on the page; all are in ``ensemble.csv``."""

DOMINANT = 0.5
"""Share of the ensemble's peak above which a classifier dominates it."""

declare(
    "ensemble_finding",
    {
        "dominated": (
            "dominated by {classifier}, which says {probability:p}: {share:.0%} of the "
            "ensemble's peak is its map"
        ),
    },
)

NAN = float("nan")
Record: TypeAlias = "Mapping[str, Any]"
Row: TypeAlias = "tuple[CellValue | Cell, ...]"


def ensemble_page(
    record: Record,
    images: Sequence[Record],
    titles: Mapping[str, str],
    summary: Sequence[Record],
) -> Document:
    """The page.

    Args:
        record: content of ``ensemble.json``.
        images: content of each ``metadata.json``, its ``folder``, and its ``view``: the script for
            the viewer, or "".
        titles: key of a classifier → its name for people.
        summary: of :func:`~camlucida.workflows.ensemble.tables.localisation_summary`.
    """
    notes = tuple(Notice((page_message("sentence", text=note),)) for note in record["notes"])
    return Document(
        title=page_message("title", classifiers=len(titles), images=len(images)),
        sections=(
            _failures(record),
            _classifiers(record),
            _how_to_read(record, bool(summary)),
            _localisation(summary, titles),
            *(_image(case, titles) for case in images),
            _audit(record),
        ),
        synthetic=record["synthetic"],
        intro=notes,
        keyed=record[IMAGE_NAMES] == KEYED,
    )


def _failures(record: Record) -> Section:
    """Empty, and so left out, where nothing failed."""
    lines = [
        f"{failure['what']} ({failure['fix']})" if failure["fix"] else failure["what"]
        for failure in record["failures"]
    ]
    title = page_message("failed", count=len(lines))
    return Section("failures", (Points(tuple(lines)),), title=title)


def _heads(*names: str) -> tuple[Message, ...]:
    return tuple(map(page_message, names))


def _classifiers(record: Record) -> Section:
    head = _heads("key", "name", "weight", "input", "labels", "method", "weights")
    rows = tuple(_classifier_row(model) for model in record["models"])
    described = tuple(
        Paragraph((_described(model),), quiet=True)
        for model in record["models"]
        if model["description"]
    )
    table = Table("classifier_list", None, head, rows)
    return Section("classifiers", (table, *described), title=page_message("classifiers"))


def _described(model: Record) -> Text:
    name = page_message("described", name=model["title"])
    return phrase(Strong(name), " ", quoted(model["description"]))


def _classifier_row(model: Record) -> Row:
    return (
        model["key"],
        model["title"],
        page_message("weight_of", weight=model["weight"], share=model["share"]),
        str(model["input_size"]),
        len(model["labels"]),
        page_message("method_at", methods=model["method"], layers=model["layer"]),
        Code(f"sha256 {model['sha256'][:16]}…"),
    )


def _shown(record: Record, has_truth: bool) -> Message:
    """Which labels are shown."""
    shown = page_message("shown_ranked", top=record["top"], threshold=record["threshold"])
    if record["labels"]:
        shown = page_message("shown_requested", labels=record["labels"])
    return page_message("shown_annotated", shown=shown) if has_truth else shown


def _how_to_read(record: Record, has_truth: bool) -> Section:
    points = (
        page_message("shown", shown=_shown(record, has_truth)),
        page_message("scale", scale=scale_description(record["scale"])),
        page_message("weighting", weighting=weighting_description(record["weighting"])),
        page_message("evidence"),
        page_message("mean"),
        page_message("agreement_note"),
        page_message("boxes_note", rule=BOXES_RULE),
    )
    return Section("reading", (Points(points),), title=page_message("reading"))


def _localisation(summary: Sequence[Record], titles: Mapping[str, str]) -> Section:
    """Empty, and so left out, where no reader's boxes were given."""
    rows = tuple(_localisation_row(row, titles) for row in summary)
    each = page_message("localisation_interval")
    notes: tuple[Text, ...] = (
        *_heads("localisation_means", "localisation_chance", "localisation_top"),
        phrase(each, Link("localisation.csv"), page_message("full_stop")),
    )
    head = _heads("map", "findings", *MEASURES)
    table = Table("localisation_means", None, head, rows, notes=notes)
    return Section("localisation", (table,), title=page_message("localisation"))


def _localisation_row(row: Record, titles: Mapping[str, str]) -> Row:
    cells = []
    for name in MEASURES:
        numbers = row["measures"][name]
        ends = (_or_nan(numbers["low"]), _or_nan(numbers["high"]))
        estimate = Estimate(_or_nan(numbers["estimate"]), *ends)
        chance = page_message("chance", level=numbers["chance"])
        cells.append(Cell(estimate, note=chance, spec=".2g"))
    counts = f"{row['findings']} ({row['patients']})"
    return _name(row["model"], titles), counts, *cells


def _name(key: str, titles: Mapping[str, str]) -> Message | str:
    """A classifier or the ensemble for people."""
    return page_message("ensemble") if key == ENSEMBLE else titles.get(key, key)


def _image(case: Record, titles: Mapping[str, str]) -> Section:
    size = " × ".join(map(str, reversed(case["size"])))
    about = f"{case['path']} · {size} px · sha256 {case['sha256'][:12]}… · "
    metadata = Link(f"{case['folder']}/metadata.json", "metadata.json")
    blocks: list[Block] = [Paragraph((phrase(about, metadata),), quiet=True)]
    for warning in case.get("warnings", ()):
        blocks.append(Notice((page_message("sentence", text=warning),)))
    for key, reason in case["missing"].items():
        missing = page_message("of", name=titles.get(key, key), text=reason)
        blocks.append(Notice((missing,)))
    blocks.append(_probabilities(case, titles))
    for strip in case["strips"]:
        title = titles[strip["model"]]
        alt = page_message("strip_alt", image=case["image"], name=title)
        caption = page_message("strip", name=title)
        blocks.append(Picture.of_file(strip["file"], caption, alt=alt, views=_views(case)))
    blocks += [_finding(finding, case, titles) for finding in case["findings"]]
    return Section(case["folder"], tuple(blocks), title=case["image"])


def _probabilities(case: Record, titles: Mapping[str, str]) -> Table:
    rows = []
    for row in case["probabilities"][:SHOWN]:
        cells = [Cell(row[key], spec="p") for key in (*titles, ENSEMBLE)]
        rows.append((row["label"], *cells))
    more = len(case["probabilities"]) - SHOWN
    notes: tuple[Text, ...] = ()
    if more > 0:
        count = page_message("more_labels", count=more)
        notes = (phrase(count, Link("ensemble.csv"), page_message("full_stop")),)
    names: tuple[Text, ...] = tuple(titles.values())
    head = (page_message("label"), *names, page_message("ensemble"))
    return Table(f"{case['folder']}-probabilities", None, head, tuple(rows), notes=notes)


def _finding(finding: Record, case: Record, titles: Mapping[str, str]) -> Subsection:
    names = {"label": finding["label"], "image": case["image"]}
    side_by_side = page_message("side_by_side", **names)
    views = _views(case)
    boxes_alt = page_message("boxes_alt", **names)
    boxes = Picture.of_file(finding["boxes_figure"], alt=boxes_alt, views=views)
    lines = [_files(titles[member["model"]], member["files"]) for member in finding["members"]]
    files = Points((*lines, _files(page_message("ensemble"), finding["files"])))
    because = page_message("shown_because", reason=finding["reason"])
    blocks: tuple[Block, ...] = (
        Paragraph((_probability(finding), _agreement(finding))),
        *_warnings(finding, titles),
        Paragraph((because,), quiet=True),
        Picture.of_file(finding["figure"], alt=side_by_side, views=views),
        Details(page_message("boxes_and_files"), (boxes, files)),
    )
    return Subsection(finding["label"], blocks)


def _views(case: Record) -> tuple[View, ...]:
    """The film with the maps of all findings for the viewer."""
    if not case["view"]:
        return ()
    findings = " · ".join(str(finding["label"]) for finding in case["findings"])
    return (View(case["view"], case["image"], findings),)


def _probability(finding: Record) -> Message:
    if finding["probability"] is None:
        return page_message("no_probability")
    return page_message("probability", probability=finding["probability"])


def _agreement(finding: Record) -> Message:
    if finding["agreement"] is None:
        return page_message("no_agreement", reason=finding["agreement_reason"])
    evident = len(finding["evident"])
    pairs = evident * (evident - 1) // 2
    agreement = page_message("agreement", agreement=finding["agreement"])
    if finding["compared_pairs"] < pairs:
        compared = {"compared": finding["compared_pairs"], "pairs": pairs}
        agreement = page_message("agreement_some", agreement=finding["agreement"], **compared)
    if finding["null"] is None:
        return page_message("no_null", agreement=agreement)
    values = {"null": finding["null"], "null_pairs": finding["null_pairs"]}
    if finding["excess"] is None:
        return page_message("null", agreement=agreement, **values)
    return page_message("null_excess", agreement=agreement, excess=finding["excess"], **values)


def dominated_message(finding: Record, titles: Mapping[str, str]) -> Message | None:
    """That a classifier which says no makes most of the ensemble's peak; None where none does.

    Args:
        finding: entry of ``metadata.json``.
        titles: key of a classifier → its name for people.
    """
    dominance = finding["dominated_by"]
    if dominance is None or dominance["decided"] is None or dominance["share"] <= DOMINANT:
        return None
    if dominance["decided"] >= DECISION_THRESHOLD:
        return None
    name = dominance["name"]
    values: dict[str, Value] = {
        "classifier": titles.get(name, name),
        "probability": dominance["decided"],
        "share": dominance["share"],
    }
    return Message("ensemble_finding.dominated", values)


def _warnings(finding: Record, titles: Mapping[str, str]) -> Iterator[Block]:
    for member in finding["members"]:
        reason: Message | None = member["empty_reason"]
        name = titles[member["model"]]
        if reason is not None:
            yield Notice((page_message("no_evidence", name=name, reason=reason),))
        elif member["faint"]:
            yield Paragraph((page_message("faint", name=name),), quiet=True)
    dominated = dominated_message(finding, titles)
    if dominated is not None:
        yield Notice((page_message("sentence", text=dominated),))
    if finding["left_out"]:
        names = [titles[key] for key in finding["left_out"]]
        yield Paragraph((page_message("without", names=names),))


def _files(name: Message | str, files: Mapping[str, str]) -> Text:
    links: list[Text] = [page_message("files_of", name=name)]
    for kind, file in files.items():
        links += [Link(file, page_message(kind)), " "]
    return phrase(*links)


def _audit(record: Record) -> Section:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    rows: list[tuple[Text, CellValue]] = []
    if "command" in record:  # of images with keyed names there is none
        rows.append((page_message("command"), Code(record["command"])))
    rows.append((page_message("versions"), versions))
    for model in record["models"]:
        rows.append((model["key"], Code(f"{model['sha256']} {model['card']}")))
    stored = page_message("stored")
    files = phrase(Link("ensemble.csv"), ", ", Link("ensemble.json"), stored, Code("run/"))
    rows.append((page_message("records"), files))
    return Section("audit", (Facts(tuple(rows)),), title=page_message("audit"))


def _or_nan(value: float | None) -> float:
    return NAN if value is None else value
