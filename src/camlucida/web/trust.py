"""What was measured of a map, each number with its meaning in one line, or why it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from camlucida.metrics import METRICS
from camlucida.web.columns import titled
from camlucida.web.comparisons import AGREEMENT
from camlucida.web.plain import plain

FIRST = ("road", "hit")
"""Metrics that stand first."""

SANITY = "Mean similarity of the maps of the trained model and of random weights."
GRID = (
    "Pixels of the film that one cell of the map's grid covers: nothing smaller can be seen in "
    "the map."
)
GRID_OF_VOLUME = (
    "Voxels of the volume that one cell of the map's grid covers: nothing smaller can be seen in "
    "the map."
)
OF_FILMS = "defined on films alone, and this is a volume"

Line = dict[str, Any]


def trust_lines(
    row: Mapping[str, Any],
    scores: pd.DataFrame,
    gates: Sequence[Mapping[Any, Any]],
    evaluated: bool,
    grid: tuple[Sequence[int], Sequence[float]],
) -> Iterator[Line]:
    """ROAD, hit, sanity, agreement, artefacts and grid of a map; then all else that was measured.

    Args:
        row: of the case.
        scores: rows of the evaluation that are of this map.
        gates: verdicts of the sanity check on the run's maps.
        evaluated: whether the run has an evaluation of the map's model.
        grid: cells of the map, and the size of a cell in pixels, an axis each.

    Returns:
        Lines: ``metric``, ``title``, ``output``, ``value``, ``chance``, ``ceiling``, ``verdict``,
        ``meaning``; ``missing`` says why there is no value, and is "" where there is one; ``main``
        is true of the lines that stand first.
    """
    by_metric = {str(name): part for name, part in scores.groupby("metric", sort=False)}
    main = [name for name in by_metric if name in FIRST or _is_artefact(name)]
    is_volume = len(grid[0]) > 2
    for line in _main_lines(row, by_metric, gates, evaluated, main):
        if is_volume and line["missing"] and _is_of_films(line["metric"]):
            line = line | {"missing": OF_FILMS}
        yield line | {"main": True}
    yield _grid(*grid) | {"main": True}
    for name, part in by_metric.items():
        if name not in main:
            yield from (_score(score) | {"main": False} for score in part.to_dict("records"))


def _main_lines(
    row: Mapping[str, Any],
    by_metric: Mapping[str, pd.DataFrame],
    gates: Sequence[Mapping[Any, Any]],
    evaluated: bool,
    main: Sequence[str],
) -> Iterator[Line]:
    for name in FIRST:
        if name in main:
            yield from map(_score, by_metric[name].to_dict("records"))
        else:
            yield _unmeasured(name, METRICS[name].title, _why(name, evaluated))
    yield from _sanity(row, gates, evaluated)
    yield from _agreement(row)
    artefacts = [name for name in main if name not in FIRST]
    yield from _artefacts(row, bool(artefacts), evaluated)
    for name in artefacts:
        yield from map(_score, by_metric[name].to_dict("records"))


def _is_of_films(name: str) -> bool:
    """Whether a line is of what is not defined of volumes."""
    return name == "artefact_share" or (name in METRICS and METRICS[name].only_images)


def _is_artefact(name: str) -> bool:
    """Whether a metric is of heat where no finding can be; that in other regions is not judged."""
    metric = METRICS[name.partition(":")[0]]
    return metric.family == "artefact" and metric.direction == "lower"


def _line(metric: str, title: str, meaning: str, **values: Any) -> Line:
    empty = {"output": None, "value": None, "chance": None, "ceiling": None, "missing": ""}
    return {"metric": metric, "title": title, "meaning": meaning, **empty, **values}


def _unmeasured(metric: str, title: str, why: str) -> Line:
    return _line(metric, title, "", missing=why)


def _why(name: str, evaluated: bool) -> str:
    """Why a map has no score; ``name``: a metric or a family of them."""
    if not evaluated:
        return f"camlucida evaluate RUN --metrics {name} measures it"
    if name in METRICS and METRICS[name].family == "localisation":
        return "the film has no annotation of this label, or the evaluation left it out"
    return f"the evaluation of the run left it out: --metrics {name}"


def _score(score: Mapping[Any, Any]) -> Line:
    title, meaning = titled(f"metric_{score['metric']}")
    return _line(
        str(score["metric"]),
        title,
        meaning,
        output=score["output"] or None,
        value=plain(score["value"]),
        chance=plain(score["chance"]),
        ceiling=plain(score["ceiling"]),
        better=METRICS[str(score["metric"]).partition(":")[0]].direction,
        missing="" if plain(score["value"]) is not None else "not defined for this map",
    )


def _sanity(
    row: Mapping[str, Any], gates: Sequence[Mapping[Any, Any]], evaluated: bool
) -> Iterator[Line]:
    title = "Sanity check"
    lines = []
    for gate in gates:
        labels = gate["labels"]
        same_map = all(gate[name] == row[name] for name in ("model", "method", "layer"))
        if same_map and (not labels or row["label"] in labels):
            values = {
                "output": ", ".join(labels) or None,
                "value": plain(gate.get("similarity")),
                "chance": plain(gate.get("null")),
                "verdict": str(gate.get("verdict", "")),
            }
            lines.append(_line("sanity", title, SANITY, **values))
    if lines:
        yield from lines
        return
    yield _unmeasured("sanity", title, _why("cascading_randomisation", evaluated))


def _agreement(row: Mapping[str, Any]) -> Iterator[Line]:
    names = [name for name in row if name.startswith(AGREEMENT)]
    for name in names:
        title, meaning = titled(name)
        value = plain(row[name])
        missing = "" if value is not None else "there is no second map to compare with"
        yield _line(name, title, meaning, value=value, missing=missing)
    if f"{AGREEMENT}seed" not in names:
        why = "camlucida compare RUN… --by seed measures it, of models of several seeds"
        yield _unmeasured(f"{AGREEMENT}seed", titled(f"{AGREEMENT}seed")[0], why)


def _artefacts(row: Mapping[str, Any], parts: bool, evaluated: bool) -> Iterator[Line]:
    """Heat on all artefacts together; ``parts``: whether that on some of them was measured."""
    title, meaning = titled("artefact_share")
    value = plain(row.get("artefact_share"))
    if value is not None:
        area = plain(row.get("artefact_area"))
        yield _line("artefact_share", title, meaning, value=value, chance=area)
    elif not parts:
        yield _unmeasured("artefact_share", title, _why("artefact", evaluated))


def _grid(cells: Sequence[int], sizes: Sequence[float]) -> Line:
    size = " × ".join(f"{side:.3g}" for side in sizes)
    of_cells = " × ".join(map(str, cells))
    unit, meaning = ("voxels", GRID_OF_VOLUME) if len(cells) > 2 else ("px", GRID)
    return _line("grid", f"Limit of the grid ({of_cells})", meaning, verdict=f"{size} {unit}")
