"""From images to rows: predictions and maps of a batch from one forward pass. One bad image costs that image alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.requests import Request, TargetLike, default_request
from camlucida.attribution.targets import Region, TargetSpec, Truth, target_identity
from camlucida.core.errors import (
    CamlucidaError,
    ImageError,
    LayerError,
    NoEvidenceError,
    TargetError,
    UsageError,
)
from camlucida.core.messages import chain, prefixed, quoted
from camlucida.core.scan import Scan
from camlucida.datasets.cohort import CohortImage
from camlucida.io.annotations.masks import read_mask
from camlucida.models import LoadedModel
from camlucida.runs.identity import Recipe, canonical, digest, file_sha256, identity
from camlucida.runs.parts import Map, Row
from camlucida.runs.predictions import prediction_rows, region_lengths

TRIES = 2
"""How often an image is read before it counts as unreadable: a network folder may stumble once."""


@dataclass(frozen=True)
class ItemResult:
    """What came out of one image.

    Attributes:
        identity: of the item; "" where it is not known, for the image could not be read.
        rows, maps: of its explanations (see :data:`camlucida.runs.parts.META`).
        predictions: rows of :data:`camlucida.runs.parts.PREDICTIONS`.
        provenance: hash → text, of its rows.
        error: why there is no map at all; the predictions may still be there.
        note: which maps are missing, and why.
    """

    member: CohortImage
    identity: str = ""
    rows: list[Row] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    predictions: list[Row] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)
    error: str = ""
    note: str = ""
    answered: bool = False
    """Whether the model answered: then there are rows to keep, even if there is no map."""


@dataclass(frozen=True)
class Worker:
    """A model and what is asked of it.

    Attributes:
        name: of the model in the run.
        recipe: its recipe: targets, methods and layers are taken from there.
    """

    model: LoadedModel
    name: str
    recipe: Recipe

    def check(self) -> None:
        """Try the request on a grey image, before anything is written.

        Raises:
            UsageError, LayerError: it fits no image.
        """
        spec = self.model.card.input
        grey = torch.full((1, spec.channels, *spec.height_width), 0.5)
        methods = [METHODS[name] for name in self.recipe.methods]
        whole: Truth = (
            torch.ones(spec.height_width, dtype=torch.bool) if _explains_masks(self.recipe) else ()
        )
        quick = [method.name for method in methods if method.kind != "probe"] or ["eigencam"]
        try:
            explain(self.model, grey, self._requests(), quick, self.recipe.layers, truth=[whole])
        except (UsageError, LayerError):
            raise
        except CamlucidaError:
            pass  # of this image alone: no region, no gradient, no number

    def process(self, members: Sequence[CohortImage]) -> list[ItemResult]:
        """One batch, in one forward; where that fails, each image by itself. In the order given, one an image."""
        scans: dict[str, Scan] = {}
        found: dict[str, ItemResult] = {}
        for member in members:
            try:
                scans[member.id] = self._read(member)
            except CamlucidaError as error:
                found[member.id] = ItemResult(member, error=str(error))
        ready = [member for member in members if member.id in scans]
        try:
            whole = self._explain(ready, [scans[member.id] for member in ready]) if ready else []
        except CamlucidaError:
            whole = [self._by_itself(member, scans[member.id]) for member in ready]
        found |= {one.member.id: one for one in whole}
        return [found[member.id] for member in members]

    def _read(self, member: CohortImage, tries: int = TRIES) -> Scan:
        try:
            return replace(self.model.read(member.path), id=member.id)
        except CamlucidaError:
            if tries == 1:
                raise
            return self._read(member, tries - 1)

    def _requests(self) -> list[TargetLike]:
        return list(self.recipe.targets) if self.recipe.targets is not None else [default_request]

    def _explain(self, members: Sequence[CohortImage], scans: Sequence[Scan]) -> list[ItemResult]:
        """Everything that is asked, of every scan; all of it or an error."""
        known_as = list(map(self._identity, members, scans))
        answers, maps = self._ask(
            members, scans, self._requests(), self.recipe.methods, self.recipe.layers
        )
        return [
            self._found(member, scan, name, answer, [e for e in maps if e.scan.id == scan.id])
            for member, scan, name, answer in zip(members, scans, known_as, answers)
        ]

    def _identity(self, member: CohortImage, scan: Scan) -> str:
        """Asked for before a mask is read: one that changes meanwhile has another identity than its maps, never the same."""
        return item_identity(self.recipe, member, str(scan.source["sha256"]))

    def _by_itself(self, member: CohortImage, scan: Scan) -> ItemResult:
        """One image; a target, method or layer that is undefined for it costs that map alone."""
        try:
            return self._explain([member], [scan])[0]
        except (NoEvidenceError, TargetError) as error:
            if isinstance(error, UsageError):
                return ItemResult(member, error=f"{member.path}: {error}")
        except CamlucidaError as error:
            return ItemResult(member, error=f"{member.path}: {error}")
        known_as = self._identity(member, scan)
        maps: list[Explanation] = []
        missing: dict[str, list[str]] = {}
        answer = self._ask([member], [scan], [], self.recipe.methods, self.recipe.layers)[0][0]
        for target in self._requests():
            for method in self.recipe.methods:
                for layer in self.recipe.layers:
                    try:
                        maps += self._ask([member], [scan], [target], [method], [layer])[1]
                    except CamlucidaError as error:
                        missing.setdefault(str(error), []).append(f"{method} at {layer}")
        parts = [
            prefixed(", ".join(dict.fromkeys(maps_of)), quoted(error))
            for error, maps_of in missing.items()
        ]
        note = chain("words.clause", parts) if parts else None
        found = self._found(member, scan, known_as, answer, maps)
        return (
            replace(found, note=note.dumps() if note else "")
            if maps
            else replace(found, error=f"{member.path}: {note}")
        )

    def _ask(
        self,
        members: Sequence[CohortImage],
        scans: Sequence[Scan],
        targets: Sequence[TargetLike],
        methods: Sequence[str],
        layers: Sequence[str],
    ) -> tuple[list[ModelOutput], list[Explanation]]:
        """One forward pass: what the model answers of each scan, and its maps."""
        answers: list[ModelOutput] = []
        truth = (
            [self._truth(member, scan) for member, scan in zip(members, scans)]
            if "truth" in targets
            else None
        )
        asked: list[TargetLike] = [_listening(answers), *targets]
        maps = explain(
            self.model, scans, asked, methods, layers, truth=truth, batch_size=len(scans)
        )
        return answers, maps

    def _truth(self, member: CohortImage, scan: Scan) -> Truth:
        """The image's true labels; for a segmentation its mask, or nothing where there is no such file."""
        if not _explains_masks(self.recipe):
            return member.positives or ()
        if member.mask is None or not member.mask.is_file():
            return ()
        rows, columns = scan.geometry.original
        try:
            return torch.from_numpy(read_mask(member.mask, f"mask {member.mask}", (rows, columns)))
        except ImageError as error:
            raise TargetError(error.what, error.fix) from error

    def _found(
        self,
        member: CohortImage,
        scan: Scan,
        known_as: str,
        answer: ModelOutput,
        maps: Sequence[Explanation],
    ) -> ItemResult:
        once = {
            (target_identity(e.explained), e.method, e.layer): e
            for e in maps
            if e.explained is not None
        }
        provenance = [_provenance(explanation) for explanation in once.values()]
        common = {
            "identity": known_as,
            "image": member.id,
            "model": self.name,
            "image_sha256": str(scan.source["sha256"]),
            "original": list(scan.geometry.original),
            "synthetic": scan.synthetic,
        }
        logits_missing = self.model.card.output == "probabilities" and (
            answer.probabilities is not None and torch.equal(answer.probabilities, answer.logits)
        )
        return ItemResult(
            member,
            known_as,
            [
                common | _meta(explanation, digest(text))
                for explanation, text in zip(once.values(), provenance)
            ],
            [
                np.ascontiguousarray(explanation.raw.float().numpy())
                for explanation in once.values()
            ],
            [common | row for row in prediction_rows(answer, logits_missing)],
            {digest(text): text for text in provenance},
            answered=True,
        )


def item_identity(recipe: Recipe, member: CohortImage, sha256: str) -> str:
    """What the member's item is, if its file has this hash."""
    truth: tuple[str, ...] = ()
    if _explains_masks(recipe):
        truth = ("mask", (file_sha256(member.mask) if member.mask is not None else None) or "")
    elif "truth" in (recipe.targets or ()):
        truth = member.positives or ()
    return identity(recipe, sha256, truth)


def _explains_masks(recipe: Recipe) -> bool:
    """Whether an item's maps depend on its true mask."""
    return "truth" in (recipe.targets or ()) and json.loads(recipe.card)["task"] == "segmentation"


def _listening(answers: list[ModelOutput]) -> Request:
    """A request for no target, that keeps what the model answered."""

    def request(answer: ModelOutput) -> tuple[()]:
        answers.append(answer)
        return ()

    return request


def _provenance(explanation: Explanation) -> str:
    """What does not change from image to image, as text: stored once."""
    each = ("source", "preprocessing")
    shared = {key: value for key, value in explanation.provenance.items() if key not in each}
    return canonical(shared | {"preprocessing": explanation.provenance["preprocessing"]})


def _meta(explanation: Explanation, provenance: str) -> dict[str, Any]:
    geometry, target = explanation.scan.geometry, explanation.explained
    return {
        "target": explanation.target,
        **{f"target_{f.name}": getattr(explanation.spec, f.name) for f in fields(TargetSpec)},
        "method": explanation.method,
        "layer": explanation.layer,
        "score": explanation.score,
        "score_kind": explanation.provenance["score_kind"],
        "probability": explanation.probability,
        "grid": list(explanation.grid),
        "low": float(explanation.raw.min()),
        "high": float(explanation.raw.max()),
        "relu": explanation.relu,
        "unit": explanation.provenance["unit"],
        "empty_reason": explanation.empty_reason.dumps() if explanation.empty_reason else "",
        "region": region_lengths(geometry, target.mask) if isinstance(target, Region) else None,
        "model_size": list(geometry.model),
        "scale": list(geometry.scale),
        "offset": list(geometry.offset),
        "warnings": [warning.dumps() for warning in explanation.scan.warnings],
        "provenance": provenance,
    }
