"""The targets that a page offers of a film, and the one that a request means."""

from __future__ import annotations

from collections.abc import Sequence

from camlucida.attribution.kept import KeptImage
from camlucida.attribution.targets import Target
from camlucida.core.errors import EmptyRegionError, TargetError


def offered_targets(image: KeptImage) -> Sequence[Target]:
    """What a model predicts for an image: its labels, most probable first; both signs of the
    outputs of a regression; the regions of a segmentation that are not empty.

    Args:
        image: after its forward pass.
    """
    output = image.image_output
    if output.task == "regression":
        return image.targets("output")
    if output.task == "segmentation":
        return _regions(image, output.labels)
    return image.targets("all")


def requested_target(image: KeptImage, request: str) -> Target:
    """The target of a request: one that is offered, by its name, or what the words mean.

    Args:
        image: after its forward pass.
        request: name of an offered target, or words of ``camlucida explain --target``.

    Raises:
        TargetError: the request does not fit the model or the image.
    """
    named = [target for target in offered_targets(image) if target.name == request]
    targets = named or image.targets(request)
    if not targets:
        raise TargetError(f"target {request!r} means nothing in this film", "choose another")
    return targets[0]


def _regions(image: KeptImage, labels: Sequence[str]) -> list[Target]:
    regions: list[Target] = []
    for label in labels:
        try:
            regions += image.targets(label)
        except EmptyRegionError:  # of a label that is not predicted there is nothing to explain
            continue
    return regions
