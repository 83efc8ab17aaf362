"""``change.html``: what changed between two studies, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from camlucida.core.messages import Message, Value, declare, quoted, score_name
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
    View,
    phrase,
)

declare(
    "change_page",
    {
        "title": "From {before} to {after}",
        "before": "Before",
        "after": "After",
        "model": "Model",
        "weights": "Weights",
        "method": "Method, layer",
        "method_at": "{method} at {layer}",
        "command": "Command",
        "versions": "Versions",
        "warning": "{when}: {warning}.",
        "alignment": "Alignment",
        "refused": "Not aligned: {reason}.",
        "centred": ("The images lie centre over centre; their correlation is {correlation:.4f}."),
        "moved": (
            "From before to after the image is rotated by {rotation:+.2f}° (clockwise), magnified "
            "{magnification:.4f} times, and its centre moved by {across:+.1f} pixels across and "
            "{down:+.1f} down."
        ),
        "overlap": "{overlap:.0%} of the first image lies on the second.",
        "correlation": "Correlation of the images",
        "information": "Mutual information (nats)",
        "quality_centred": "centre over centre",
        "quality_aligned": "aligned",
        "note": "Note: {warning}.",
        "scores": "Scores",
        "label": "Label",
        "score": "Score",
        "change": "Change",
        "by_movement": "By movement alone",
        "probability_before": "Probability before",
        "probability_after": "Probability after",
        "probability_change": "Change of probability",
        "moved_note": (
            "By movement alone: the first image, moved as the second lies, and explained again."
        ),
        "shown_note": (
            "Shown below: the most probable label of each study, and every one whose probability "
            "changed by {least:g} or more."
        ),
        "map_changes": (
            "The map changes by {low} to {high} ({unit} units), {mean} on average without sign."
        ),
        "not_moved": (
            "The change by movement alone was not measured, because the images were not moved."
        ),
        "movement": (
            "Movement and resampling alone change it by {low} to {high}, {mean} on average."
        ),
        "picture": "{label}: images, their difference, maps and their signed difference",
        "no_evidence": "{when}: no evidence: {reason}.",
        "grid": (
            "Grid {grid}, one cell ≈ {cell} px; {compared:.0%} of the first image can be compared."
        ),
        "limits": "Limits",
        "limit_comparable": (
            "What shift, rotation and magnification cannot lay over each other (breath, another "
            "projection, a moved arm) is not comparable, and its difference is not a change of the "
            "patient."
        ),
        "limit_patient": (
            "That two images can be aligned does not show that they are of one patient. Nothing "
            "here checks it."
        ),
        "limit_grid": (
            "A map is no finer than its grid: differences smaller than a cell mean nothing."
        ),
        "limit_exposure": (
            "How far map and score change between two exposures of an unchanged patient was not "
            "measured: one image a time point cannot show it."
        ),
        "numbers": "Numbers: ",
        "arrays": (
            "Signed differences, and maps before and after, in pixels of the first image, one a "
            "label in the order of this page, NaN where there is no comparison: "
        ),
    },
)

LIMITS = ("comparable", "patient", "grid", "exposure")

Record: TypeAlias = "Mapping[str, Any]"
Row: TypeAlias = "tuple[CellValue | Cell, ...]"


def change_page(record: Record, views: Sequence[View] = ()) -> Document:
    """The page of the content of ``change.json``.

    Args:
        record: the content.
        views: both images for the viewer.
    """
    images = record["images"]
    labels = record["labels"]
    limits = tuple(_message(f"limit_{name}") for name in LIMITS)
    return Document(
        title=_message("title", before=images["before"]["id"], after=images["after"]["id"]),
        sections=(
            _alignment(record["alignment"]),
            _scores(record),
            *(_label(item, index, views) for index, item in enumerate(labels, 1)),
            Section("limits", (Points(limits), _files()), title=_message("limits")),
        ),
        synthetic=record["synthetic"],
        intro=(_about(record), *_warnings(images)),
    )


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"change_page.{name}", values)


def _about(record: Record) -> Facts:
    model = record["model"]
    described: Text = model["name"]
    if model["description"]:
        described = phrase(f"{model['name']}: ", quoted(model["description"]))
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    method = _message("method_at", method=record["method"], layer=record["shown_layer"])
    return Facts(
        (
            (_message("before"), _image(record["images"]["before"])),
            (_message("after"), _image(record["images"]["after"])),
            (_message("model"), described),
            (_message("weights"), Code(f"sha256 {model['sha256']}")),
            (_message("method"), method),
            (_message("command"), Code(record["command"])),
            (_message("versions"), versions),
        )
    )


def _image(image: Record) -> Text:
    size = " × ".join(map(str, reversed(image["size"])))
    digest = (image["sha256"] or "–")[:16]
    return phrase(f"{image['path']} · {size} px · ", Code(f"sha256 {digest}…"))


def _warnings(images: Record) -> Iterator[Block]:
    for when, image in images.items():
        for warning in image["warnings"]:
            yield Notice((_message("warning", when=_message(when), warning=warning),))


def alignment_sentences(alignment: Record) -> tuple[Message, ...]:
    """How the images lie on each other, or why they were not aligned.

    Args:
        alignment: of :func:`~camlucida.workflows.change.alignment_record.alignment_record`.
    """
    if alignment["refused"] is not None:
        correlation = alignment["unaligned_quality"]["correlation"]
        refused = _message("refused", reason=alignment["refused"])
        return refused, _message("centred", correlation=correlation)
    down, across = alignment["shift"]
    moved = _message(
        "moved",
        rotation=alignment["rotation"],
        magnification=alignment["magnification"],
        across=across,
        down=down,
    )
    return moved, _message("overlap", overlap=alignment["aligned_quality"]["overlap"])


def _alignment(alignment: Record) -> Section:
    sentences = alignment_sentences(alignment)
    blocks: list[Block] = []
    if alignment["refused"] is not None:
        blocks.append(Notice(sentences))
    else:
        blocks.append(Paragraph(sentences))
        head = ("", _message("correlation"), _message("information"))
        centred = _quality("centred", alignment["unaligned_quality"])
        aligned = _quality("aligned", alignment["aligned_quality"])
        blocks.append(Table("alignment_quality", None, head, (centred, aligned)))
    if alignment["mirror_warning"] is not None:
        blocks.append(Notice((_message("note", warning=alignment["mirror_warning"]),)))
    return Section("alignment", tuple(blocks), title=_message("alignment"))


def _quality(name: str, quality: Record) -> Row:
    measures = (quality["correlation"], quality["information"])
    return (_message(f"quality_{name}"), *(Cell(measure, spec=".4f") for measure in measures))


def _scores(record: Record) -> Section:
    scores = ("label", "score", "before", "after", "change", "by_movement")
    probabilities = ("probability_before", "probability_after", "probability_change")
    head = tuple(_message(name) for name in (*scores, *probabilities))
    rows = tuple(_score_row(item) for item in (*record["labels"], *record["others"]))
    notes: list[Text] = [_message("moved_note")]
    if not record["requested"]:
        notes.append(_message("shown_note", least=record["shown_from"]))
    table = Table("score_changes", None, head, rows, notes=tuple(notes))
    return Section("scores", (table,), title=_message("scores"))


def _score_row(item: Record) -> Row:
    score, probability = item["score"], item["probability"]
    return (
        item["label"],
        score_name(item["score_kind"]),
        Cell(score["before"], spec=".3f"),
        Cell(score["after"], spec=".3f"),
        Cell(score["change"], spec="+.3f"),
        Cell(item["moved_score_change"], spec="+.3f"),
        Cell(probability["before"], spec="p"),
        Cell(probability["after"], spec="p"),
        Cell(probability["change"], spec="+.3f"),
    )


def _label(item: Record, index: int, views: Sequence[View]) -> Section:
    label = item["label"]
    alt = _message("picture", label=label)
    grid = " × ".join(map(str, item["grid"]))
    cell = " × ".join(map(str, reversed(item["cell"])))
    compared = _message("grid", grid=grid, cell=cell, compared=item["compared"])
    blocks: list[Block] = [Paragraph(map_sentences(item))]
    for when, reason in item["empty"].items():
        if reason is not None:
            empty = _message("no_evidence", when=_message(when), reason=reason)
            blocks.append(Notice((empty,)))
    blocks.append(Picture.of_file(item["figure"], more=("pdf",), alt=alt, views=views))
    blocks.append(Paragraph((compared,), quiet=True))
    return Section(f"label-{index}", tuple(blocks), title=label)


def map_sentences(item: Record) -> tuple[Message, Message]:
    """By how much a map changes, and by how much through movement alone.

    Args:
        item: of :func:`~camlucida.workflows.change.folder.change_numbers`.
    """
    unit = score_name(str(item["unit"]))
    changed = _message("map_changes", unit=unit, **_range(item["map_change"]))
    return changed, _moved(item["moved_map_change"])


def _moved(spread: Record | None) -> Message:
    return _message("not_moved") if spread is None else _message("movement", **_range(spread))


def _range(spread: Record) -> dict[str, str]:
    """From where to where a map changes, and how much on average without sign."""
    names = {"low": "lowest", "high": "highest", "mean": "mean_magnitude"}
    return {name: number(spread[key], ".3g") for name, key in names.items()}


def _files() -> Paragraph:
    arrays = phrase(
        _message("arrays"),
        Link("change.npy"),
        ", ",
        Link("before.npy"),
        ", ",
        Link("after.npy"),
        ".",
    )
    return Paragraph((phrase(_message("numbers"), Link("change.json"), "."), arrays), quiet=True)
