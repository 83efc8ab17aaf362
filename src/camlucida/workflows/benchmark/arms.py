"""The arms of the benchmark: which films each model gets, and which maps of them are scored.

* main: models that had to use the lesions. Every map is scored by the default metrics, beside
  baselines. The tag is on half of the films and is uninformative: a decoy.
* shortcut: models trained on films on which the tag followed the label with ρ = 0 (two of the main
  models), 0.5, 0.8 and 1.
* null: models without information on the lesions, untrained or trained on permuted labels.
* semi: the main models on real radiographs with pasted lesions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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
from camlucida.evaluation.maps.specificity import AVERAGE
from camlucida.metrics import METRICS
from camlucida.models import LoadedModel, load_model
from camlucida.models.checkpoint import weights_sha256
from camlucida.models.factory import build
from camlucida.models.preprocessing import unit_scale
from camlucida.phantom import trial as phantom
from camlucida.phantom import trial_cards
from camlucida.phantom.trial import LABELS
from camlucida.workflows.benchmark.changing_maps import CHANGING, rung_methods
from camlucida.workflows.benchmark.films import (
    Twins,
    passed,
    samples,
    scan_of,
    tag_reliance,
    trials,
    twins,
    verify_use,
)
from camlucida.workflows.benchmark.meta import ladder_maps

SHORTCUT_LABEL = LABELS[0]
"""The label that the tag followed in the training of the shortcut arms."""
UNTRAINED = "untrained"
MAIN = "main"
TRANSFORMER = "transformer"
"""The arm of one packaged model, which the benchmark leaves out: methods of attention need it."""
_CHOSEN = choose(["default", "average_drop"])
# Where in the lungs heat lies is no measure of a map, and detecting them takes time.
DEFAULT = tuple(name for name in _CHOSEN if name != "zone_share")
"""Metrics of the main arm: the defaults, and one that a map of all ones games."""
CANDIDATES = ("aic", "sic", "c_score")
"""Metrics of the literature that are tested, and are no defaults so far."""
FAILED = tuple(name for name, metric in METRICS.items() if metric.failures)
TESTED = choose(sorted({*DEFAULT, *CANDIDATES, *FAILED} - {*CHANGING}))
"""Metrics of the meta-evaluation: these, candidates, and all that failed it before."""
SHORT = choose(
    [
        "average_precision_lift",
        "average_precision",
        "hit",
        "relevance_mass",
        "roc_auc",
        "iou_area_matched",
        "class_specificity",
        "road",
    ]
)
"""Metrics of the null and semi-synthetic arms: those that have a chance level."""
CARRIER = "random"
"""The method whose explanations carry the maps of the meta-evaluation; its rows are dropped."""


@dataclass(frozen=True)
class Size:
    """Films of each model, by arm; ``meta``: of the main films those that test the metrics."""

    main: int
    shortcut: int
    null: int
    meta: int


QUICK, FULL = Size(10, 16, 6, 4), Size(50, 60, 30, 16)


@dataclass(frozen=True)
class ArmModel:
    """A model of the benchmark: its arm and architecture, and its slot, which decides its films."""

    model: LoadedModel
    arm: str
    net: str
    slot: int

    @property
    def name(self) -> str:
        """As in the tables."""
        return self.model.name


def arm_models(device: str) -> list[ArmModel]:
    """The packaged models of this copy, and one untrained twin of each main architecture."""
    return _with_untrained(device, MAIN, lambda arm: arm != TRANSFORMER)


def transformers(device: str) -> list[ArmModel]:
    """The packaged transformer, and its untrained twin."""
    return _with_untrained(device, TRANSFORMER, lambda arm: arm == TRANSFORMER)


def _with_untrained(device: str, main: str, wanted: Callable[[str], bool]) -> list[ArmModel]:
    cards = {name: card for name, card in trial_cards().items() if wanted(name.split("_")[0])}
    trained = []
    for slot, (name, card) in enumerate(cards.items()):
        arm, net, *_ = name.split("_")
        trained.append(ArmModel(load_model(card, device=device), arm, net, slot))
    first = first_of_each_net(of_arm(trained, main))
    blank = []
    for slot, (net, entry) in enumerate(sorted(first.items()), len(trained)):
        model = untrained(entry.model, f"{UNTRAINED}_{net}")
        blank.append(ArmModel(model, UNTRAINED, net, slot))
    return trained + blank


def first_of_each_net(models: Sequence[ArmModel]) -> dict[str, ArmModel]:
    """Architecture → the first of the models that has it."""
    return {entry.net: entry for entry in reversed(models)}


def untrained(model: LoadedModel, name: str, seed: int = 0) -> LoadedModel:
    """The same network with random weights."""
    weight = next(model.module.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(model.card.factory, model.card.args, Path(), False)
    module = module.to(weight.device).eval()
    card = model.card.model_copy(update={"checkpoint": None})
    return LoadedModel(module, card, name, weights_sha256(module))


def of_arm(models: Sequence[ArmModel], *arms: str) -> list[ArmModel]:
    """The models of the arms, in the order of their names."""
    return [entry for entry in models if entry.arm in arms]


def shortcut_models(models: Sequence[ArmModel]) -> list[ArmModel]:
    """The shortcut arms, and for ρ = 0 the first main model of each architecture."""
    arms = sorted({entry.arm for entry in models if entry.arm.startswith("shortcut")}, key=rho)
    if not arms:
        return []
    first = first_of_each_net(of_arm(models, "main"))
    return [*(first[net] for net in sorted(first)), *of_arm(models, *arms)]


def rho(arm: str) -> float:
    """ρ of the tag with the label in an arm's training.

    >>> rho("shortcut80"), rho("main")
    (0.8, 0.0)
    """
    return int(arm.removeprefix("shortcut")) / 100 if arm.startswith("shortcut") else 0.0


def methods() -> tuple[str, ...]:
    """Every registered method whose maps have the layer's grid, without baselines.

    Maps of the pixels have another resolution: ROAD and the upper bound do not compare them. Slow
    methods and those that need an extra are scored where they are named.
    """
    chosen = [name for name, method in METHODS.items() if method.unit != "none"]
    return tuple(name for name in chosen if METHODS[name].at_layer and not METHODS[name].by_name)


def films_of(entry: ArmModel, number: int, seed: int) -> list[Twins]:
    """The model's films: each has a label, half of them the tag."""
    spec = entry.model.card.input
    return [twins(trial, spec) for trial in trials(entry.slot, number, seed)]


@dataclass(frozen=True)
class Scored:
    """The measurements of one model of an arm.

    Attributes:
        rows: as of an evaluation, with ``arm`` and ``model``.
        meta: the same for the maps of the meta-evaluation.
        verification: the proof that evidence is used, a row a film and label.
        tag: the drop of SHORTCUT_LABEL's logit without the tag, a row a film that bears it.
        failures: a line each.
        same: method → the one whose map it shares on every film here; it was scored once.
    """

    rows: pd.DataFrame
    meta: pd.DataFrame = field(default_factory=pd.DataFrame)
    verification: pd.DataFrame = field(default_factory=pd.DataFrame)
    tag: pd.DataFrame = field(default_factory=pd.DataFrame)
    failures: list[str] = field(default_factory=list)
    same: Mapping[str, str] = field(default_factory=dict)


def run_main(
    entry: ArmModel,
    films: Sequence[Twins],
    size: Size,
    settings: MetricSettings,
    arm: str = "main",
) -> Scored:
    """Verify, then score what passed; the first films that pass test the metrics, too."""
    verification = verify_use(entry.model, films)
    chosen = samples(films, passed(verification))
    same = duplicates(entry.model, chosen, settings.methods)
    scores = _measured(entry, chosen, settings, same, _atlas(films))
    number = size.meta if arm == "main" else 0
    meta = meta_scores(entry, chosen, number, settings, _atlas(films))
    reliance = tag_reliance(entry.model, films, SHORTCUT_LABEL)
    return Scored(
        rows=_labelled(scores, entry, arm),
        meta=_labelled(meta, entry, arm),
        verification=verification.assign(arm=arm),
        tag=reliance.assign(arm=arm, rho=rho(entry.arm)),
        failures=_failures(entry, scores, meta),
        same=same,
    )


def meta_scores(
    entry: ArmModel,
    chosen: Sequence[Sample],
    films: int,
    settings: MetricSettings,
    atlas: Atlas | None = None,
) -> Tables:
    """Scores of maps whose order of merit is known, on the first ``films`` films.

    Args:
        entry: a main model.
        chosen: films and labels whose evidence it uses.
        films: how many of them; none where it is 0.
        settings: seed and batch size.
        atlas: mean annotations of the other patients, for the metrics that take them off.
    """
    names = list(dict.fromkeys(sample.scan.id for sample in chosen))[:films]
    tested = [sample for sample in chosen if sample.scan.id in names]
    unit = unit_scale(entry.model.card.input)
    carried = replace(settings, methods=(CARRIER,), baselines=(AVERAGE,), metrics=TESTED)
    tables = measure(entry.model, tested, carried, atlas=atlas, unit=unit, extra=ladder_maps)
    with rung_methods() as rungs:
        changing = replace(settings, methods=rungs, baselines=(), metrics=CHANGING)
        of_changes = measure(entry.model, tested, changing, unit=unit)
    rows = pd.concat([tables.rows, of_changes.rows], ignore_index=True)
    return replace(tables, rows=rows, failures=[*tables.failures, *of_changes.failures])


def run_shortcut(entry: ArmModel, number: int, seed: int, settings: MetricSettings) -> Scored:
    """Heat on the tag for SHORTCUT_LABEL, on films that all bear the tag.

    Lesions of the label are on some of them and not on others.
    """
    spec = entry.model.card.input
    films = []
    for drawn in trials(entry.slot, number, seed):
        tagged = replace(drawn, tag=True)
        film, name = phantom.expose(tagged), f"seed{drawn.seed}"
        scan = scan_of(film.image, name, spec)
        bare = scan_of(phantom.image(phantom.without(tagged, "tag")), name, spec)
        films.append(Twins(scan, str(drawn.seed), film.masks, without={"tag": bare}))
    chosen = [Sample(film.scan, film.patient, {}, {}, {"tag": film.masks["tag"]}) for film in films]
    heat = replace(
        settings,
        targets=(SHORTCUT_LABEL,),
        metrics=("region_share",),
        baselines=("random", "center", "sobel", "intensity"),
    )
    same = duplicates(entry.model, chosen, heat.methods, SHORTCUT_LABEL)
    scores = _measured(entry, chosen, heat, same)
    reliance = tag_reliance(entry.model, films, SHORTCUT_LABEL)
    return Scored(
        rows=_labelled(scores, entry, "shortcut").assign(rho=rho(entry.arm)),
        tag=reliance.assign(arm="shortcut", rho=rho(entry.arm)),
        failures=_failures(entry, scores),
    )


def run_null(entry: ArmModel, number: int, seed: int, settings: MetricSettings) -> Scored:
    """Every label of every film: a null model uses no evidence, so there is nothing to verify."""
    spec = entry.model.card.input
    films = []
    for drawn in trials(entry.slot, number, seed):
        film = phantom.expose(drawn)
        scan = scan_of(film.image, f"seed{drawn.seed}", spec)
        films.append(Twins(scan, str(drawn.seed), film.masks))
    chosen = samples(films, {film.scan.id: film.labels for film in films})
    same = duplicates(entry.model, chosen, settings.methods)
    short = tuple(name for name in SHORT if name in settings.metrics)
    scores = _measured(entry, chosen, replace(settings, metrics=short, baselines=()), same)
    return Scored(rows=_labelled(scores, entry, entry.arm), failures=_failures(entry, scores))


def duplicates(
    model: LoadedModel, chosen: Sequence[Sample], methods: Sequence[str], target: str | None = None
) -> dict[str, str]:
    """Method → an earlier one with the same map, up to scale and rounding, for every label.

    Behind global average pooling and one linear layer several formulas coincide. Scored apart, they
    would differ by how rounding breaks ties. Methods that use a probe are taken to differ.
    """
    cheap = [name for name in methods if METHODS[name].kind not in ("probe", "input")]
    if len(cheap) < 2 or not chosen:
        return {}
    explanations = []
    for sample in chosen:
        targets = [target] if target else list(sample.masks)
        explanations += explain(model, [sample.scan], target=targets, method=cheap)
    identical = {(first, second) for first, second, _ in identical_methods(explanations)}
    earliest: dict[str, str] = {}
    for second in cheap:
        for first in cheap:
            # A map that ends with a ReLU differs from one that keeps its sign.
            same_sign = METHODS[first].relu == METHODS[second].relu
            if (first, second) in identical and same_sign:
                earliest.setdefault(second, first)
    return earliest


def _measured(
    entry: ArmModel,
    chosen: Sequence[Sample],
    settings: MetricSettings,
    same: Mapping[str, str],
    atlas: Atlas | None = None,
) -> Tables:
    """Each map is scored once; methods that share it get its rows."""
    distinct = tuple(name for name in settings.methods if name not in same)
    unit = unit_scale(entry.model.card.input)
    settings = replace(settings, methods=distinct)
    tables = measure(entry.model, chosen, settings, atlas=atlas, unit=unit)
    rows = tables.rows
    copies = [rows[rows["method"] == first].assign(method=name) for name, first in same.items()]
    return replace(tables, rows=pd.concat([rows, *copies], ignore_index=True))


def _atlas(films: Collection[Twins]) -> Atlas:
    sums: dict[str, dict[str, tuple[np.ndarray, int]]] = {}
    for film in films:
        add_to_atlas(sums, film.patient, {label: film.masks[label] for label in film.labels})
    return Atlas(sums)


def _labelled(tables: Tables, entry: ArmModel, arm: str) -> pd.DataFrame:
    return tables.rows.assign(arm=arm, model=entry.name, net=entry.net)


def _failures(entry: ArmModel, *tables: Tables) -> list[str]:
    lines = []
    for table in tables:
        lines += [f"{entry.name}: {failure}" for failure in table.failures]
    return lines
