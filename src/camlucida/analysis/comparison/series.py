"""Who is compared with whom: the maps of one model, method and layer are a map series; map series that differ in one thing are a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, declare, prefixed
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
            "no image is shared by {names}: no case is compared. How right each is "
            "and its heat on artefacts stand side by side, each on its own images"
        ),
        "some_shared": (
            "{shared} of {count} {count:|image|images} are in all map series, and only "
            "these are compared"
        ),
    },
)

Key = tuple[str, str]
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

_OF = ["run", "model", "architecture", "seed", "fold", "method", "layer"]


@dataclass(frozen=True)
class MapSeries:
    """The maps of one model, method and layer.

    Attributes:
        name: unique: what varies, and the group where there are several.
        short: what varies alone.
        group: what is equal in its group, as far as groups differ in it; "" where there is one.
        run, model: place of the run, and the model's name in it.
        architecture, seed, fold, method, layer: of the case table; None where the run does not say.
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
        """Whose predictions these are: the same for all methods and layers of a model."""
        return self.run, self.model


@dataclass(frozen=True)
class Group:
    """Two or more map series that differ in one thing alone."""

    name: str
    all_series: tuple[MapSeries, ...]


def find_groups(
    runs: Sequence[Run], cases: pd.DataFrame, by: str
) -> tuple[list[Group], list[Message]]:
    """Map series that differ in ``by`` and in nothing else, and lines on those that have no counterpart.

    Equal must be: for seeds architecture, fold, method and layer; for folds and architectures likewise; for models method and
    layer; for methods the model (by its weights, in whichever run) and layer; for layers the model and method. A layer of two
    architectures is compared by its name, or, where every model has one layer only, as that.

    Args:
        runs: those of ``cases``.
        cases: rows of :func:`~camlucida.cases.case_table`.
        by: one of :data:`BY`.

    Raises:
        UsageError: nothing varies in ``by`` alone, or two map series have the same; it says what varies.
    """
    if by not in BY:
        raise UsageError(f"cannot compare by {by!r}", did_you_mean(by, BY))
    found = _kinds(runs, cases)
    named, unnamed = [r for r in found if r[by] is not None], [r for r in found if r[by] is None]
    one_layer = by in ("model", "architecture") and all(
        len({r["layer"] for r in found if r["model_key"] == own["model_key"]}) == 1 for own in found
    )
    equal = [key for key in _EQUAL[by] if not (key == "layer" and one_layer)]
    contexts: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in named:
        contexts.setdefault(tuple(_key(record, key) for key in equal), []).append(record)
    for records in contexts.values():
        _check_distinct(records, by)
    several = [records for records in contexts.values() if len(records) > 1]
    if not several:
        raise _nothing_varies(found, by)
    notes = [
        prefixed(str(r["model"]), Message("notes.unstated", {"by": by}))
        for r in _once(unnamed, "model_key")
    ]
    lone = [records[0] for records in contexts.values() if len(records) == 1]
    notes += [prefixed(_whole_name(r), Message("notes.lone", {"by": by})) for r in lone]
    varying = [key for key in equal if len({r[0][key] for r in several}) > 1]
    return [_group(records, by, varying) for records in several], notes


def on_shared_images(runs: Sequence[Run], group: Group) -> tuple[Group, set[Key], list[Message]]:
    """The group on the images that all of its map series have, those images, and lines on what is left out.

    An image is the same if its name and its content are. Without a shared image the group stays as it is.
    """
    own = {series.name: keys(runs, series.rows) for series in group.all_series}
    everywhere, shared = set.union(*own.values()), set.intersection(*own.values())
    notes: list[Message] = []
    twins = len(everywhere) - len({name for name, _ in everywhere})
    if twins:
        notes.append(Message("notes.namesakes", {"count": twins}))
    if not shared:
        notes.append(Message("notes.none_shared", {"names": ", ".join(own)}))
        return group, shared, _of(group, notes)
    if len(shared) < len(everywhere):
        counts = {"shared": len(shared), "count": len(everywhere)}
        notes.append(Message("notes.some_shared", counts))
    all_series = []
    for series in group.all_series:
        kept = [key in shared for key in _row_keys(runs, series.rows)]
        all_series.append(
            replace(series, rows=series.rows[kept].drop_duplicates(["image", "target"]))
        )
    return Group(group.name, tuple(all_series)), shared, _of(group, notes)


def _of(group: Group, notes: Sequence[Message]) -> list[Message]:
    """The notes with the group's name before them, where it has one."""
    return [prefixed(group.name, note) if group.name else note for note in notes]


def keys(runs: Sequence[Run], rows: pd.DataFrame) -> set[Key]:
    """The images of the rows of a map series."""
    return set(_row_keys(runs, rows))


def _row_keys(runs: Sequence[Run], rows: pd.DataFrame) -> list[Key]:
    hashes = runs[int(rows["run"].iloc[0])].explanations()["image_sha256"]
    return list(zip(rows["image"], hashes.iloc[[int(index) for index in rows["explanation"]]]))


def _kinds(runs: Sequence[Run], cases: pd.DataFrame) -> list[dict[str, Any]]:
    """Every model, method and layer, with its rows of the case table."""
    kinds = cases[_OF].astype(object).where(cases[_OF].notna(), None)
    rows: dict[tuple[Any, ...], list[Any]] = {}
    for label, key in zip(cases.index, kinds.itertuples(index=False, name=None)):
        rows.setdefault(tuple(map(_whole, key)), []).append(label)
    return [
        _described(dict(zip(_OF, key)), runs) | {"rows": cases.loc[labels]}
        for key, labels in rows.items()
    ]


def _described(record: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """A map series's facts: with the weights of its model, and the model's name told apart from its namesakes in other runs."""
    run, model = int(record["run"]), str(record["model"])
    about = next(known for known in runs[run].about["models"] if known["name"] == model)
    namesakes = {
        i
        for i, other in enumerate(runs)
        if any(known["name"] == model for known in other.about["models"])
    }
    places = [runs[i].folder.root.name for i in sorted(namesakes)]
    place = runs[run].folder.root.name
    place = f"{place}, run {run + 1}" if places.count(place) > 1 else place
    shown = f"{model} ({place})" if len(namesakes) > 1 else model
    return {
        **record,
        "run": run,
        "own_name": model,
        "model": shown,
        "model_key": (run, model),
        "weights": (model, about["sha256"]),
    }


def _whole(cell: Any) -> Any:
    """A seed that became 42.0, because another model has none, is 42."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _key(record: Mapping[str, Any], name: str) -> Any:
    return record["weights"] if name == "model" else record[name]


def _check_distinct(records: Sequence[Mapping[str, Any]], by: str) -> None:
    seen: dict[Any, Mapping[str, Any]] = {}
    for record in records:
        if record[by] in seen:
            other = seen[record[by]]
            what = (
                f"{_whole_name(other)} and {_whole_name(record)} have the same {by} ({record[by]})"
            )
            fix = (
                "give only one of them"
                if other["weights"] == record["weights"]
                else "they differ in more: --by model"
            )
            raise UsageError(what, fix)
        seen[record[by]] = record


def _nothing_varies(records: Sequence[Mapping[str, Any]], by: str) -> UsageError:
    values = {
        name: list(dict.fromkeys(r[name] for r in records if r[name] is not None)) for name in BY
    }
    varies = [
        f"{name} ({', '.join(map(str, known))})" for name, known in values.items() if len(known) > 1
    ]
    here = (
        f"what varies: {'; '.join(varies)}"
        if varies
        else "there is one model, method and layer only"
    )
    if len(values[by]) > 1:
        return UsageError(
            f"no two map series differ in {by} alone",
            f"{here}. Whole models are compared with --by model",
        )
    known = f"one {by} ({values[by][0]})" if values[by] else f"no {by}"
    return UsageError(f"these runs have {known}: nothing to compare", here)


def _group(records: Sequence[Mapping[str, Any]], by: str, varying: Sequence[str]) -> Group:
    name = " · ".join(_said(key, records[0][key]) for key in varying)
    all_series = []
    for r in records:
        own = (r["architecture"], r["seed"], r["fold"], r["method"], r["layer"])
        short = _said(by, r[by])
        all_series.append(
            MapSeries(
                f"{short} · {name}" if name else short,
                short,
                name,
                r["run"],
                r["own_name"],
                *own,
                rows=r["rows"],
            )
        )
    return Group(name, tuple(all_series))


def _said(key: str, value: Any) -> str:
    return f"{key} {value}" if key in ("seed", "fold") else str(value)


def _whole_name(record: Mapping[str, Any]) -> str:
    return f"{record['model']}, {record['method']} at {record['layer']}"


def _once(records: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return list({record[key]: record for record in reversed(records)}.values())[::-1]
