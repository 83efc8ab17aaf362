"""The arms of the benchmark, measured: what each model's films are, and which maps of them are scored.

* main: models that had to use the lesions; every map is scored by the default metrics, beside baselines. The tag is on half of
  the films and tells nothing: a decoy.
* shortcut: models that learnt from films on which the tag told the label with ρ = 0 (two of the main models), 0.5, 0.8 and 1.
* null: models that know nothing, untrained or trained on permuted labels.
* semi: the main models on real radiographs with pasted lesions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.identical import identical_methods
from camlucida.attribution.methods import METHODS
from camlucida.evaluation.maps.baselines import Atlas, add_to_atlas
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.measure import MetricSettings, Sample, Tables, measure
from camlucida.models import LoadedModel, load_model
from camlucida.models.checkpoint import weights_sha256
from camlucida.models.factory import build
from camlucida.models.preprocessing import unit_scale
from camlucida.phantom import trial as phantom
from camlucida.phantom import trial_cards
from camlucida.phantom.trial import LABELS
from camlucida.workflows.benchmark.films import (
    Twins,
    passed,
    samples,
    scan_of,
    tag_reliance,
    trials,
    twins,
    verified_use,
)
from camlucida.workflows.benchmark.meta import ladder

CHEAT = LABELS[0]
"""The label that the tag told in the shortcut arms' training."""
UNTRAINED = "untrained"
DEFAULT, SHORT = (
    choose(["default"]),
    choose(
        [
            "average_precision_lift,average_precision,hit,relevance_mass,roc_auc,iou_area_matched,class_specificity,road"
        ]
    ),
)
"""Metrics of the main arm, and of the null and semi-synthetic arms: those that have a chance level."""
CARRIER = "random"
"""The method whose explanations carry the maps of the meta-evaluation; its own rows are dropped."""


@dataclass(frozen=True)
class Size:
    """Films of each model, by arm; ``meta``: of the main films those on which the metrics are tested."""

    main: int
    shortcut: int
    null: int
    meta: int


QUICK, FULL = Size(10, 16, 6, 4), Size(50, 60, 30, 16)


@dataclass(frozen=True)
class Contender:
    """A model in the benchmark: what it was made for, and its place, which decides its films."""

    model: LoadedModel
    arm: str
    net: str
    place: int

    @property
    def name(self) -> str:
        """As in the tables."""
        return self.model.name


def contenders(device: str) -> list[Contender]:
    """The packaged models that are in this copy, and one untrained twin of each architecture of the main arm."""
    found = []
    for place, (name, card) in enumerate(trial_cards().items()):
        arm, net, *_ = name.split("_")
        found.append(Contender(load_model(card, device=device), arm, net, place))
    first = {each.net: each for each in reversed(found) if each.arm == "main"}
    blank = [
        Contender(untrained(each.model, f"{UNTRAINED}_{net}"), UNTRAINED, net, len(found) + k)
        for k, (net, each) in enumerate(sorted(first.items()))
    ]
    return found + blank


def untrained(model: LoadedModel, name: str, seed: int = 0) -> LoadedModel:
    """The same network with random weights."""
    weight = next(model.module.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(model.card.factory, model.card.args, Path(), False)
    module = module.to(weight.device).eval()
    return LoadedModel(
        module, model.card.model_copy(update={"checkpoint": None}), name, weights_sha256(module)
    )


def of_arm(everyone: Sequence[Contender], *arms: str) -> list[Contender]:
    """Those of the arms, in the order of their names."""
    return [each for each in everyone if each.arm in arms]


def cheaters(everyone: Sequence[Contender]) -> list[Contender]:
    """The shortcut arms, and for ρ = 0 the first main model of each architecture."""
    first = {each.net: each for each in reversed(of_arm(everyone, "main"))}
    arms = sorted({each.arm for each in everyone if each.arm.startswith("shortcut")}, key=rho)
    return [*(first[net] for net in sorted(first)), *of_arm(everyone, *arms)] if arms else []


def rho(arm: str) -> float:
    """ρ of the tag with the label in an arm's training."""
    return int(arm.removeprefix("shortcut")) / 100 if arm.startswith("shortcut") else 0.0


def methods() -> tuple[str, ...]:
    """Every registered method but those that are baselines."""
    return tuple(name for name, method in METHODS.items() if method.unit != "none")


def films_of(each: Contender, number: int, seed: int) -> list[Twins]:
    """The model's films: each bears a label, half of them the tag."""
    return [twins(trial, each.model.card.input) for trial in trials(each.place, number, seed)]


@dataclass(frozen=True)
class Scored:
    """What one model of an arm gave.

    Attributes:
        rows: as of an evaluation, with ``arm`` and ``model``.
        meta: the same for the maps of the meta-evaluation.
        uses: the proof that evidence is used, a row a film and label.
        tag: the fall of the label CHEAT without the tag, a row a film that bears it.
        failures: a line each.
        same: method → the one whose map it shares on every film here; it was scored once.
    """

    rows: pd.DataFrame
    meta: pd.DataFrame
    uses: pd.DataFrame
    tag: pd.DataFrame
    failures: list[str]
    same: Mapping[str, str] = field(default_factory=dict)


def run_main(
    each: Contender, films: Sequence[Twins], size: Size, settings: MetricSettings, arm: str = "main"
) -> Scored:
    """Verify, then score what passed; the first films that pass test the metrics, too."""
    uses = verified_use(each.model, films)
    chosen = samples(films, passed(uses))
    same = duplicates(each.model, chosen, settings.methods)
    found = _measured(each, chosen, settings, same, _atlas(films))
    names = list(dict.fromkeys(sample.scan.id for sample in chosen))[
        : size.meta if arm == "main" else 0
    ]
    asked = replace(settings, methods=(CARRIER,), baselines=())
    tested = [sample for sample in chosen if sample.scan.id in names]
    meta = measure(each.model, tested, asked, unit=unit_scale(each.model.card.input), extra=ladder)
    return Scored(
        _marked(found, each, arm),
        _marked(meta, each, arm),
        uses.assign(arm=arm),
        tag_reliance(each.model, films, CHEAT).assign(arm=arm, rho=rho(each.arm)),
        _failures(each, found, meta),
        same,
    )


def run_shortcut(each: Contender, number: int, seed: int, settings: MetricSettings) -> Scored:
    """Heat on the tag for the label CHEAT, on films that all bear the tag, with and without lesions of that label."""
    spec = each.model.card.input
    films = []
    for drawn in trials(each.place, number, seed):
        tagged = replace(drawn, tag=True)
        film, name = phantom.expose(tagged), f"seed{drawn.seed}"
        bare = scan_of(phantom.image(phantom.without(tagged, "tag")), name, spec)
        films.append(
            Twins(
                scan_of(film.image, name, spec), str(drawn.seed), film.masks, without={"tag": bare}
            )
        )
    chosen = [Sample(film.scan, film.patient, {}, {}, {"tag": film.masks["tag"]}) for film in films]
    asked = replace(
        settings,
        targets=(CHEAT,),
        metrics=("region_share",),
        baselines=("random", "center", "sobel", "intensity"),
    )
    found = _measured(each, chosen, asked, duplicates(each.model, chosen, asked.methods, CHEAT))
    empty = pd.DataFrame()
    tag = tag_reliance(each.model, films, CHEAT).assign(arm="shortcut", rho=rho(each.arm))
    return Scored(
        _marked(found, each, "shortcut").assign(rho=rho(each.arm)),
        empty,
        empty,
        tag,
        _failures(each, found),
    )


def run_null(each: Contender, number: int, seed: int, settings: MetricSettings) -> Scored:
    """Every label of every film: there is nothing to verify."""
    spec = each.model.card.input
    films = []
    for drawn in trials(each.place, number, seed):
        film = phantom.expose(drawn)
        films.append(
            Twins(scan_of(film.image, f"seed{drawn.seed}", spec), str(drawn.seed), film.masks)
        )
    chosen = samples(films, {film.scan.id: film.labels for film in films})
    same = duplicates(each.model, chosen, settings.methods)
    found = _measured(each, chosen, replace(settings, metrics=SHORT, baselines=()), same)
    return Scored(
        _marked(found, each, each.arm),
        pd.DataFrame(),
        pd.DataFrame(),
        pd.DataFrame(),
        _failures(each, found),
    )


def duplicates(
    model: LoadedModel, chosen: Sequence[Sample], methods: Sequence[str], target: str | None = None
) -> dict[str, str]:
    """Method → an earlier one with the same map, up to scale and rounding, for every label of every sample.

    Behind global average pooling and one linear layer several formulas are one. Scored apart, they would differ by how rounding
    breaks ties. Methods that look through a probe are taken to differ.
    """
    cheap = [name for name in methods if METHODS[name].kind != "probe"]
    found = []
    for sample in chosen if len(cheap) > 1 else ():
        found += explain(
            model, [sample.scan], target=[target] if target else list(sample.masks), method=cheap
        )
    pairs = {(first, second) for first, second, _ in identical_methods(found)} if found else set()
    alike = {
        (first, second) for first, second in pairs if METHODS[first].relu == METHODS[second].relu
    }
    earlier = {second: [first for first in cheap if (first, second) in alike] for second in cheap}
    return {second: firsts[0] for second, firsts in earlier.items() if firsts}


def _measured(
    each: Contender,
    chosen: Sequence[Sample],
    settings: MetricSettings,
    same: Mapping[str, str],
    atlas: Atlas | None = None,
) -> Tables:
    """Each map is scored once; what shares it gets its rows."""
    asked = replace(settings, methods=tuple(name for name in settings.methods if name not in same))
    tables = measure(each.model, chosen, asked, atlas=atlas, unit=unit_scale(each.model.card.input))
    rows = tables.rows
    copies = [rows[rows["method"] == first].assign(method=name) for name, first in same.items()]
    return replace(tables, rows=pd.concat([rows, *copies], ignore_index=True))


def _atlas(films: Collection[Twins]) -> Atlas:
    sums: dict[str, dict[str, tuple[np.ndarray, int]]] = {}
    for film in films:
        add_to_atlas(sums, film.patient, {label: film.masks[label] for label in film.labels})
    return Atlas(sums)


def _marked(tables: Tables, each: Contender, arm: str) -> pd.DataFrame:
    return tables.rows.assign(arm=arm, model=each.name, net=each.net)


def _failures(each: Contender, *tables: Tables) -> list[str]:
    return [f"{each.name}: {line}" for found in tables for _, line in found.failures]
