"""``index.html``: one page that shows all of a folder of explanations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from camlucida.attribution.methods import METHODS
from camlucida.core.messages import Message, Value, declare, quoted, score_name
from camlucida.core.numbers import number
from camlucida.report.document import (
    Block,
    Code,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Phrase,
    Picture,
    Points,
    Section,
    Strong,
    Subsection,
    Text,
    phrase,
)
from camlucida.report.viewer.page import ViewerCase, page_viewer
from camlucida.report.writers.html import write_page

declare(
    "index_page",
    {
        "title": (
            "{model}: {maps} {maps:|explanation|explanations} of {images} {images:|image|images}"
        ),
        "model": "Model",
        "weights": "Weights",
        "methods": "Methods, layers",
        "methods_at": "{methods:,} at {layers:,}",
        "command": "Command",
        "versions": "Versions",
        "records": "Records: ",
        "maps": "Numeric maps: ",
        "maps_signed": " (signed, on the layer's grid, before any ReLU).",
        "mask": "The mask is where the map is at least half its maximum.",
        "scale": (
            "Each map has its own colour scale, stated with it: the same colour in two pictures is "
            "not the same strength."
        ),
        "letters": "Letters that are burned into an image stay in its pictures.",
        "failed": "Failed: {count}",
        "strip": "{image}: original and one overlay a label",
        "figure": "{image}: map of {target}",
        "map": "{target} · {method} at {layer}",
        "probability": "probability {probability:p}",
        "score": "{kind} {score}",
        "scaled": "output scaled to {output:.3f} (0.5 is the operating point)",
        "result": "{numbers:,}; grid {grid}; raw map from {low} to {high}.",
        "empty": "No evidence: {reason}.",
        "regions": "{count} {count:|region|regions} at or above half the maximum.",
        "every_target": "This method gives the same map for every target.",
        "boxes": "Boxes (x, y, width, height in original pixels): {boxes}",
        "more": "; {count} more in ",
    },
)

SHOWN_PICTURES = ("figure", "overlay")
"""Kinds of pictures of a map, the one that the page shows first."""

SHOWN_FINDINGS = 2
"""Of an image in the list of the viewer."""

SHOWN_BOXES = 6
"""Of a map in words; the others are in explanations.json."""


def write_index(
    directory: Path,
    run: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    strips: Mapping[str, Sequence[str]],
    scripts: Mapping[str, str] | None = None,
) -> Path:
    """Write ``directory/index.html``.

    Args:
        directory: where the files of ``records`` are.
        run: the content of ``run.json``.
        records: the content of ``explanations.json``, in order of images.
        strips: image id → file names of its strips.
        scripts: image id → the script with its data for the viewer; the page takes in those of few
            images, and the files are removed.

    Returns:
        The page's path.
    """
    groups = groupby(records, key=lambda record: str(record["id"]))
    images = [(name, list(group)) for name, group in groups]
    sections = [_failures(run["failures"])]
    sections += [_image(name, group, strips.get(name, [])) for name, group in images]
    counts = {"maps": len(records), "images": len(images)}
    document = Document(
        _message("title", model=run["model"]["name"], **counts),
        tuple(sections),
        synthetic=bool(run["synthetic"]),
        intro=(
            _about(run),
            _how_to_read(run),
            *(Notice((_text(note),)) for note in run["notes"]),
        ),
        keyed=bool(run.get("deidentified")),
    )
    cases = [
        ViewerCase(name, _top_findings(group), scripts[name])
        for name, group in images
        if scripts and name in scripts
    ]
    viewer = page_viewer(cases, directory)
    return write_page(document, directory / "index.html", viewer=viewer)


def _top_findings(records: Sequence[Mapping[str, Any]]) -> str:
    """The targets of an image with the highest probabilities, in one line."""
    strengths: dict[str, tuple[float, str]] = {}
    for record in records:
        probability, score = record["probability"], float(record["score"])
        strength = (score, ".2f") if probability is None else (float(probability), "p")
        strengths.setdefault(str(record["target"]), strength)
    strongest = sorted(strengths.items(), key=lambda item: -item[1][0])[:SHOWN_FINDINGS]
    return " · ".join(f"{target} {number(*strength)}" for target, strength in strongest)


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"index_page.{name}", values)


def _text(item: object) -> Message | str:
    """A message, which is translated; anything else as it reads."""
    return item if isinstance(item, Message) else str(item)


def _about(run: Mapping[str, Any]) -> Facts:
    model = run["model"]
    described: Text = model["name"]
    if model["description"]:
        described = phrase(f"{model['name']}: ", quoted(model["description"]))
    methods = [METHODS[name].title for name in run["methods"]]
    versions = [f"{name} {version}" for name, version in run["versions"].items()]
    command = [(_message("command"), Code(run["command"]))] if run["command"] else []
    return Facts(
        (
            (_message("model"), described),
            (_message("weights"), Code(f"sha256 {model['sha256']}")),
            (_message("methods"), _message("methods_at", methods=methods, layers=run["layers"])),
            *command,
            (_message("versions"), ", ".join(versions)),
        )
    )


def _how_to_read(run: Mapping[str, Any]) -> Paragraph:
    records = phrase(_message("records"), Link("explanations.json"), ", ", Link("run.json"), ".")
    files = phrase(
        _message("maps"),
        Code("*_maps.npz"),
        _message("maps_signed"),
    )
    letters = _message("letters")
    return Paragraph((records, files, _message("mask"), _message("scale"), letters), quiet=True)


def _failures(failures: Sequence[object]) -> Section:
    """Empty, and so left out, where nothing failed."""
    lines = tuple(str(failure) for failure in failures)
    return Section("failures", (Points(lines),), title=_message("failed", count=len(failures)))


def _image(name: str, records: Sequence[Mapping[str, Any]], strips: Sequence[str]) -> Section:
    first = records[0]
    facts = [first["image"]]
    if first["image_size"] is not None or "volume" in first:
        facts.append(_size(first))
    if first["image_sha256"]:
        facts.append(f"sha256 {first['image_sha256'][:12]}…")
    blocks: list[Block] = [Paragraph((" · ".join(facts),), quiet=True)]
    blocks += [Notice((_text(warning),)) for warning in first["warnings"]]
    alt = _message("strip", image=name)
    blocks += [Picture.of_file(strip, alt=alt) for strip in strips]
    blocks += [_map(name, record) for record in records]
    return Section(name, tuple(blocks), title=name)


def _size(record: Mapping[str, Any]) -> str:
    """Width and height in pixels; of a volume columns, rows and slices."""
    if "volume" in record:
        return f"{_times(record['volume']['size'])} voxels"
    return f"{_times(record['image_size'])} px"


def _times(size: Sequence[int]) -> str:
    return " × ".join(str(n) for n in reversed(size))


def _map(image: str, record: Mapping[str, Any]) -> Subsection:
    target = str(record["target"])
    blocks: list[Block] = [Paragraph(tuple(_result(record)))]
    files = record["files"]
    shown = next((files[kind] for kind in SHOWN_PICTURES if kind in files), None)
    if shown is not None:
        alt = _message("figure", image=image, target=target)
        blocks.append(Picture.of_file(shown, alt=alt))
    blocks.append(Paragraph(tuple(_files(record)), quiet=True))
    method = METHODS[record["method"]].title
    title = _message("map", target=target, method=method, layer=record["shown_layer"])
    return Subsection(title, tuple(blocks))


def _result(record: Mapping[str, Any]) -> Iterator[Text]:
    score = number(float(record["score"]), ".4g")
    numbers = [_message("score", kind=score_name(record["score_kind"]), score=score)]
    if record["probability"] is not None:
        numbers.insert(0, _message("probability", probability=float(record["probability"])))
    if record["scaled_output"] is not None:
        numbers.append(_message("scaled", output=float(record["scaled_output"])))
    grid = " × ".join(map(str, record["grid"]))
    low, high = (number(float(end)) for end in record["raw_range"])
    yield _message("result", numbers=numbers, grid=grid, low=low, high=high)
    if record["empty"]:
        yield Strong(_message("empty", reason=_text(record["empty_reason"])))
    elif "boxes" in record:  # not of a map that lies over no image
        yield _message("regions", count=len(record.get("regions", record["boxes"])))
    if record["class_specific"] is False:
        yield _message("every_target")


def _files(record: Mapping[str, Any]) -> Iterator[Text]:
    yield from (Link(file, kind) for kind, file in record["files"].items())
    boxes = record.get("boxes")
    if not boxes:
        return
    shown = [f"{b['x']}, {b['y']}, {b['width']}, {b['height']}" for b in boxes[:SHOWN_BOXES]]
    more: Phrase | str = "."
    if len(boxes) > SHOWN_BOXES:
        hidden = _message("more", count=len(boxes) - SHOWN_BOXES)
        more = phrase(hidden, Link("explanations.json"), ".")
    yield phrase(_message("boxes", boxes="; ".join(shown)), more)
