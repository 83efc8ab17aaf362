"""``index.html``: one page that shows all of a folder of explanations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from camlucida.attribution.methods import METHODS
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
from camlucida.report.writers.html import write_page

SHOWN_BOXES = 6
"""Of a map in words; the others are in explanations.json."""


def write_index(
    directory: Path,
    run: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    strips: Mapping[str, Sequence[str]],
) -> Path:
    """Write ``directory/index.html``.

    Args:
        directory: where the files of ``records`` are.
        run: the content of ``run.json``.
        records: the content of ``explanations.json``, in order of images.
        strips: image id → file names of its strips.

    Returns:
        The page's path.
    """
    groups = groupby(records, key=lambda record: str(record["id"]))
    images = [(name, list(group)) for name, group in groups]
    sections = [_failures(run["failures"])]
    sections += [_image(name, group, strips.get(name, [])) for name, group in images]
    maps, films = _counted(len(records), "explanation"), _counted(len(images), "image")
    document = Document(
        f"{run['model']['name']}: {maps} of {films}",
        tuple(sections),
        synthetic=bool(run["synthetic"]),
        intro=(_about(run), _how_to_read(), *(Notice((str(note),)) for note in run["notes"])),
    )
    return write_page(document, directory / "index.html")


def _about(run: Mapping[str, Any]) -> Facts:
    model = run["model"]
    described = f": {model['description']}" if model["description"] else ""
    methods = ", ".join(METHODS[name].title for name in run["methods"])
    versions = [f"{name} {version}" for name, version in run["versions"].items()]
    return Facts(
        (
            ("Model", f"{model['name']}{described}"),
            ("Weights", Code(f"sha256 {model['sha256']}")),
            ("Methods, layers", f"{methods} at {', '.join(run['layers'])}"),
            ("Command", Code(run["command"])),
            ("Versions", ", ".join(versions)),
        )
    )


def _how_to_read() -> Paragraph:
    records = phrase("Records: ", Link("explanations.json"), ", ", Link("run.json"), ".")
    files = phrase(
        "Numeric maps: ",
        Code("*_map.npy"),
        " (original pixels, after the method's ReLU, unscaled) and ",
        Code("*_raw.npy"),
        " (signed, on the layer's grid).",
    )
    mask = "The mask is where the map is at least half its maximum."
    scale = (
        "Each map has its own colour scale, stated with it: "
        "the same colour in two pictures is not the same strength."
    )
    return Paragraph((records, files, mask, scale), quiet=True)


def _failures(failures: Sequence[object]) -> Section:
    """Empty, and so left out, where nothing failed."""
    lines = tuple(str(failure) for failure in failures)
    return Section("failures", (Points(lines),), title=f"Failed: {len(failures)}")


def _image(name: str, records: Sequence[Mapping[str, Any]], strips: Sequence[str]) -> Section:
    first = records[0]
    size = " × ".join(str(n) for n in reversed(first["image_size"]))
    facts = [first["image"], f"{size} px"]
    if first["image_sha256"]:
        facts.append(f"sha256 {first['image_sha256'][:12]}…")
    blocks: list[Block] = [Paragraph((" · ".join(facts),), quiet=True)]
    blocks += [Notice((str(warning),)) for warning in first["warnings"]]
    alt = f"{name}: original and one overlay a label"
    blocks += [Picture.of_file(strip, alt=alt) for strip in strips]
    blocks += [_map(name, record) for record in records]
    return Section(name, tuple(blocks), title=name)


def _map(image: str, record: Mapping[str, Any]) -> Subsection:
    target = str(record["target"])
    alt = f"{image}: original, heat map and overlay for {target}"
    blocks = (
        Paragraph(tuple(_result(record))),
        Picture.of_file(record["files"]["figure"], alt=alt),
        Paragraph(tuple(_files(record)), quiet=True),
    )
    method = METHODS[record["method"]].title
    return Subsection(f"{target} · {method} at {record['layer']}", blocks)


def _result(record: Mapping[str, Any]) -> Iterator[Text]:
    score = f"{record['score_kind']} {number(float(record['score']), '.4g')}"
    if record["probability"] is not None:
        score = f"Probability {record['probability']:.3f}, {score}"
    if record["scaled_output"] is not None:
        score += f"; output scaled to {record['scaled_output']:.3f} (0.5 is the operating point)"
    grid = " × ".join(map(str, record["grid"]))
    low, high = (number(float(end)) for end in record["raw_range"])
    yield f"{score}; grid {grid}; raw map from {low} to {high}."
    if record["empty"]:
        yield Strong(f"No evidence: {record['empty_reason']}.")
    else:
        yield f"{_counted(len(record['boxes']), 'region')} at or above half the maximum."
    if record["class_specific"] is False:
        yield "This method gives the same map for every target."


def _files(record: Mapping[str, Any]) -> Iterator[Text]:
    yield from (Link(file, kind) for kind, file in record["files"].items())
    boxes = record["boxes"]
    if not boxes:
        return
    shown = [f"{b['x']}, {b['y']}, {b['width']}, {b['height']}" for b in boxes[:SHOWN_BOXES]]
    more: Phrase | str = "."
    if len(boxes) > SHOWN_BOXES:
        more = phrase(f"; {len(boxes) - SHOWN_BOXES} more in ", Link("explanations.json"), ".")
    yield phrase(f"Boxes (x, y, width, height in original pixels): {'; '.join(shown)}", more)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
