"""From a loaded model and images to the findings of every check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida import phantom
from camlucida.core.errors import CamlucidaError, ModelError, NoEvidenceError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.models import LoadedModel
from camlucida.models.layers import resolve
from camlucida.models.state import unwrap
from camlucida.workflows.benchmark.films import scan_of
from camlucida.workflows.doctor import checks  # noqa: F401, which registers them
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import CHECKS, Finding, of_error
from camlucida.workflows.explain_batches import layer_names
from camlucida.workflows.preprocessing_fit import Fit

MOST, MOST_VOLUMES = 8, 3
"""Images that a model is examined on; volumes, which take more memory."""

FILMS: Sequence[tuple[str, ...]] = ((), ("nodule",), ("effusion",), ("cardiomegaly",))
"""Findings of the packaged films."""

declare(
    "doctor",
    {
        "packaged": (
            "no image was given: {count} packaged synthetic films are used, which show faults of "
            "the network, and not whether your images reach it as in training"
        ),
        "packaged_mend": "name some images behind the options",
        "some": "examined on {count} of {images} images",
    },
)


@dataclass(frozen=True)
class Diagnosis:
    """The findings of a model.

    Attributes:
        findings: in the order of the checks.
        failures: images that cannot be read.
        fit: ranking of preprocessing pipelines, where stored predictions were given and could be
            compared; else None.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...] = ()
    fit: Fit | None = None

    @property
    def has_fault(self) -> bool:
        """Whether any finding is a fault."""
        return any(each.severity == "fault" for each in self.findings)

    def to_json(self) -> dict[str, Any]:
        """As plain data: findings and failures."""
        return {"findings": list(self.findings), "failures": list(self.failures)}


def diagnose(
    model: LoadedModel,
    paths: Sequence[Path] = (),
    *,
    layers: Sequence[str] | None = None,
    predictions: Path | None = None,
    frame: int | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Diagnosis:
    """Run every check on a model.

    Args:
        model: as ``load_model`` returns it.
        paths: image files; of more than :data:`MOST`, some are taken evenly. None: packaged films.
        layers: as in ``explain``; None takes the card's.
        predictions: file of predictions that training stored, of images among ``paths``.
        frame: of files that have several; the first if None.
        progress: called after each check.

    Raises:
        LayerError: a layer that was requested does not exist.
        ImageError: none of the images can be read.
        UsageError: predictions without images, or a file that holds none; a model of volumes
            without volumes.
    """
    volumes = model.card.volume is not None
    if volumes and not paths:
        what = f"{model.name} is a model of volumes, and there is no packaged one"
        raise UsageError(what, "name some: camlucida doctor scan.nii.gz --model CARD")
    if volumes and predictions is not None:
        raise UsageError("the preprocessing of volumes is not fitted", "leave out --predictions")
    names = layer_names(model, layers)
    for name in layers or ():
        resolve(unwrap(model.module), name.removesuffix(":pre"))
    most = MOST_VOLUMES if volumes else MOST
    scans, failures = _scans(model, _evenly(paths, most), frame)
    # Without a size in the card, volumes keep their own, and one batch has one.
    scans = [scan for scan in scans if scan.tensor.shape == scans[0].tensor.shape]
    examination = Examination(model, scans, names, not paths, predictions, paths)
    findings: dict[tuple[Message, Message | None], Finding] = {}
    for each in _findings(examination, progress):
        # A layer without a grid fails several checks alike.
        findings.setdefault((each.what, each.mend), each)
    return Diagnosis(tuple(findings.values()), tuple(failures), examination.fit)


def _findings(examination: Examination, progress: Callable[[int], object]) -> Iterator[Finding]:
    yield from _images_used(examination)
    is_reached = True
    for name, run in CHECKS.items():
        try:
            yield from run(examination)
        except CamlucidaError as error:
            if isinstance(error, UsageError) and not isinstance(error, ModelError):
                raise  # the request is wrong, not the model
            # A gradient that does not reach the layer ends several checks, of other targets each.
            if is_reached or not isinstance(error, NoEvidenceError):
                yield of_error(name, error)
            is_reached &= not isinstance(error, NoEvidenceError)
            if isinstance(error, ModelError):
                return  # the network cannot run: all that follows would say so again
        progress(1)


def _images_used(examination: Examination) -> Iterator[Finding]:
    count, images = len(examination.scans), len(examination.paths)
    if examination.packaged:
        values = {"count": count}
        mend = Message("doctor.packaged_mend")
        yield Finding("images", "note", Message("doctor.packaged", values), mend)
    elif count < images:
        yield Finding("images", "ok", Message("doctor.some", {"count": count, "images": images}))


def _evenly(paths: Sequence[Path], most: int) -> list[Path]:
    if len(paths) <= most:
        return list(paths)
    return [paths[k * len(paths) // most] for k in range(most)]


def _scans(
    model: LoadedModel, paths: Sequence[Path], frame: int | None
) -> tuple[list[Scan], list[Failure]]:
    if not paths:
        return _packaged(model), []
    scans: list[Scan] = []
    failures: list[Failure] = []
    refused: CamlucidaError | None = None
    for path in paths:
        try:
            scans.append(model.read(path, frame))
        except CamlucidaError as error:
            refused = refused or error
            failures.append(Failure.of(str(path), error))
    if refused is not None and not scans:
        raise refused
    return scans, failures


def _packaged(model: LoadedModel) -> list[Scan]:
    drawn = [phantom.image(seed, findings) for seed, findings in enumerate(FILMS)]
    spec = model.card.input
    return [scan_of(pixels, f"film{seed}", spec) for seed, pixels in enumerate(drawn)]
