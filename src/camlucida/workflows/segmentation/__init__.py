"""Explain a segmentation model: what its encoder, decoder and head used, beside chance levels.

Loading: :func:`segmentation_card` and ``camlucida.load_model``. Computing: ``camlucida.explain``.
Analysing: ``camlucida.metrics.contrast.contrast``. Comparing: ``camlucida.figures.grids``. All of
it for many images: :func:`explain_segmentation`.
"""

from camlucida.workflows.segmentation.image_choice import Images, one_image, sampled_images
from camlucida.workflows.segmentation.inputs import segmentation_card
from camlucida.workflows.segmentation.job import SegmentationOutcome, explain_segmentation

__all__ = [
    "Images",
    "SegmentationOutcome",
    "explain_segmentation",
    "one_image",
    "sampled_images",
    "segmentation_card",
]
