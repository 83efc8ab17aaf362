"""What a run will do: its models, loaded once and tried before anything is written, and the images of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from camlucida.attribution.methods import METHODS
from camlucida.core.errors import UsageError
from camlucida.datasets.cohort import Cohort, read_cohort
from camlucida.datasets.cohort_file import CohortFile, ModelEntry
from camlucida.models import Card, LoadedModel, load_model
from camlucida.runs.compute import Worker
from camlucida.runs.identity import Recipe, make_recipe
from camlucida.runs.ledger import Key


@dataclass(frozen=True)
class ModelPlan:
    """One model of a run: how to load it, and what is asked of it."""

    name: str
    entry: ModelEntry
    card: dict[str, Any]
    recipe: Recipe
    cohort: Cohort

    @property
    def keys(self) -> list[Key]:
        """Of its items, in order."""
        return [(member.id, self.name) for member in self.cohort.images]


class Loader:
    """Models one at a time: the last one is kept, so that a run of one model loads it once."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._kept: tuple[ModelEntry, LoadedModel] | None = None

    def __call__(self, entry: ModelEntry) -> LoadedModel:
        if self._kept is None or self._kept[0] != entry:
            self._kept = None  # before the next is there
            self._kept = (
                entry,
                load_model(entry.card, checkpoint=entry.checkpoint, device=self._device),
            )
        return self._kept[1]

    def device(self, entry: ModelEntry) -> str:
        return next(self(entry).module.parameters()).device.type


def plan_models(file: CohortFile, loader: Loader) -> list[ModelPlan]:
    """Every model, loaded once and tried on a grey image; the last is loaded first, so that the first is at hand."""
    explain = file.config.explain
    for method in explain.method:
        METHODS[method]
    plans = []
    for entry in reversed(file.models()):
        model = loader(entry)
        asked = model.card.layer if explain.layer is None else explain.layer
        layers = (asked,) if isinstance(asked, str) else tuple(asked)
        recipe = make_recipe(
            model,
            explain.target,
            tuple(dict.fromkeys(explain.method)),
            tuple(dict.fromkeys(layers)),
        )
        Worker(model, "", recipe).check()
        card = model.card.model_dump(mode="json")
        plans.append(
            ModelPlan(
                _name(entry, model),
                entry,
                card,
                recipe,
                read_cohort(file, classification_labels(model.card)),
            )
        )
    names = [plan.name for plan in plans]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(
            f"{file.path.name}: two models are called {twice[0]!r}",
            "give each of [[models]] a name of its own",
        )
    return plans[::-1]


def classification_labels(card: Card) -> tuple[str, ...]:
    """Labels of which a table says that they are present or not: none of a regression."""
    return () if card.task == "regression" else card.labels


def _name(entry: ModelEntry, model: LoadedModel) -> str:
    """The name given, else the card's, with seed and fold where they are stated."""
    told = [
        f"{what}{value}"
        for what, value in (("seed", entry.seed), ("fold", entry.fold))
        if value is not None
    ]
    return entry.name or "_".join([model.name, *told])
