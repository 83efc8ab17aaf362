"""What a run will do: its images, and its models, which are tried before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from camlucida.attribution.methods import method_names
from camlucida.core.errors import LayerError, UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.cohort import Cohort, read_cohort
from camlucida.datasets.cohort_file import CohortFile, ModelEntry
from camlucida.datasets.recorded_splits import RecordedSplit, find_recorded_split
from camlucida.io.tables import listing
from camlucida.models import Card, LoadedModel, load_model
from camlucida.models.layers import resolve
from camlucida.models.state import unwrap
from camlucida.runs.compute import Worker
from camlucida.runs.identity import Recipe, make_recipe
from camlucida.runs.items import Key

declare(
    "notes",
    {
        "several_labels": (
            "{count} {count:|image|images} with several true labels, of which a multiclass model "
            'has one: if every label has a probability of its own, state task = "multilabel" in '
            "the card: {names}"
        ),
    },
)


@dataclass(frozen=True)
class ModelPlan:
    """One model of a run, and what it explains.

    Attributes:
        name: of the model in the run.
        entry: of COHORT.toml: how to load it.
        card: its card, as JSON.
        recipe: weights, code, targets, methods, layers.
        cohort: the images, as the model's labels see them.
        task: of the model, and where it comes from; None where a grey image does not show it.
        notes: on the model: what was read from its checkpoint, chosen or assumed.
    """

    name: str
    entry: ModelEntry
    card: dict[str, Any]
    recipe: Recipe
    cohort: Cohort
    task: Message | None = None
    notes: tuple[Message, ...] = ()

    @property
    def keys(self) -> list[Key]:
        """Image and model of each item, in order."""
        return [(image.id, self.name) for image in self.cohort.images]


class Loader:
    """Loads models one at a time, and keeps the last: a run of one model loads it once.

    Args:
        device: as in :func:`~camlucida.models.load_model`.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._last: tuple[ModelEntry, LoadedModel] | None = None

    def __call__(self, entry: ModelEntry) -> LoadedModel:
        """The model of an entry."""
        if self._last is None or self._last[0] != entry:
            self._last = None  # frees its memory before the next is loaded
            model = load_model(
                entry.card,
                checkpoint=entry.checkpoint,
                checkpoint_key=entry.checkpoint_key,
                output=entry.output,
                device=self._device,
            )
            self._last = (entry, model)
        return self._last[1]

    def device(self, entry: ModelEntry) -> str:
        """The type of device that the model of an entry is on: "cpu", "cuda"."""
        return next(self(entry).module.parameters()).device.type


def plan_models(file: CohortFile, loader: Loader) -> list[ModelPlan]:
    """Load every model once, and try the request on a grey image.

    Raises:
        UsageError, LayerError, ModelError: an unknown method, target or layer; a model that cannot
            be loaded; two models of one name.
    """
    method_names(_distinct(file.config.explain.method))
    # the last model first, so that the first is still loaded when the run begins
    plans = [_plan(file, entry, loader(entry)) for entry in reversed(file.models())]
    names = [plan.name for plan in plans]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(
            f"{file.path.name}: two models are called {twice[0]!r}",
            "give each of [[models]] a name of its own",
        )
    return plans[::-1]


def _plan(file: CohortFile, entry: ModelEntry, model: LoadedModel) -> ModelPlan:
    explain = file.config.explain
    layers = model.card.layer if explain.layer is None else explain.layer
    methods = tuple(method_names(_distinct(explain.method)))
    names = _distinct([_layer_name(model, name) for name in _distinct(layers)])
    recipe = make_recipe(model, explain.target, methods, names)
    task = Worker(model, "", recipe).check()
    card = model.card.model_dump(mode="json")
    recorded = split_of_model(file, model)
    labels, volumes = classification_labels(model.card), model.card.volume is not None
    cohort = read_cohort(file, labels, recorded, volumes)
    notes = (*model.notes, *_task_notes(task, cohort))
    return ModelPlan(_name(entry, model), entry, card, recipe, cohort, task, notes)


def _task_notes(task: Message | None, cohort: Cohort) -> list[Message]:
    """A doubt whether classes exclude each other, where the table gives an image several."""
    if task is None or task.values["task"] != "multiclass":
        return []
    names = [image.id for image in cohort.images if len(image.positives or ()) > 1]
    values: dict[str, Value] = {"count": len(names), "names": listing(names)}
    return [Message("notes.several_labels", values)] if names else []


def split_of_model(file: CohortFile, model: LoadedModel) -> RecordedSplit | None:
    """The split that a model's checkpoint records, where a table may need it.

    Args:
        file: the cohort.
        model: one of its models.
    """
    return (
        None if file.config.table is None else find_recorded_split(model.checkpoint, model.options)
    )


def _layer_name(model: LoadedModel, layer: str) -> str:
    """The path of a layer as the model has it; ``auto``, and what is no layer, stay."""
    if layer == "auto":
        return layer
    try:
        ref = resolve(unwrap(model.module), layer)
    except LayerError:  # reported when the request is tried
        return layer
    return layer if ref is None else str(ref)


def classification_labels(card: Card) -> tuple[str, ...]:
    """The labels that a table can call present or absent: none of a regression."""
    return () if card.task == "regression" else card.labels


def _distinct(names: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([names] if isinstance(names, str) else names))


def _name(entry: ModelEntry, model: LoadedModel) -> str:
    """The name given, else the card's, with seed and fold where they are stated."""
    stated = {"seed": entry.seed, "fold": entry.fold}
    parts = [f"{what}{value}" for what, value in stated.items() if value is not None]
    return entry.name or "_".join([model.name, *parts])
