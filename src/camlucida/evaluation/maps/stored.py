"""The maps that a run stores: an evaluation of the run does not explain its images again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import pandas as pd
import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import explained_model, run_batch
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.input_probe import INPUT
from camlucida.attribution.methods import METHODS
from camlucida.attribution.model_output import model_outputs
from camlucida.attribution.requests import Request, default_request, parse_target
from camlucida.attribution.targets import Target, TargetSpec, spec_of
from camlucida.core.errors import EmptyRegionError
from camlucida.evaluation.maps.choice import NEED_MODEL, with_inputs
from camlucida.evaluation.maps.samples import MetricSettings, Sample, known_labels
from camlucida.models import LoadedModel
from camlucida.models.state import frozen
from camlucida.runs.items import LedgerEntry
from camlucida.runs.read import Run, stored_spec

_Rows = dict[tuple[TargetSpec, str, str], int]
"""Target, method and layer → row of the run's explanations."""


@dataclass
class StoredMaps:
    """The maps of one model of a run.

    An image whose requested maps are not all stored, or whose file is no longer the same, is
    explained again. A method that the run could not apply to an image is left out for that image.
    The model runs, once an image, only where a metric needs the targets as functions
    (:data:`camlucida.evaluation.maps.choice.NEED_MODEL`), or where its output alone says which of
    the stored targets are meant.

    Attributes:
        run: the run.
        name: of the model in the run.
        model: the same model, loaded.
        recipe: of the model in the run: targets, methods and layers as they were requested.
        explained_again: names of images that were explained again.
        left_out: method → in how many images it was left out.
    """

    run: Run
    name: str
    model: LoadedModel
    recipe: Mapping[str, Any]
    explained_again: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @cached_property
    def _by_image(self) -> dict[str, pd.DataFrame]:
        table = self.run.explanations()
        of_model = table[table["model"] == self.name]
        return {str(image): rows for image, rows in of_model.groupby("image", sort=False)}

    @cached_property
    def _undefined(self) -> dict[str, set[str]]:
        """Image → methods that the run could not apply to it."""
        of_model = (each for each in self.run.entries if each.model == self.name)
        return {each.image: _undefined_methods(each) for each in of_model if each.state == "done"}

    def explanations(self, sample: Sample, settings: MetricSettings) -> list[Explanation]:
        """The maps of one image, in the order of ``explain``; empty where none is wanted.

        Args:
            sample: the image.
            settings: its targets, methods and layers say which maps are wanted, its metrics whether
                the targets are needed as functions.

        Raises:
            CamlucidaError: the maps cannot be read, or the image cannot be explained again.
        """
        wanted = known_labels(sample, settings, self.model.card.task)
        if wanted.get("truth") == [[]]:
            return []
        stored = self._stored(sample, settings, wanted)
        if stored is not None:
            return stored
        self.explained_again.append(sample.scan.id)
        undefined = self._undefined.get(sample.scan.id, ())
        fitting = [method for method in settings.methods if method not in undefined]
        return explain(
            self.model,
            [sample.scan],
            method=fitting or list(settings.methods),
            layer=settings.layers,
            **wanted,
        )

    def _stored(
        self, sample: Sample, settings: MetricSettings, wanted: Mapping[str, Any]
    ) -> list[Explanation] | None:
        """The stored maps that are wanted; None where one is missing."""
        table = self._by_image.get(sample.scan.id)
        if table is None or not _same_image(table, sample):
            return None
        rows = _rows(table)
        layers = self._layers(rows, settings)
        if layers is None:
            return None
        targets = self._wanted_targets(sample, settings, rows, wanted)
        keys = [(target, *place) for target, place in product(targets, _places(settings, layers))]
        undefined = self._undefined.get(sample.scan.id, set())
        wanted_keys = [key for key in keys if key in rows or key[1] not in undefined]
        if not wanted_keys or not rows.keys() >= set(wanted_keys):
            return None
        numbers = [rows[key] for key in wanted_keys]
        self.left_out.update(method for method in settings.methods if method in undefined)
        explanations = self.run.explanations_of(numbers, sample.scan)
        return [replace(e, explained=targets[e.spec]) for e in explanations]

    def _wanted_targets(
        self, sample: Sample, settings: MetricSettings, rows: _Rows, wanted: Mapping[str, Any]
    ) -> Mapping[TargetSpec, Target | None]:
        """The requested targets; the model runs where it has to."""
        needs_model = bool(with_inputs(*NEED_MODEL, among=settings.metrics))
        specs = None if needs_model else self._specs(rows, wanted)
        if specs is None:
            return self._targets(sample, wanted)
        return specs

    def _layers(self, rows: _Rows, settings: MetricSettings) -> list[str] | None:
        """The stored layers that are requested; None where one is missing."""
        stored = list(dict.fromkeys(layer for _, _, layer in rows))
        if settings.layers is None or settings.layers == tuple(self.recipe["layers"]):
            return stored
        requested = list(settings.layers)
        return requested if set(requested) <= set(stored) else None

    def _specs(
        self, rows: _Rows, wanted: Mapping[str, Any]
    ) -> dict[TargetSpec, Target | None] | None:
        """The requested targets as data, without the model.

        None where only the model's output determines them.
        """
        if "truth" in wanted:
            return dict.fromkeys(_labels(wanted["truth"][0]))
        target = wanted.get("target")
        request = None if target is None else tuple(target)
        of_run = tuple(self.recipe["targets"] or ()) or None
        if request == of_run:
            return dict.fromkeys(spec for spec, _, _ in rows)
        names = set(self.model.card.labels)
        if request is not None and set(request) <= names:
            return dict.fromkeys(_labels(request))
        return None

    def _targets(
        self, sample: Sample, wanted: Mapping[str, Any]
    ) -> dict[TargetSpec, Target | None]:
        """The requested targets, as the model's output for this image has them.

        One forward pass.
        """
        model = explained_model(self.model)
        weight = next(model.module.parameters())
        floating = weight if weight.is_floating_point() else torch.zeros(())
        inputs = sample.scan.tensor[None].to(floating)
        with frozen(model.module), torch.no_grad():
            batch = run_batch(model, inputs)
        (output,) = model_outputs(batch, [sample.scan], wanted.get("truth"))
        words = wanted.get("target")
        listed = [words] if isinstance(words, str) else words
        requests: list[Request] = [default_request]
        if listed is not None:
            requests = [parse_target(word) for word in listed]
        targets: dict[TargetSpec, Target | None] = {}
        for request in requests:
            targets |= {spec_of(target): target for target in request(output)}
        return targets


def _undefined_methods(entry: LedgerEntry) -> set[str]:
    """Methods of which the run could not make a map, for another reason than an empty region."""
    return {each.method for each in entry.missing if each.code != EmptyRegionError.code}


def _places(settings: MetricSettings, layers: Sequence[str]) -> list[tuple[str, str]]:
    """Each method with each layer at which it makes a map; one of the pixels has one map."""
    at_layers = [layer for layer in layers if layer != INPUT]
    places: list[tuple[str, str]] = []
    for name in settings.methods:
        places += [(name, layer) for layer in (at_layers if METHODS[name].at_layer else [INPUT])]
    return places


def _labels(names: Sequence[Any]) -> list[TargetSpec]:
    return [TargetSpec("label", str(name)) for name in names]


def _rows(table: pd.DataFrame) -> _Rows:
    records = table.to_dict("records")
    specs = [stored_spec(record) for record in records]
    keys = zip(specs, table["method"], table["layer"])
    return dict(zip(keys, map(int, table.index)))


def _same_image(table: pd.DataFrame, sample: Sample) -> bool:
    """Whether the file is the one that the run explained."""
    sha256 = sample.scan.source.get("sha256")
    return bool((table["image_sha256"] == sha256).all())
