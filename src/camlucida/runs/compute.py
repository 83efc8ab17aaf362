"""From images to rows: predictions and maps of a batch from one forward pass.

An image that cannot be read or explained costs that image alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS, at_layers
from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.requests import Request, TargetLike, default_request
from camlucida.attribution.targets import Truth, target_identity
from camlucida.core.errors import (
    CamlucidaError,
    EmptyRegionError,
    ImageError,
    LayerError,
    NoEvidenceError,
    TargetError,
    UsageError,
)
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.true_masks import TrueMasks
from camlucida.datasets.voxel_grid import truth_size
from camlucida.metrics.burned_in import letters_warning
from camlucida.models import LoadedModel
from camlucida.models.outputs import task_message
from camlucida.runs.identity import Recipe, canonical, digest, file_sha256, identity
from camlucida.runs.items import MissingMap
from camlucida.runs.parts import Map, Row
from camlucida.runs.rows import map_row, prediction_rows

TRIES = 2
"""How often an image is read before it counts as unreadable: a network folder may stumble once."""


@dataclass(frozen=True)
class ItemResult:
    """What one model made of one image.

    Attributes:
        image: the image.
        identity: of the item; "" where the image could not be read.
        rows: of its maps, as :data:`camlucida.runs.parts.META`.
        maps: one a row, (*grid), signed.
        predictions: rows of :data:`camlucida.runs.parts.PREDICTIONS`.
        provenance: hash → JSON text, as its rows refer to it.
        failure: why there is no map at all; the predictions may still be there.
        missing: the maps that could not be made.
        predicted: whether the model gave an output: there are rows to keep, even without a map.
    """

    image: CohortImage
    identity: str = ""
    rows: list[Row] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    predictions: list[Row] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    missing: tuple[MissingMap, ...] = ()
    predicted: bool = False


@dataclass(frozen=True)
class Worker:
    """A model and the maps that are requested of it.

    Attributes:
        model: the loaded model.
        name: of the model in the run.
        recipe: holds the targets, methods and layers.
    """

    model: LoadedModel
    name: str
    recipe: Recipe

    def check(self) -> Message | None:
        """Try the request on a grey image or volume, before anything is written.

        Returns:
            The model's task and where it comes from; None where the grey image does not show it.

        Raises:
            UsageError, LayerError: it fits no image.
        """
        shape = self.model.input_shape
        grey = torch.full((1, *shape), 0.5)
        truth: Truth = ()
        if explains_masks(self.recipe):
            truth = torch.ones(shape[1:], dtype=torch.bool)
        methods = [METHODS[name] for name in self.recipe.methods]
        # methods that probe the model take many forwards, and fail on no request that others pass
        at_once = ("gradient", "activation")
        quick = [method.name for method in methods if method.kind in at_once] or ["eigencam"]
        try:
            requests = self._requests()
            maps = explain(self.model, grey, requests, quick, self.recipe.layers, truth=[truth])
        except (UsageError, LayerError):
            raise
        except CamlucidaError:
            return None  # of the grey image alone: no region, no gradient, no number
        return task_message(maps[0].provenance) if maps else None

    def process(self, images: Sequence[CohortImage]) -> list[ItemResult]:
        """One batch in one forward pass; where that fails, each image by itself.

        Returns:
            One result an image, in the order given.
        """
        scans: dict[str, Scan] = {}
        results: dict[str, ItemResult] = {}
        for image in images:
            try:
                scans[image.id] = self._read(image)
            except CamlucidaError as error:
                results[image.id] = ItemResult(image, failure=Failure.of(image.id, error))
        readable = [image for image in images if image.id in scans]
        for result in self._explain_batch(readable, [scans[image.id] for image in readable]):
            results[result.image.id] = result
        return [results[image.id] for image in images]

    def _read(self, image: CohortImage, tries: int = TRIES) -> Scan:
        try:
            scan = self.model.read(image.path)
            warnings = (*scan.warnings, *letters_warning(scan.display))
            return replace(scan, id=image.id, warnings=warnings)
        except CamlucidaError:
            if tries == 1:
                raise
            return self._read(image, tries - 1)

    def _requests(self) -> list[TargetLike]:
        return [default_request] if self.recipe.targets is None else list(self.recipe.targets)

    def _explain_batch(
        self, images: Sequence[CohortImage], scans: Sequence[Scan]
    ) -> list[ItemResult]:
        if not images:
            return []
        try:
            return self._explain(images, scans)
        except CamlucidaError:
            return list(map(self._explain_alone, images, scans))

    def _explain(self, images: Sequence[CohortImage], scans: Sequence[Scan]) -> list[ItemResult]:
        """Every map that is requested, of every scan; all of them or an error."""
        recipe = self.recipe
        # before a mask is read: one that changes meanwhile then has another identity than its maps
        identities = list(map(self._identity, images, scans))
        outputs, maps = self._forward(
            images, scans, self._requests(), recipe.methods, recipe.layers
        )
        results = []
        for image, scan, key, output in zip(images, scans, identities, outputs):
            of_scan = [explanation for explanation in maps if explanation.scan.id == scan.id]
            results.append(self._result(image, scan, key, output, of_scan))
        return results

    def _identity(self, image: CohortImage, scan: Scan) -> str:
        return item_identity(self.recipe, image, str(scan.source["sha256"]))

    def _explain_alone(self, image: CohortImage, scan: Scan) -> ItemResult:
        """One image; a target, method or layer that is undefined for it costs that map alone."""
        try:
            return self._explain([image], [scan])[0]
        except CamlucidaError as error:
            if not _is_undefined(error):
                return ItemResult(image, failure=_failure(image, error))
        key = self._identity(image, scan)
        recipe = self.recipe
        try:
            outputs, _ = self._forward([image], [scan], [], recipe.methods, recipe.layers)
        except EmptyRegionError as error:  # a detector that finds no box has no output at all
            reason = (error.code, error.what, error.fix)
            pairs = at_layers(recipe.methods, recipe.layers)
            nothing = tuple(MissingMap("", method, layer, *reason) for method, layer in pairs)
            return ItemResult(image, key, missing=nothing, predicted=True)
        maps: list[Explanation] = []
        missing: list[MissingMap] = []
        pairs = at_layers(recipe.methods, recipe.layers)
        for target, (method, layer) in product(self._requests(), pairs):
            try:
                maps += self._forward([image], [scan], [target], [method], [layer])[1]
            except CamlucidaError as error:
                name = "" if callable(target) else str(target)
                reason = (error.code, error.what, error.fix)
                missing.append(MissingMap(name, method, layer, *reason))
        result = self._result(image, scan, key, outputs[0], maps)
        # Where nothing is predicted, or true, there is no map to make, and nothing has failed.
        empty = all(each.code == EmptyRegionError.code for each in missing)
        failure = None if maps or empty else _no_map(image, missing)
        return replace(result, missing=tuple(missing), failure=failure)

    def _forward(
        self,
        images: Sequence[CohortImage],
        scans: Sequence[Scan],
        targets: Sequence[TargetLike],
        methods: Sequence[str],
        layers: Sequence[str],
    ) -> tuple[list[ModelOutput], list[Explanation]]:
        """One forward pass: the model's output for each scan, and the maps."""
        outputs: list[ModelOutput] = []
        truth = list(map(self._truth, images, scans)) if "truth" in targets else None
        requests: list[TargetLike] = [_keep_output(outputs), *targets]
        maps = explain(
            self.model, scans, requests, methods, layers, truth=truth, batch_size=len(scans)
        )
        return outputs, maps

    def _truth(self, image: CohortImage, scan: Scan) -> Truth:
        """The image's true labels; of a segmentation its masks, or () where there is none."""
        if not explains_masks(self.recipe):
            return image.positives or ()
        source = image.true_masks or TrueMasks(None, ())
        try:
            masks = source.of_image(image.known_as, image.path, image.mask, truth_size(scan))
        except (ImageError, UsageError) as error:
            raise TargetError(error.what, error.fix) from error
        if isinstance(scan, VolumeScan):
            masks = {label: scan.from_stored(mask) for label, mask in masks.items()}
        tensors = {label: torch.from_numpy(mask) for label, mask in masks.items()}
        return tensors.get("", tensors or ())

    def _result(
        self,
        image: CohortImage,
        scan: Scan,
        key: str,
        output: ModelOutput,
        maps: Sequence[Explanation],
    ) -> ItemResult:
        common = {
            "identity": key,
            "image": image.id,
            "model": self.name,
            "image_sha256": str(scan.source["sha256"]),
            "original": list(scan.geometry.original),
            "synthetic": scan.synthetic,
        }
        rows: list[Row] = []
        provenance: dict[str, str] = {}
        distinct = list(_distinct(maps))
        for explanation in distinct:
            text = _shared_provenance(explanation)
            provenance[digest(text)] = text
            rows.append(common | map_row(explanation, digest(text)))
        arrays = [np.ascontiguousarray(each.raw.float().numpy()) for each in distinct]
        predictions = prediction_rows(output, self._gives_probabilities_only(output))
        return ItemResult(
            image,
            key,
            rows,
            arrays,
            [common | row for row in predictions],
            provenance,
            predicted=True,
        )

    def _gives_probabilities_only(self, output: ModelOutput) -> bool:
        if self.model.card.output != "probabilities" or output.probabilities is None:
            return False
        return torch.equal(output.probabilities, output.logits)


def item_identity(recipe: Recipe, image: CohortImage, sha256: str) -> str:
    """The :func:`~camlucida.runs.identity.identity` of an item whose file has this hash."""
    truth: tuple[str, ...] = ()
    if explains_masks(recipe):
        mask = None if image.mask is None else file_sha256(image.mask)
        truth = ("mask", mask or "")
        source = image.true_masks
        if source is not None and source.is_used(image.known_as, image.path, image.mask):
            truth = (*truth, source.digest)
    elif "truth" in (recipe.targets or ()):
        truth = image.positives or ()
    return identity(recipe, sha256, truth)


def explains_masks(recipe: Recipe) -> bool:
    """Whether an item's maps depend on the true mask of its image."""
    return "truth" in (recipe.targets or ()) and json.loads(recipe.card)["task"] == "segmentation"


def _distinct(maps: Sequence[Explanation]) -> Iterator[Explanation]:
    """Each target, method and layer once, whatever the words that requested it; the last counts."""
    by_target = {
        (target_identity(explanation.explained), explanation.method, explanation.layer): explanation
        for explanation in maps
        if explanation.explained is not None
    }
    yield from by_target.values()


def _shared_provenance(explanation: Explanation) -> str:
    """What does not change from image to image, as canonical JSON: it is stored once."""
    shared = {key: item for key, item in explanation.provenance.items() if key != "source"}
    return canonical(shared)


def _keep_output(outputs: list[ModelOutput]) -> Request:
    """A request for no target, which appends the model's output to ``outputs``."""

    def request(output: ModelOutput) -> tuple[()]:
        outputs.append(output)
        return ()

    return request


def _is_undefined(error: CamlucidaError) -> bool:
    """Whether one map is undefined, where others of the same image may be defined."""
    return isinstance(error, (NoEvidenceError, TargetError)) and not isinstance(error, UsageError)


def _failure(image: CohortImage, error: CamlucidaError) -> Failure:
    return Failure(image.id, error.code, f"{image.path}: {error.what}", error.fix)


def _no_map(image: CohortImage, missing: Sequence[MissingMap]) -> Failure:
    """The failure of an image without any map; ``missing`` holds the reason of each."""
    reasons = "; ".join(dict.fromkeys(each.what for each in missing))
    fixes = "; ".join(dict.fromkeys(each.fix for each in missing if each.fix))
    return Failure(image.id, missing[0].code, f"{image.path}: no map: {reasons}", fixes)
