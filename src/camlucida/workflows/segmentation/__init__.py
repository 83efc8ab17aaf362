"""Explain a segmentation model: what its encoder, decoder and head used, against the truth and against chance.

Loading: :func:`segmentation_card` and ``camlucida.load_model``. Computing: ``camlucida.explain``. Analysing:
``camlucida.metrics.contrast.contrast``. Comparing: ``camlucida.figures.grids``. All of it for many images:
:func:`explain_segmentation`.
"""

from camlucida.workflows.segmentation.inputs import (
    Images,
    one_image,
    sampled_images,
    segmentation_card,
)
from camlucida.workflows.segmentation.job import SegmentationOutcome, explain_segmentation

__all__ = [
    "Images",
    "SegmentationOutcome",
    "explain_segmentation",
    "one_image",
    "sampled_images",
    "segmentation_card",
]
