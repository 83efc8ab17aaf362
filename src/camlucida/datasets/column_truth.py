"""Ground truth in the columns of a cohort's table: a mask file or a box an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from camlucida.datasets.annotation_join import AnnotationJoin
from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.ground_truth import GroundTruth, ground_truth_of
from camlucida.datasets.image_names import bare_name
from camlucida.datasets.true_masks import is_document, label_map
from camlucida.io.annotations import Annotation, BoxAnnotation
from camlucida.io.annotations.placed_masks import mask_of


def truth_of_columns(images: Iterable[CohortImage], labels: Sequence[str]) -> GroundTruth:
    """The masks and boxes that the images' rows name.

    A plain mask or a box names no label; a file of annotations names its own.

    Args:
        images: of the cohort.
        labels: of the model.

    Raises:
        UsageError: a file of annotations cannot be read.
    """
    join = AnnotationJoin(labels)
    documents = set()
    for image in images:
        name, mask = bare_name(image.known_as), image.mask
        if mask is not None and mask.is_file():
            of_map, notes = ({}, []) if is_document(mask) else label_map(mask, labels)
            join.notes += [note for note in notes if note not in join.notes]
            if is_document(mask):
                documents.add(mask)
            elif of_map:
                for label, part in of_map.items():
                    join.drawn[name][label].append(part)
            else:
                drawn = Annotation(f"mask {mask}", partial(mask_of, mask))
                join.drawn[name][""].append(drawn)
        if image.box is not None:
            rows = np.asarray([image.box], np.float64)
            join.boxed[name][""] = BoxAnnotation(f"box of {image.id}", rows)
    for path in sorted(documents):
        join.add_files(path, None)
    return ground_truth_of(join)
