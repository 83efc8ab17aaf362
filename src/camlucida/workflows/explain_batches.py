"""Explain a batch of images so that one bad image, or one undefined method, costs itself alone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.layer_fusion import fused
from camlucida.attribution.methods import at_layers
from camlucida.attribution.requests import TargetLike
from camlucida.attribution.steps import Progress, unreported
from camlucida.attribution.targets import target_identity
from camlucida.core.errors import (
    CamlucidaError,
    EmptyRegionError,
    LayerError,
    NoEvidenceError,
    UsageError,
)
from camlucida.core.failures import Failure
from camlucida.core.files import unique
from camlucida.core.messages import Message, declare, quoted
from camlucida.core.scan import Scan
from camlucida.io.dicom.patients import case_name, keyed_name
from camlucida.io.image import image_id
from camlucida.io.keyed_files import KeyedFile, add_files, keyed_path
from camlucida.metrics.burned_in import LETTERS, letters_warning
from camlucida.models import LoadedModel
from camlucida.workflows.explain_lanes import Lanes

declare(
    "privacy",
    {
        "not_explained": "not explained",
        "unrecorded": "what keyed names stand for is not recorded: {reason}",
    },
)


class UndefinedMap(NamedTuple):
    """A method that gives no map at a layer, and why."""

    method: str
    layer: str
    reason: str


class ReadImage(NamedTuple):
    """A file, its image or the error of reading it, and a warning of letters burned in."""

    path: Path
    content: Scan | CamlucidaError
    letters: tuple[Message, ...] = ()


class Begun(NamedTuple):
    """A batch that a lane explains, if there are any.

    Attributes:
        scans: its images that could be read.
        explanations: of the lane; its result is None where the batch has to be explained again.
    """

    scans: Sequence[Scan]
    explanations: Future[list[Explanation] | None] | None = None


@dataclass
class BatchExplainer:
    """Reads images and explains them.

    Attributes:
        model: what to explain.
        targets: as in :func:`camlucida.explain`; None takes those of the task.
        methods, layers: names.
        batch_size: images in one forward.
        frame: of files that have several; the first if None.
        fuse: how the maps of several layers are fused to one more; None for not at all.
        failures: images without an explanation, in the order in which they failed.
        on_failure: called with each of them as it happens.
        undefined: maps that were left out → in how many images.
        explained: images that were explained so far.
        group: of keyed names, which images have in place of those of their files; "" for none.
        empty: reason why a region is empty → images in which it is, each once.
        with_letters, with_marker: explained images into which text, or a side marker alone, seems
            to be burned; keyed ones have a warning each.
        files: keyed name of an image → its file.
        passes: of methods that need many forward passes, as ``progress`` of
            :func:`camlucida.explain`.
    """

    model: LoadedModel
    targets: list[TargetLike] | None
    methods: list[str]
    layers: list[str]
    batch_size: int
    frame: int | None = None
    fuse: str | None = None
    group: str = ""
    failures: list[Failure] = field(default_factory=list)
    on_failure: Callable[[Failure], object] = lambda failure: None
    undefined: Counter[UndefinedMap] = field(default_factory=Counter)
    explained: int = 0
    empty: dict[str, list[str]] = field(default_factory=dict)
    with_letters: list[str] = field(default_factory=list)
    with_marker: list[str] = field(default_factory=list)
    files: dict[str, KeyedFile] = field(default_factory=dict)
    passes: Progress = unreported
    _ids: set[str] = field(default_factory=set)
    _letters: dict[str, tuple[Message, ...]] = field(default_factory=dict)
    _undefined_of: dict[str, list[UndefinedMap]] = field(default_factory=dict)

    @property
    def keyed(self) -> bool:
        """Whether images have keyed names."""
        return bool(self.group)

    def read(self, paths: Sequence[Path]) -> list[ReadImage]:
        """Images of files, or what is wrong with them; nothing of this object changes."""
        images = []
        for path in paths:
            try:
                scan = self.model.read(path, self.frame, levels=True)
            except CamlucidaError as error:
                images.append(ReadImage(path, error))
            else:
                images.append(ReadImage(path, scan, letters_warning(scan.display)))
        return images

    def lanes(self, images: int) -> Lanes:
        """Threads for so many images, of this model and request."""
        return Lanes(self.model, self.targets, self.methods, self.layers, self.batch_size, images)

    def begun(self, batches: Iterable[Sequence[ReadImage]], lanes: Lanes) -> Iterator[Begun]:
        """Batches in order, a few of them ahead.

        Args:
            batches: images as they were read.
            lanes: of :meth:`lanes`.
        """
        waiting: deque[Begun] = deque()
        for images in batches:
            scans = list(self._scans(images))
            waiting.append(Begun(scans, lanes.submit(scans)))
            if len(waiting) > lanes.ahead:
                yield waiting.popleft()
        yield from waiting

    def explain(self, begun: Begun) -> Iterator[tuple[Scan, list[Explanation]]]:
        """Each image of a batch with its explanations, sorted by target.

        Args:
            begun: the next batch of :meth:`begun`.

        Raises:
            UsageError, LayerError: the request fits no image, which shows before the first one.
        """
        explanations = None if begun.explanations is None else begun.explanations.result()
        if explanations is None:
            yield from self._explain_scans(begun.scans)
            return
        for scan in begun.scans:
            yield from self._with_explanations(scan, explanations)

    def fail(self, scan: Scan, error: CamlucidaError) -> None:
        """Record that an image has no explanation."""
        image = scan.id if self.keyed else str(scan.source.get("path", scan.id))
        self._add(Failure.of(image, error, named=True), scan.id)

    def add_failure(self, failure: Failure) -> None:
        """Record a failure, and tell whoever listens; the record of a keyed one has no words."""
        self._add(failure, case_name(image_id(Path(failure.image), None)))

    def _add(self, failure: Failure, keyed: str) -> None:
        """A failure, which is recorded under the keyed name where names are keyed."""
        without_words = Failure(keyed, failure.code, str(Message("privacy.not_explained")))
        self.failures.append(without_words if self.keyed else failure)
        self.on_failure(failure)

    def record_names(self) -> list[Message]:
        """Record with the user what keyed names stand for; a note where that cannot be."""
        try:
            add_files(self.group, self.files)
        except UsageError as error:
            return [Message("privacy.unrecorded", {"reason": quoted(str(error))})]
        return []

    def _scans(self, images: Sequence[ReadImage]) -> Iterator[Scan]:
        for image in images:
            if isinstance(image.content, CamlucidaError):
                self.add_failure(Failure.of(str(image.path), image.content))
            else:
                scan = image.content
                if self.keyed:
                    scan = _keyed_scan(scan, image.letters)
                # Ids that differ only in what a file name cannot hold would overwrite each other.
                scan = replace(scan, id=unique(scan.id, self._ids))
                if self.keyed:
                    scan = self._without_path(scan, image.path)
                if not self.keyed:
                    self._letters[scan.id] = image.letters
                yield scan

    def _without_path(self, scan: Scan, path: Path) -> Scan:
        """The image with a keyed path; the file behind it is remembered."""
        self.files[scan.id] = KeyedFile("", str(path.absolute()))
        place = keyed_path(self.group, scan.id).as_posix()
        return replace(scan, source=scan.source | {"path": place})

    def _explain_scans(self, scans: Sequence[Scan]) -> Iterator[tuple[Scan, list[Explanation]]]:
        """Where a batch fails, its images are tried one by one."""
        if not scans:
            return
        try:
            explanations = self._maps(scans, self.targets, self.methods, self.layers)
        except CamlucidaError as error:
            # Before the first image is explained the request is wrong; afterwards, this image is.
            if isinstance(error, (UsageError, LayerError)) and not self.explained:
                raise
            if len(scans) == 1:
                self.fail(scans[0], error)
                return
            for scan in scans:
                yield from self._explain_scans([scan])
            return
        for scan in scans:
            yield from self._with_explanations(scan, explanations)

    def _with_explanations(
        self, scan: Scan, explanations: Sequence[Explanation]
    ) -> Iterator[tuple[Scan, list[Explanation]]]:
        """The image, unless every method is undefined for it: then it failed."""
        of_scan = _distinct([each for each in explanations if each.scan.id == scan.id])
        undefined = self._undefined_of.pop(scan.id, [])
        if undefined and not of_scan:
            self.fail(scan, NoEvidenceError(undefined[0].reason))
            return
        self.undefined.update(undefined)
        self.explained += 1
        for letters in self._letters.pop(scan.id, ()):
            (self.with_letters if letters == LETTERS else self.with_marker).append(scan.id)
        yield scan, of_scan if self.fuse is None else self._with_fused(of_scan, self.fuse)

    def _with_fused(self, explanations: Sequence[Explanation], how: str) -> list[Explanation]:
        """An image's maps, and behind those of each target and method what they are fused to."""
        together: list[Explanation] = []
        for _, group in groupby(explanations, key=lambda e: (e.target, e.method)):
            of_layers = list(group)
            together += of_layers
            if len(of_layers) < 2:
                continue
            try:
                together.append(fused(of_layers, how))
            except (NoEvidenceError, LayerError) as error:
                self.undefined[UndefinedMap(of_layers[0].method, how, str(error))] += 1
        return together

    def _maps(
        self,
        scans: Sequence[Scan],
        targets: list[TargetLike] | None,
        methods: list[str],
        layers: list[str],
    ) -> list[Explanation]:
        """Run ``explain``; a method that is undefined at a layer, or for an image, costs that map.

        So does a region that is empty in an image. The request is divided until the missing map
        stands alone: by method and layer, or by target; and by image.
        """
        try:
            size, passes = self.batch_size, self.passes
            return explain(
                self.model, scans, targets, methods, layers, batch_size=size, progress=passes
            )
        except EmptyRegionError as error:
            return self._without_empty(scans, targets, methods, layers, error)
        except NoEvidenceError as error:
            explanations: list[Explanation] = []
            if len(at_layers(methods, layers)) > 1:
                for method, layer in at_layers(methods, layers):
                    explanations += self._maps(scans, targets, [method], [layer])
            elif len(scans) > 1:
                for scan in scans:
                    explanations += self._maps([scan], targets, methods, layers)
            else:
                undefined = UndefinedMap(methods[0], layers[0], str(error))
                self._undefined_of.setdefault(scans[0].id, []).append(undefined)
            return explanations

    def _without_empty(
        self,
        scans: Sequence[Scan],
        targets: list[TargetLike] | None,
        methods: list[str],
        layers: list[str],
        error: EmptyRegionError,
    ) -> list[Explanation]:
        """The maps of the other images and targets; the empty region is noted."""
        explanations: list[Explanation] = []
        if len(scans) > 1:
            for scan in scans:
                explanations += self._maps([scan], targets, methods, layers)
        elif targets is not None and len(targets) > 1:
            for target in targets:
                explanations += self._maps(scans, [target], methods, layers)
        else:
            images = self.empty.setdefault(error.what, [])
            if scans[0].id not in images:
                images.append(scans[0].id)
        return explanations


def _distinct(explanations: Sequence[Explanation]) -> list[Explanation]:
    """Each target, method and layer once, whatever it was called in the request; by target."""
    once = {}
    for explanation in explanations:
        if explanation.explained is not None:
            key = target_identity(explanation.explained), explanation.method, explanation.layer
            once[key] = explanation
    order = list(dict.fromkeys(explanation.target for explanation in once.values()))
    return sorted(once.values(), key=lambda explanation: order.index(explanation.target))


def layer_names(model: LoadedModel, layers: Sequence[str] | None) -> list[str]:
    """The layers to explain: those requested, else the card's.

    Args:
        model: with its card.
        layers: as the user named them; None or none takes the card's.
    """
    requested = layers or model.card.layer
    return [requested] if isinstance(requested, str) else list(requested)


def group_of(out: Path) -> str:
    """The group of the keyed names of a folder.

    Args:
        out: the folder.
    """
    return keyed_name("folder", str(out.absolute()))


def _keyed_scan(scan: Scan, letters: Sequence[Message]) -> Scan:
    """The image under a keyed name."""
    return replace(scan, id=case_name(scan.id), warnings=(*scan.warnings, *letters))
