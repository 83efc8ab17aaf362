"""Which maps are compared with which.

The maps of one model, method and layer are a map series; map series that differ in one thing are a
group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, Value, declare, prefixed
from camlucida.runs import Run

declare(
    "notes",
    {
        "unstated": "no {by} is stated in its run, so it is left out",
        "lone": "nothing differs from it in {by} alone, so it is left out",
        "namesakes": (
            "{count} {count:|image|images} of the same name but another content: not "
            "taken for the same"
        ),
        "none_shared": (
            "no image is shared by {names}: no case is compared. The performance of each "
            "and its heat on artefacts stand side by side, each on its own images"
        ),
        "some_shared": (
            "{shared} of {count} {count:|image|images} are in all map series, and only "
            "these are compared"
        ),
    },
)

ImageKey = tuple[str, str]
"""Name of an image, and the hash of its file."""

BY = ("seed", "fold", "model", "architecture", "method", "layer")
"""What may vary."""

_EQUAL = {
    "seed": ("architecture", "fold", "method", "layer"),
    "fold": ("architecture", "seed", "method", "layer"),
    "architecture": ("seed", "fold", "method", "layer"),
    "model": ("method", "layer"),
    "method": ("model", "layer"),
    "layer": ("model", "method"),
}
"""What must then be equal; the target always."""

_FACTS = ["run", "model", "architecture", "seed", "fold", "method", "layer"]
"""Columns of the case table that tell map series apart."""

Record = dict[str, Any]


@dataclass(frozen=True)
class MapSeries:
    """The maps of one model, method and layer.

    Attributes:
        name: unique: what varies, and the group where there are two or more.
        short: what varies alone.
        group: what is equal in its group, as far as groups differ in it; "" where there is one.
        run, model: index of the run, and the model's name in it.
        architecture, seed, fold, method, layer: of the case table; None where the run does not
            state them.
        rows: of the case table.
    """

    name: str
    short: str
    group: str
    run: int
    model: str
    architecture: str
    seed: Any
    fold: Any
    method: str
    layer: str
    rows: pd.DataFrame

    @property
    def model_key(self) -> tuple[int, str]:
        """The model: all its methods and layers share its predictions."""
        return self.run, self.model


@dataclass(frozen=True)
class SeriesGroup:
    """Two or more map series that differ in one thing alone."""

    name: str
    all_series: tuple[MapSeries, ...]


def find_groups(
    runs: Sequence[Run], cases: pd.DataFrame, by: str
) -> tuple[list[SeriesGroup], list[Message]]:
    """Map series that differ in ``by`` and in nothing else, and notes on those left out.

    Equal must be: for seeds architecture, fold, method and layer, and likewise for folds and
    architectures; for models method and layer; for methods the model (by its weights, in whichever
    run) and layer; for layers the model and method. A layer of two architectures is compared by its
    name, or, where every model has one layer only, as that.

    Args:
        runs: those of ``cases``.
        cases: rows of the case table.
        by: one of :data:`BY`.

    Raises:
        UsageError: nothing varies in ``by`` alone, or two map series have the same; it says what
            varies.
    """
    if by not in BY:
        raise UsageError(f"cannot compare by {by!r}", did_you_mean(by, BY))
    records = _series_records(runs, cases)
    equal = [key for key in _EQUAL[by] if key != "layer" or not _layer_is_implied(records, by)]
    contexts: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        if record[by] is not None:
            contexts.setdefault(_context(record, equal), []).append(record)
    for members in contexts.values():
        _check_distinct(members, by)
    groups = [members for members in contexts.values() if len(members) > 1]
    if not groups:
        raise _nothing_varies(records, by)
    firsts = [members[0] for members in groups]
    varying = [key for key in equal if _varies(firsts, key)]
    notes = _notes_on_left_out(records, list(contexts.values()), by)
    return [_group(members, by, varying) for members in groups], list(notes)


def _varies(records: Sequence[Record], key: str) -> bool:
    return len({record[key] for record in records}) > 1


def on_shared_images(
    runs: Sequence[Run], group: SeriesGroup
) -> tuple[SeriesGroup, set[ImageKey], list[Message]]:
    """The group on the images that all of its map series have, those images, and notes.

    An image is the same if its name and its content are. Without a shared image the group stays as
    it is.

    Args:
        runs: those of the case table.
        group: of :func:`find_groups`.
    """
    images = {series.name: image_keys(runs, series.rows) for series in group.all_series}
    every = set.union(*images.values())
    shared = set.intersection(*images.values())
    notes = list(_notes_on_images(list(images), every, shared))
    notes = [prefixed(group.name, note) if group.name else note for note in notes]
    if not shared:
        return group, shared, notes
    all_series = []
    for series in group.all_series:
        kept = [key in shared for key in _row_keys(runs, series.rows)]
        rows = series.rows[kept].drop_duplicates(["image", "target"])
        all_series.append(replace(series, rows=rows))
    return SeriesGroup(group.name, tuple(all_series)), shared, notes


def image_keys(runs: Sequence[Run], rows: pd.DataFrame) -> set[ImageKey]:
    """The images of the rows of a map series.

    Args:
        runs: those of the case table.
        rows: of the case table, all of one run.
    """
    return set(_row_keys(runs, rows))


def _notes_on_images(
    names: Sequence[str], every: set[ImageKey], shared: set[ImageKey]
) -> Iterator[Message]:
    distinct_names = {name for name, _ in every}
    namesakes = len(every) - len(distinct_names)
    if namesakes:
        yield Message("notes.namesakes", {"count": namesakes})
    if not shared:
        yield Message("notes.none_shared", {"names": ", ".join(names)})
    elif len(shared) < len(every):
        values: dict[str, Value] = {"shared": len(shared), "count": len(every)}
        yield Message("notes.some_shared", values)


def _row_keys(runs: Sequence[Run], rows: pd.DataFrame) -> list[ImageKey]:
    run = runs[int(rows["run"].iloc[0])]
    indices = [int(index) for index in rows["explanation"]]
    hashes = run.explanations()["image_sha256"].iloc[indices]
    return list(zip(rows["image"], hashes))


def _series_records(runs: Sequence[Run], cases: pd.DataFrame) -> list[Record]:
    """Every model, method and layer: its facts, and its rows of the case table."""
    stated = cases[_FACTS]
    facts = stated.astype(object).where(stated.notna(), None)
    indices: dict[tuple[Any, ...], list[Any]] = {}
    for index, values in zip(cases.index, facts.itertuples(index=False, name=None)):
        series_facts = tuple(map(_without_fraction, values))
        indices.setdefault(series_facts, []).append(index)
    records = []
    for values, of_series in indices.items():
        record = _with_model(dict(zip(_FACTS, values)), runs)
        records.append(record | {"rows": cases.loc[of_series]})
    return records


def _with_model(record: Record, runs: Sequence[Run]) -> Record:
    """With the weights of the model, and its name distinguished from namesakes in other runs."""
    run, name = int(record["run"]), str(record["model"])
    models = []
    for other in runs:
        models.append({model["name"]: model for model in other.about["models"]})
    namesakes = [index for index, by_name in enumerate(models) if name in by_name]
    folders = [runs[index].folder.root.name for index in namesakes]
    folder = runs[run].folder.root.name
    if folders.count(folder) > 1:
        folder = f"{folder}, run {run + 1}"
    unique_name = f"{name} ({folder})" if len(namesakes) > 1 else name
    return {
        **record,
        "run": run,
        "name_in_run": name,
        "model": unique_name,
        "model_key": (run, name),
        "weights": (name, models[run][name]["sha256"]),
    }


def _without_fraction(cell: Any) -> Any:
    """A seed that became 42.0, because another model has none, is 42."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell


def _layer_is_implied(records: Sequence[Record], by: str) -> bool:
    """Whether models are compared that have one layer each, which need not have the same name."""
    if by not in ("model", "architecture"):
        return False
    layers: dict[Any, set[str]] = {}
    for record in records:
        of_model = layers.setdefault(record["model_key"], set())
        of_model.add(record["layer"])
    return all(len(names) == 1 for names in layers.values())


def _context(record: Record, equal: Sequence[str]) -> tuple[Any, ...]:
    """What must be equal; a model is known by its weights."""
    columns = ["weights" if key == "model" else key for key in equal]
    return tuple(record[column] for column in columns)


def _notes_on_left_out(
    records: Sequence[Record], contexts: Sequence[Sequence[Record]], by: str
) -> Iterator[Message]:
    unstated: dict[Any, str] = {}
    for record in records:
        if record[by] is None:
            unstated[record["model_key"]] = str(record["model"])
    for name in unstated.values():
        yield prefixed(name, Message("notes.unstated", {"by": Message(f"words.{by}")}))
    for members in contexts:
        if len(members) == 1:
            yield prefixed(
                _full_name(members[0]), Message("notes.lone", {"by": Message(f"words.{by}")})
            )


def _check_distinct(records: Sequence[Record], by: str) -> None:
    """UsageError where two map series of a group have the same of what varies."""
    seen: dict[Any, Record] = {}
    for record in records:
        other = seen.setdefault(record[by], record)
        if other is not record:
            names = f"{_full_name(other)} and {_full_name(record)}"
            same_weights = other["weights"] == record["weights"]
            fix = "give only one of them" if same_weights else "they differ in more: --by model"
            raise UsageError(f"{names} have the same {by} ({record[by]})", fix)


def _nothing_varies(records: Sequence[Record], by: str) -> UsageError:
    values: dict[str, list[Any]] = {}
    for name in BY:
        named = [record[name] for record in records if record[name] is not None]
        values[name] = list(dict.fromkeys(named))
    varying = []
    for name, different in values.items():
        if len(different) > 1:
            listed = ", ".join(map(str, different))
            varying.append(f"{name} ({listed})")
    hint = "there is one model, method and layer only"
    if varying:
        hint = f"what varies: {'; '.join(varying)}"
    if len(values[by]) > 1:
        what = f"no two map series differ in {by} alone"
        return UsageError(what, f"{hint}. Whole models are compared with --by model")
    stated = f"one {by} ({values[by][0]})" if values[by] else f"no {by}"
    return UsageError(f"these runs have {stated}: nothing to compare", hint)


def _group(records: Sequence[Record], by: str, varying: Sequence[str]) -> SeriesGroup:
    name = " · ".join(_fact_name(key, records[0][key]) for key in varying)
    all_series = []
    for record in records:
        short = _fact_name(by, record[by])
        series = MapSeries(
            name=f"{short} · {name}" if name else short,
            short=short,
            group=name,
            run=record["run"],
            model=record["name_in_run"],
            architecture=record["architecture"],
            seed=record["seed"],
            fold=record["fold"],
            method=record["method"],
            layer=record["layer"],
            rows=record["rows"],
        )
        all_series.append(series)
    return SeriesGroup(name, tuple(all_series))


def _fact_name(key: str, value: Any) -> str:
    return f"{key} {value}" if key in ("seed", "fold") else str(value)


def _full_name(record: Mapping[str, Any]) -> str:
    return f"{record['model']}, {record['method']} at {record['layer']}"
