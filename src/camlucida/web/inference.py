"""What the process of the models does: predictions, maps, and scores of altered films.

Results are plain data for JSON. The last films are kept after their forward pass, so that another
label, method or layer needs none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.kept import KeptImage
from camlucida.attribution.methods import METHODS
from camlucida.attribution.targets import Target, spec_of
from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.core.files import write_bytes
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import is_volume
from camlucida.evaluation.maps.interventions import (
    Action,
    Cover,
    TestedImage,
    curve_passes,
    hidden_counts,
)
from camlucida.models import load_model
from camlucida.models.preprocessing import unit_scale
from camlucida.web.errors import NotFoundError
from camlucida.web.export import ExportedImage, Kind, annotated_png, export_zip, png_name
from camlucida.web.inputs import prepared, shown_map_data
from camlucida.web.offered import OfferedModel
from camlucida.web.regions import region_mask
from camlucida.web.requested import offered_targets, requested_target
from camlucida.web.settings import ModelEntry

MODELS = 3
"""Models that are kept in memory."""

IMAGES = 3
"""Films that are kept after their forward pass."""

Progress = Callable[[int, int, Sequence[float]], object]
"""Called with how much is done, of how much, and with the scores of altered films so far."""


@dataclass
class Inference:
    """The models and the films that are in memory.

    Attributes:
        models: that are offered.
        device: of the models.
        threads: of PyTorch; None for its default.
        progress: of the work that is being done.
    """

    models: Sequence[ModelEntry]
    device: str = "auto"
    threads: int | None = None
    progress: Progress = lambda done, total, scores: None

    def __post_init__(self) -> None:
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        self._loaded: OrderedDict[str, OfferedModel] = OrderedDict()
        self._images: OrderedDict[tuple[str, str], KeptImage] = OrderedDict()
        self._last_map: tuple[str, str, str] | None = None

    def describe(self, model: str) -> dict[str, Any]:
        """A model: its task, labels, layers and what was noted when it was loaded."""
        offered = self.model(model)
        card = offered.loaded.card
        return {
            "id": model,
            "name": offered.loaded.name,
            "description": card.description,
            "sha256": offered.loaded.sha256,
            "task": offered.explained.spec.task,
            "labels": [label for label in card.labels if label],
            "input": list(offered.loaded.input_shape),
            "volume": card.volume is not None,
            "layers": offered.layers,
            "notes": [str(note) for note in offered.loaded.notes],
            "synthetic": offered.saw_synthetic_films,
        }

    def findings(self, model: str, film: str, folder: str) -> dict[str, Any]:
        """What a model predicts for a film, most probable first."""
        image = self._image(model, film, folder)
        output = image.image_output
        # Where nothing is segmented there is none, and the second says so.
        targets = offered_targets(image) or image.targets("predicted")
        points = image.model.spec.operating_points
        return {
            "model": model,
            "film": film,
            "task": output.task,
            "score_kind": image.output.about["score_kind"],
            "findings": [_finding(image, target, points) for target in targets],
            "notes": [str(note) for note in image.output.notes],
        }

    def map(
        self, model: str, film: str, folder: str, target: str, method: str, layer: str
    ) -> dict[str, Any]:
        """One map, in the form of the viewer."""
        _check_method(method)
        image = self._image(model, film, folder)
        explanation = image.explain(requested_target(image, target), method, layer, self.step)
        if METHODS[method].kind == "gradient":
            self._last_map = (model, film, target)
        name = "/".join((model, explanation.layer, method, target))
        notes = [str(warning) for warning in explanation.scan.warnings]
        about = explanation.provenance.get("activation_note")
        extra = {"notes": notes if about is None else [*notes, str(about)]}
        cell = [round(side, 1) for side in explanation.cell]
        return shown_map_data(explanation, name) | extra | {"model": model, "cell": cell}

    @property
    def has_ahead(self) -> bool:
        """Whether :meth:`ahead` has something to do."""
        return self._last_map is not None

    def ahead(self) -> dict[str, Any]:
        """One step of what the offered layers need for the label of the last map.

        For the first film of a model one forward pass that keeps them all, then one backward pass
        that serves them all. Each is about as short as a request, for one may come meanwhile.
        """
        last, self._last_map = self._last_map, None
        image = None if last is None else self._images.get(last[:2])
        if last is None or image is None:
            return {}
        offered = self.model(last[0])
        layers = offered.kept_layers
        if not set(layers) <= set(image.names):
            offered.kept_layers = []  # those that cannot be kept are not tried again
            image.keep(layers)
            offered.kept_layers, offered.first_layers = layers, ("auto", *layers)
            self._last_map = last
        elif layers:
            image.explain(requested_target(image, last[2]), "gradcam", layers[0])
        return {}

    def forget(self, film: str) -> dict[str, Any]:
        """Drop what is kept of a film."""
        for key in [key for key in self._images if key[1] == film]:
            del self._images[key]
        return {}

    def region(
        self,
        model: str,
        film: str,
        folder: str,
        target: str,
        box: Sequence[float] | None,
        mask: str | None,
        action: Action,
        cover: Cover,
        places: int,
    ) -> dict[str, Any]:
        """The change of a score when a region is hidden, or alone kept."""
        image, tested = self._tested(model, film, folder, target)
        _check_film(tested.scan)
        region = region_mask(tested.scan.geometry.original, box, mask)
        change = tested.region_change(region, action, cover, places)
        return {
            "target": tested.target.name,
            "score_kind": image.output.about["score_kind"],
            "share": change.share,
            "before": _score(change.before),
            "after": _score(change.after),
            "elsewhere": [_score(row) for row in change.elsewhere],
        }

    def occlusion(
        self, model: str, film: str, folder: str, target: str, cells: int, cover: Cover
    ) -> dict[str, Any]:
        """The score with one cell hidden after the other."""
        image, tested = self._tested(model, film, folder, target, cells**2 + 1)
        _check_film(tested.scan)
        before, after = tested.occlusion(cells, cover)
        return {
            "target": tested.target.name,
            "score_kind": image.output.about["score_kind"],
            "before": _score(before),
            "drop": (before[0] - after[..., 0]).tolist(),
        }

    def curve(
        self,
        model: str,
        film: str,
        folder: str,
        target: str,
        method: str,
        layer: str,
        cover: Cover,
        cells: int | None,
    ) -> dict[str, Any]:
        """The score while the hottest cells of a map are hidden, and cells in random orders."""
        explanation = self.explanation(model, film, folder, target, method, layer)
        if explanation.is_empty:
            what = f"no cell of this map is the hottest: {explanation.empty_reason}"
            raise NoEvidenceError(what, "choose another method, layer or label")
        heat = explanation.map(explanation.grid)
        counts = hidden_counts(heat.numel(), cover, cells)
        passes = curve_passes(counts, heat.numel())
        image, tested = self._tested(model, film, folder, target, passes)
        curve = tested.deletion_curve(heat, cover, cells)
        return {
            "target": tested.target.name,
            "score_kind": image.output.about["score_kind"],
            "cells": heat.numel(),
            "count": cells,
            "counts": curve.counts.tolist(),
            "shares": curve.shares.tolist(),
            "hottest": [_score(row) for row in curve.hottest],
            "random": [list(map(_score, order)) for order in curve.random],
        }

    def figure(self, request: Mapping[str, str], path: str) -> dict[str, Any]:
        """Write one map as a picture with title, legend and notice."""
        explanation = self._requested(request)
        write_bytes(Path(path), annotated_png(explanation))
        return {"name": png_name(explanation, request["name"])}

    def export(
        self, maps: Sequence[Mapping[str, str]], write: Sequence[Kind], path: str
    ) -> dict[str, Any]:
        """Write the maps into a ZIP file."""
        images: dict[tuple[str, str], ExportedImage] = {}
        for number, each in enumerate(maps):
            self.step(number, 2 * len(maps))
            explanation = self._requested(each)
            key = (each["film"], each["model"])
            if key not in images:
                images[key] = self._exported(each)
            images[key].explanations.append(explanation)
        half = len(images)

        def step(number: int, total: int) -> None:
            self.step(half + number, 2 * half)

        export_zip(Path(path), list(images.values()), step, write)
        return {"name": "camlucida.zip"}

    def _requested(self, request: Mapping[str, str]) -> Explanation:
        """The map of a request that has the name of the film, too."""
        return self.explanation(**{key: each for key, each in request.items() if key != "name"})

    def _exported(self, request: Mapping[str, str]) -> ExportedImage:
        """The film and the model of a map, with what the model predicts for the film."""
        model = self.model(request["model"])
        output = self.findings(request["model"], request["film"], request["folder"])
        return ExportedImage(
            request["name"],
            model.loaded.name,
            model.loaded.sha256,
            model.saw_synthetic_films,
            predictions=[{"score_kind": output["score_kind"], **row} for row in output["findings"]],
        )

    def explanation(
        self, model: str, film: str, folder: str, target: str, method: str, layer: str
    ) -> Explanation:
        """One map.

        Args:
            model, film: identifiers.
            folder: of the film's arrays.
            target, method, layer: as a user writes them.

        Raises:
            UsageError: no such method.
            CamlucidaError: as of :func:`~camlucida.attribution.engine.explain`.
        """
        _check_method(method)
        image = self._image(model, film, folder)
        return image.explain(requested_target(image, target), method, layer)

    def step(self, done: int, total: int) -> None:
        """Report how much is done."""
        self.progress(done, total, ())

    def _tested(
        self, model: str, film: str, folder: str, target: str, steps: int = 0
    ) -> tuple[KeptImage, TestedImage]:
        image = self._image(model, film, folder)
        (scan,) = image.batch.scans
        chosen = requested_target(image, target)
        run: list[float] = []

        def progress(scores: Sequence[float]) -> None:
            run.extend(scores)
            self.progress(len(run), steps, run)

        card = self.model(model).loaded.card
        unit = None if is_volume(scan) else unit_scale(card.input)
        return image, TestedImage(image.model, scan, chosen, unit, progress)

    def model(self, model: str) -> OfferedModel:
        """A model, loaded when it is first needed.

        Args:
            model: identifier.

        Raises:
            NotFoundError: there is none.
        """
        if model not in self._loaded:
            entry = next((each for each in self.models if each.id == model), None)
            if entry is None:
                raise NotFoundError(f"no model {model!r}", "see GET /api/models")
            loaded = load_model(entry.source, device=self.device, **entry.options)
            self._loaded[model] = OfferedModel(model, loaded)
            while len(self._loaded) > MODELS:
                gone, _ = self._loaded.popitem(last=False)
                self._forget(gone)
        self._loaded.move_to_end(model)
        return self._loaded[model]

    def _forget(self, model: str) -> None:
        """Drop the films that were kept for a model."""
        for key in [key for key in self._images if key[0] == model]:
            del self._images[key]

    def _image(self, model: str, film: str, folder: str) -> KeptImage:
        offered = self.model(model)
        key = (model, film)
        if key not in self._images:
            scan = prepared(Path(folder), offered.loaded)
            self._images[key] = KeptImage.of(offered.explained, scan, offered.first_layers)
            while len(self._images) > IMAGES:
                self._images.popitem(last=False)
        self._images.move_to_end(key)
        return self._images[key]


def _check_film(scan: Scan) -> None:
    if is_volume(scan):
        what = "a box and a grid of cells are of films, and this is a volume"
        raise UsageError(what, "hide the hottest cells of its map")


def _check_method(name: str) -> None:
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}", "see GET /api/methods")


def _finding(image: KeptImage, target: Target, points: Sequence[float]) -> dict[str, Any]:
    logits = image.output.logits.detach()
    score = float(target(logits))
    threshold: float | None = 0.5 if image.output.task in ("multilabel", "binary") else None
    index = getattr(target, "index", None)
    if points and index is not None:
        threshold = points[index]
    probability = target.probability
    above = None
    if probability is not None and threshold is not None:
        above = probability >= threshold
    return {
        "target": target.name,
        "spec": spec_of(target).to_json(),
        "score": score,
        "probability": probability,
        "threshold": threshold,
        "above": above,
    }


def _score(pair: np.ndarray[Any, Any]) -> dict[str, float | None]:
    score, probability = map(float, pair)
    return {"score": score, "probability": None if np.isnan(probability) else probability}
