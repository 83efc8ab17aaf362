"""``index.html`` of an ensemble: classifiers, how to read the page, and the findings by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from camlucida.analysis.ensemble.combine import scale_description
from camlucida.analysis.ensemble.members import weighting_description
from camlucida.core.messages import Estimate, Message, Value, declare
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
    phrase,
)
from camlucida.workflows.ensemble.tables import ENSEMBLE, MEASURES

SHOWN = 12
"""Labels of an image on the page; all are in ``ensemble.csv``."""

DOMINANT = 0.5
"""Share of the ensemble's peak above which a classifier dominates it."""

declare(
    "ensemble_finding",
    {
        "dominated": (
            "dominated by {classifier}, which says {probability:.2f}: {share:.0%} of the "
            "ensemble's peak is its map"
        ),
    },
)

MEASURE_TITLES = {
    "iou": "IoU",
    "dice": "Dice",
    "pixel_accuracy": "Pixel accuracy",
    "localised_10": "Localised, IoU ≥ .1",
    "localised_30": "Localised, IoU ≥ .3",
}

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
        images: content of each ``metadata.json``, and its ``folder``.
        titles: key of a classifier → its name for people.
        summary: of :func:`~camlucida.workflows.ensemble.tables.localisation_summary`.
    """
    classifiers, films = _counted(len(titles), "classifier"), _counted(len(images), "image")
    notes = tuple(Notice((phrase(note, "."),)) for note in record["notes"])
    return Document(
        title=f"{classifiers} on {films}",
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
    )


def _failures(record: Record) -> Section:
    """Empty, and so left out, where nothing failed."""
    lines = [
        f"{failure['what']} ({failure['fix']})" if failure["fix"] else failure["what"]
        for failure in record["failures"]
    ]
    return Section("failures", (Points(tuple(lines)),), title=f"Failed: {len(lines)}")


def _classifiers(record: Record) -> Section:
    head = ("Key", "Name", "Weight", "Input", "Labels", "Method, layer", "Weights")
    rows = tuple(_classifier_row(model) for model in record["models"])
    described = tuple(
        Paragraph((phrase(Strong(f"{model['title']}: "), model["description"]),), quiet=True)
        for model in record["models"]
        if model["description"]
    )
    table = Table("classifier_list", None, head, rows)
    return Section("classifiers", (table, *described), title="Classifiers")


def _classifier_row(model: Record) -> Row:
    return (
        model["key"],
        model["title"],
        f"{model['weight']:.3g} ({model['share']:.0%})",
        str(model["input_size"]),
        len(model["labels"]),
        f"{', '.join(model['method'])} at {', '.join(model['layer'])}",
        Code(f"sha256 {model['sha256'][:16]}…"),
    )


def _how_to_read(record: Record, has_truth: bool) -> Section:
    shown = (
        f"the {record['top']} most probable labels of each classifier and every label with a "
        f"probability above {record['threshold']:g} (where a classifier scales its output to "
        "operating points, that output is compared and ordered)"
    )
    if record["labels"]:
        shown = f"the labels requested ({', '.join(record['labels'])})"
    if has_truth:
        shown += ", and every label that a reader marked"
    points: tuple[Text, ...] = (
        f"Shown of each image: {shown}. A label that is shown is not thereby present: see its "
        "probabilities.",
        phrase(
            "Maps of different models have no common scale. Scale used here: ",
            scale_description(record["scale"]),
            ". The weighted mean of these numbers is taken pixel by pixel, over the classifiers "
            "that saw the pixel; never of pictures. Disagreement is the standard deviation with "
            "the same weights.",
        ),
        phrase(
            "A map counts by ",
            weighting_description(record["weighting"]),
            ". A classifier that counts less is drawn fainter.",
        ),
        "A map is evidence if its cells add up to 1 logit, or 0.25 of probability. Agreement, its "
        "chance level and boxes are of maps with evidence only.",
        "The ensemble's probability is the weighted mean of the classifiers' probabilities. The "
        "classifiers need not be equally well calibrated; their mean is a summary of them, not "
        "the probability of a disease.",
        "Agreement is the Pearson correlation of two classifiers' maps, each pair on its coarser "
        "grid, averaged over the pairs. Chance is the same for maps of different patients' images; "
        "excess is (agreement − chance) ÷ (1 − chance): 0 is no better than chance, 1 is "
        "identical. Classifiers that share a shortcut agree, too.",
        phrase(
            BOXES_RULE, " The ensemble's boxes are those of its map, never a union of pictures."
        ),
    )
    return Section("reading", (Points(points),), title="How to read this page")


def _localisation(summary: Sequence[Record], titles: Mapping[str, str]) -> Section:
    """Empty, and so left out, where no reader's boxes were given."""
    head = ("Map", "Findings (patients)", *(MEASURE_TITLES[name] for name in MEASURES))
    rows = tuple(_localisation_row(row, titles) for row in summary)
    notes = (
        "Means over the findings that a reader marked and that are shown; IoU, Dice and pixel "
        "accuracy of the area of all boxes of a map.",
        "Chance: the same boxes against the reader's boxes moved to 16 × 16 positions in the "
        "image.",
        "Localised: the box with the map's highest peak overlaps one of the reader's by this IoU.",
        phrase("An interval needs 10 patients. Each finding: ", Link("localisation.csv"), "."),
    )
    table = Table("localisation_means", None, head, rows, notes=notes)
    return Section("localisation", (table,), title="Boxes against readers' boxes")


def _localisation_row(row: Record, titles: Mapping[str, str]) -> Row:
    cells = []
    for name in MEASURES:
        numbers = row["measures"][name]
        ends = (_or_nan(numbers["low"]), _or_nan(numbers["high"]))
        estimate = Estimate(_or_nan(numbers["estimate"]), *ends)
        cells.append(Cell(estimate, note=f"chance {numbers['chance']:.2g}", spec=".2g"))
    counts = f"{row['findings']} ({row['patients']})"
    return titles.get(row["model"], row["model"]), counts, *cells


def _image(case: Record, titles: Mapping[str, str]) -> Section:
    size = " × ".join(map(str, reversed(case["size"])))
    about = f"{case['path']} · {size} px · sha256 {case['sha256'][:12]}… · "
    metadata = Link(f"{case['folder']}/metadata.json", "metadata.json")
    blocks: list[Block] = [Paragraph((phrase(about, metadata),), quiet=True)]
    blocks += [Notice((phrase(warning, "."),)) for warning in case.get("warnings", ())]
    for key, reason in case["missing"].items():
        blocks.append(Notice((phrase(f"{titles.get(key, key)}: ", reason, "."),)))
    blocks.append(_probabilities(case, titles))
    for strip in case["strips"]:
        title = titles[strip["model"]]
        text = f"{title}: its most probable labels, each map on its own scale."
        alt = f"{case['image']}: most probable labels of {title}"
        blocks.append(Picture.of_file(strip["file"], text, alt=alt))
    blocks += [_finding(finding, case, titles) for finding in case["findings"]]
    return Section(case["folder"], tuple(blocks), title=case["image"])


def _probabilities(case: Record, titles: Mapping[str, str]) -> Table:
    rows = []
    for row in case["probabilities"][:SHOWN]:
        cells = [Cell(row[key], spec=".3f") for key in (*titles, ENSEMBLE)]
        rows.append((row["label"], *cells))
    more = len(case["probabilities"]) - SHOWN
    notes: tuple[Text, ...] = ()
    if more > 0:
        notes = (phrase(f"{more} less probable labels are in ", Link("ensemble.csv"), "."),)
    head = ("Label", *titles.values(), "Ensemble")
    return Table(f"{case['folder']}-probabilities", None, head, tuple(rows), notes=notes)


def _finding(finding: Record, case: Record, titles: Mapping[str, str]) -> Subsection:
    label, image = finding["label"], case["image"]
    side_by_side = f"{image}: image, each classifier, ensemble and disagreement for {label}"
    boxes = Picture.of_file(finding["boxes_figure"], alt=f"{image}: boxes for {label}")
    lines = [_files(titles[member["model"]], member["files"]) for member in finding["members"]]
    files = Points((*lines, _files(ENSEMBLE, finding["files"])))
    blocks: tuple[Block, ...] = (
        Paragraph((_probability(finding), _agreement(finding))),
        *_warnings(finding, titles),
        Paragraph((phrase("Shown because: ", finding["reason"], "."),), quiet=True),
        Picture.of_file(finding["figure"], alt=side_by_side),
        Details("Boxes and files", (boxes, files)),
    )
    return Subsection(label, blocks)


def _probability(finding: Record) -> Text:
    if finding["probability"] is None:
        return "A classifier gives no probability."
    return f"Mean probability {finding['probability']:.3f}."


def _agreement(finding: Record) -> Text:
    if finding["agreement"] is None:
        return phrase("Agreement: ", finding["agreement_reason"], ".")
    evident = len(finding["evident"])
    pairs = evident * (evident - 1) // 2
    text = f"Agreement of the maps {finding['agreement']:.2g}"
    if finding["compared_pairs"] < pairs:
        compared = f"{finding['compared_pairs']} of {pairs} pairs"
        text += f" ({compared}: the others hold a map without any variation)"
    if finding["null"] is None:
        return f"{text}; its chance level needs images of two patients."
    chance = f"chance {finding['null']:.2g} ({finding['null_pairs']} pairs of maps)"
    excess = "" if finding["excess"] is None else f", excess {finding['excess']:.2g}"
    return f"{text}, {chance}{excess}."


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
        if reason is not None:
            title = titles[member["model"]]
            without = phrase(f"{title}: no evidence: ", reason, ". It counts as a map of zeros.")
            yield Notice((without,))
        elif member["faint"]:
            faint = f"{titles[member['model']]}: a faint map, no evidence; no box is drawn of it."
            yield Paragraph((faint,), quiet=True)
    dominated = dominated_message(finding, titles)
    if dominated is not None:
        yield Notice((phrase(dominated, "."),))
    if finding["left_out"]:
        names = ", ".join(titles[key] for key in finding["left_out"])
        yield Paragraph((f"Without {names}: no map of this label.",))


def _files(name: str, files: Mapping[str, str]) -> Text:
    links: list[Text] = [f"{name}: "]
    for kind, file in files.items():
        links += [Link(file, kind), " "]
    return phrase(*links)


def _audit(record: Record) -> Section:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    rows: list[tuple[Text, CellValue]] = [
        ("Command", Code(record["command"])),
        ("Versions", versions),
    ]
    for model in record["models"]:
        rows.append((model["key"], Code(f"{model['sha256']} {model['card']}")))
    stored = "; raw signed maps and predictions of every label: "
    files = phrase(Link("ensemble.csv"), ", ", Link("ensemble.json"), stored, Code("run/"))
    rows.append(("Records", files))
    return Section("audit", (Facts(tuple(rows)),), title="Audit trail")


def _or_nan(value: float | None) -> float:
    return NAN if value is None else value


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
