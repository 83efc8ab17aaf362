"""What is measured of volumes: metrics that are defined on two axes alone are left out."""

from __future__ import annotations

from dataclasses import replace

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.evaluation.maps.samples import MetricSettings
from camlucida.metrics import METRICS
from camlucida.models.preprocessing import VolumeInput

declare(
    "volume_evaluation",
    {
        "only_images": "left out, for they are defined on images alone: {metrics:,}",
        "projected": (
            "the map of stacked slices is one for all of them: annotations are projected across "
            "the slices that the model saw"
        ),
    },
)


def for_model(
    settings: MetricSettings, volume: VolumeInput | None
) -> tuple[MetricSettings, list[Message]]:
    """The settings for a model, and notes on what is left out or done of volumes.

    Args:
        settings: as requested.
        volume: of the model's card; None for a model of images.

    Raises:
        UsageError: as :func:`for_volumes`.

    >>> for_model(MetricSettings(metrics=("road",)), None)[1]
    []
    """
    if volume is None:
        return settings, []
    if volume.slices is not None:
        return settings, [Message("volume_evaluation.projected")]
    return for_volumes(settings)


def for_volumes(settings: MetricSettings) -> tuple[MetricSettings, list[Message]]:
    """The settings without the metrics of images, and a note on these.

    Args:
        settings: as requested.

    Raises:
        UsageError: no metric is left.

    >>> settings, notes = for_volumes(MetricSettings(metrics=("hit", "road")))
    >>> settings.metrics, str(notes[0])
    (('hit',), 'left out, for they are defined on images alone: road')
    """
    left_out = [name for name in settings.metrics if METRICS[name].only_images]
    kept = tuple(name for name in settings.metrics if name not in left_out)
    if not left_out:
        return settings, []
    if not kept:
        raise UsageError(
            f"{', '.join(left_out)}: defined on images alone",
            "of volumes: hit, relevance_mass, iou_otsu, insertion, deletion and others",
        )
    return replace(settings, metrics=kept), [
        Message("volume_evaluation.only_images", {"metrics": left_out})
    ]
