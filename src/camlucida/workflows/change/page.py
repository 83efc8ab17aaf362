"""``change.html``: what changed between two studies, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from camlucida.core.numbers import number
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Code,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Picture,
    Points,
    Section,
    Table,
    Text,
    phrase,
)

LIMITS = (
    "What shift, rotation and magnification cannot lay over each other (breath, another "
    "projection, a moved arm) is not comparable, and its difference is not a change of the "
    "patient.",
    "That two images can be aligned does not show that they are of one patient. Nothing here "
    "checks it.",
    "A map is no finer than its grid: differences smaller than a cell mean nothing.",
    "How far map and score change between two exposures of an unchanged patient was not measured: "
    "one image a time point cannot show it.",
)

Record: TypeAlias = "Mapping[str, Any]"
Row: TypeAlias = "tuple[CellValue | Cell, ...]"


def change_page(record: Record) -> Document:
    """The page of the content of ``change.json``."""
    images = record["images"]
    labels = record["labels"]
    return Document(
        title=f"From {images['before']['id']} to {images['after']['id']}",
        sections=(
            _alignment(record["alignment"]),
            _scores(record),
            *(_label(item, index) for index, item in enumerate(labels, 1)),
            Section("limits", (Points(LIMITS), _files()), title="Limits"),
        ),
        synthetic=record["synthetic"],
        intro=(_about(record), *_warnings(images)),
    )


def _about(record: Record) -> Facts:
    model = record["model"]
    described = f": {model['description']}" if model["description"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return Facts(
        (
            ("Before", _image(record["images"]["before"])),
            ("After", _image(record["images"]["after"])),
            ("Model", f"{model['name']}{described}"),
            ("Weights", Code(f"sha256 {model['sha256']}")),
            ("Method, layer", f"{record['method']} at {record['layer']}"),
            ("Command", Code(record["command"])),
            ("Versions", versions),
        )
    )


def _image(image: Record) -> Text:
    size = " × ".join(map(str, reversed(image["size"])))
    digest = (image["sha256"] or "–")[:16]
    return phrase(f"{image['path']} · {size} px · ", Code(f"sha256 {digest}…"))


def _warnings(images: Record) -> Iterator[Block]:
    for when, image in images.items():
        for warning in image["warnings"]:
            yield Notice((phrase(f"{when.capitalize()}: ", warning, "."),))


def _alignment(alignment: Record) -> Section:
    blocks: list[Block] = []
    centred = alignment["unaligned_quality"]
    if alignment["refused"] is not None:
        correlation = f"their correlation is {number(centred['correlation'], '.4f')}."
        refused = phrase("Not aligned: ", alignment["refused"], ".")
        blocks.append(Notice((refused, f"The images lie centre over centre; {correlation}")))
    else:
        aligned = alignment["aligned_quality"]
        down, across = alignment["shift"]
        moved = (
            f"From before to after the image is rotated by {number(alignment['rotation'], '+.2f')}°"
            f" (clockwise), magnified {alignment['magnification']:.4f} times, and its centre moved "
            f"by {number(across, '+.1f')} pixels across and {number(down, '+.1f')} down."
        )
        overlap = f"{aligned['overlap']:.0%} of the first image lies on the second."
        blocks.append(Paragraph((moved, overlap)))
        head = ("", "Correlation of the images", "Mutual information (nats)")
        rows = (_quality("centre over centre", centred), _quality("aligned", aligned))
        blocks.append(Table("alignment_quality", None, head, rows))
    if alignment["mirror_warning"] is not None:
        blocks.append(Notice((phrase("Note: ", alignment["mirror_warning"], "."),)))
    return Section("alignment", tuple(blocks), title="Alignment")


def _quality(name: str, quality: Record) -> Row:
    measures = (quality["correlation"], quality["information"])
    return (name, *(Cell(measure, spec=".4f") for measure in measures))


def _scores(record: Record) -> Section:
    head = (
        "Label",
        "Score",
        "Before",
        "After",
        "Change",
        "By movement alone",
        "p before",
        "p after",
        "Change of p",
    )
    rows = tuple(_score_row(item) for item in (*record["labels"], *record["others"]))
    notes: list[Text] = [
        "By movement alone: the first image, moved as the second lies, and explained again."
    ]
    if not record["requested"]:
        notes.append(
            "Shown below: the most probable label of each study, and every one whose probability "
            f"changed by {record['shown_from']:g} or more."
        )
    table = Table("score_changes", None, head, rows, notes=tuple(notes))
    return Section("scores", (table,), title="Scores")


def _score_row(item: Record) -> Row:
    score, probability = item["score"], item["probability"]
    return (
        item["label"],
        item["score_kind"],
        Cell(score["before"], spec=".3f"),
        Cell(score["after"], spec=".3f"),
        Cell(score["change"], spec="+.3f"),
        Cell(item["moved_score_change"], spec="+.3f"),
        Cell(probability["before"], spec=".3f"),
        Cell(probability["after"], spec=".3f"),
        Cell(probability["change"], spec="+.3f"),
    )


def _label(item: Record, index: int) -> Section:
    label = item["label"]
    spread = item["map_change"]
    changed = (
        f"The map changes by {_range(spread)} ({item['unit']} units), "
        f"{number(spread['mean_magnitude'], '.3g')} on average without sign."
    )
    alt = f"{label}: images, their difference, maps and their signed difference"
    grid = " × ".join(map(str, item["grid"]))
    cell = " × ".join(map(str, reversed(item["cell"])))
    compared = f"{item['compared']:.0%} of the first image can be compared."
    blocks: list[Block] = [Paragraph((changed, _moved(item["moved_map_change"])))]
    for when, reason in item["empty"].items():
        if reason is not None:
            blocks.append(Notice((phrase(f"{when.capitalize()}: no evidence: ", reason, "."),)))
    blocks.append(Picture.of_file(item["figure"], more=("pdf",), alt=alt))
    blocks.append(Paragraph((f"Grid {grid}, one cell ≈ {cell} px; {compared}",), quiet=True))
    return Section(f"label-{index}", tuple(blocks), title=label)


def _moved(spread: Record | None) -> str:
    if spread is None:
        return "The change by movement alone was not measured, because the images were not moved."
    mean = number(spread["mean_magnitude"], ".3g")
    return f"Movement and resampling alone change it by {_range(spread)}, {mean} on average."


def _range(spread: Record) -> str:
    return f"{number(spread['lowest'], '.3g')} to {number(spread['highest'], '.3g')}"


def _files() -> Paragraph:
    arrays = phrase(
        "Signed differences, and maps before and after, in pixels of the first image, one a label "
        "in the order of this page, NaN where there is no comparison: ",
        Link("change.npy"),
        ", ",
        Link("before.npy"),
        ", ",
        Link("after.npy"),
        ".",
    )
    return Paragraph((phrase("Numbers: ", Link("change.json"), "."), arrays), quiet=True)
