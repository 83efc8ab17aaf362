"""What is measured of volumes and of detectors: metrics that are not defined are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.evaluation.maps.choice import NEED_MODEL, with_inputs
from camlucida.evaluation.maps.randomisation import modes
from camlucida.evaluation.maps.samples import MetricSettings
from camlucida.metrics import METRICS
from camlucida.models.detectors import is_detector
from camlucida.models.preprocessing import VolumeInput

declare(
    "measurable",
    {
        "only_images": "left out, for they are defined on images alone: {metrics:,}",
        "of_outputs": (
            "left out, for the score of a detector's box is not followed through altered images: "
            "{metrics:,}"
        ),
        "no_rows": (
            "not in this table, for it scores no single map: {metrics:,}; `camlucida evaluate` and "
            "evaluation.maps.randomisation.randomisation_table make its table"
        ),
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
        return settings, [Message("measurable.projected")]
    return for_volumes(settings)


def with_rows(settings: MetricSettings) -> tuple[MetricSettings, list[Message]]:
    """The settings without the randomisation of weights, whose test is of all maps together.

    Args:
        settings: as requested.

    Raises:
        UsageError: no metric is left.

    >>> settings, notes = with_rows(MetricSettings(metrics=("road", "cascading_randomisation")))
    >>> settings.metrics, len(notes)
    (('road',), 1)
    """
    return _without(
        settings,
        [name for name in settings.metrics if modes([name])],
        "measurable.no_rows",
        "the test is of all maps together, and no row of this table",
        "run `camlucida evaluate`, or call "
        "camlucida.evaluation.maps.randomisation.randomisation_table",
    )


def for_detector(
    settings: MetricSettings, module: nn.Module
) -> tuple[MetricSettings, list[Message]]:
    """The settings of a detector: its three best boxes, without metrics that score altered images.

    Args:
        settings: as requested.
        module: the model.

    Raises:
        UsageError: no metric is left.

    >>> for_detector(MetricSettings(metrics=("road",)), nn.Identity())[1]
    []
    """
    if not is_detector(module):
        return settings, []
    # Its boxes are its own: the true labels of an image say nothing of them.
    settings = replace(settings, targets=settings.targets or ("top3",))
    return _without(
        settings,
        with_inputs(*NEED_MODEL, among=settings.metrics),
        "measurable.of_outputs",
        "the score of a detector's box is not followed through altered images",
        "of detectors: hit, relevance_mass, iou_otsu, gini and others that need the map alone",
    )


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
    return _without(
        settings,
        [name for name in settings.metrics if METRICS[name].only_images],
        "measurable.only_images",
        "defined on images alone",
        "of volumes: hit, relevance_mass, iou_otsu, insertion, deletion and others",
    )


def _without(
    settings: MetricSettings, left_out: Sequence[str], code: str, why: str, fix: str
) -> tuple[MetricSettings, list[Message]]:
    """The settings without some metrics, and the note ``code`` on them.

    Raises:
        UsageError: no metric is left; ``why`` and ``fix`` are its words.
    """
    if not left_out:
        return settings, []
    kept = tuple(name for name in settings.metrics if name not in left_out)
    if not kept:
        raise UsageError(f"{', '.join(left_out)}: {why}", fix)
    return replace(settings, metrics=kept), [Message(code, {"metrics": list(left_out)})]
