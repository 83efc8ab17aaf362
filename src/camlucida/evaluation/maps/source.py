"""The images of an evaluation with their annotations, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.volume_scan import VolumeScan
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.datasets.images import LabelledImage, LabelledImages
from camlucida.datasets.voxel_grid import voxel_grid
from camlucida.evaluation.maps.baselines import Atlas, add_to_atlas
from camlucida.evaluation.maps.model_maps import MapSource, ModelMaps
from camlucida.evaluation.maps.samples import MetricSettings, Sample
from camlucida.io.annotations import AnnotatedImage, BoxAnnotation
from camlucida.io.image import image_id
from camlucida.metrics.annotations import Mask
from camlucida.models import LoadedModel


@dataclass(frozen=True)
class Source:
    """A model, the images it is evaluated on, and what is measured.

    Attributes:
        model: loaded.
        cohort: the images.
        settings: what is measured.
        truth: annotations of findings.
        regions: masks of further places, such as lungs or heart.
        frame: of files that have several; the first if None.
        maps: that are stored already; None: the model explains each image.
        readers: image → label → reader → boxes, where the ground truth tells readers apart.
        views: image → view, such as PA or AP, where the ground truth has it.
        reader_rows: scores of maps against readers, as the images are measured.
    """

    model: LoadedModel
    cohort: LabelledImages
    settings: MetricSettings
    truth: GroundTruth | None = None
    regions: GroundTruth | None = None
    frame: int | None = None
    maps: MapSource | None = None
    readers: Mapping[str, Mapping[str, Mapping[str, BoxAnnotation]]] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    reader_rows: list[dict[str, Any]] = field(default_factory=list, compare=False)

    @property
    def map_source(self) -> MapSource:
        """Where the maps come from. Stored ones are of the first frame."""
        if self.maps is None or self.frame is not None:
            return ModelMaps(self.model)
        return self.maps

    def explanations(self, sample: Sample) -> list[Explanation]:
        """The maps of one image."""
        return self.map_source.explanations(sample, self.settings)

    def sample(self, item: LabelledImage, levels: bool = False) -> Sample:
        """One image with its annotations.

        Args:
            item: the image.
            levels: as of :meth:`camlucida.models.LoadedModel.read`.

        Raises:
            CamlucidaError: the image or its annotations cannot be read: it is left out.
        """
        scan = replace(self.model.read(item.path, self.frame, levels), id=item.id)
        if isinstance(scan, VolumeScan):
            return self._sample_of_volume(item, scan)
        height, width = scan.geometry.original
        where = (item.known_as, str(item.path), (height, width))
        masks = {} if self.truth is None else self.truth.masks(*where)
        boxes = {} if self.truth is None else self.truth.boxes(*where)
        regions = {} if self.regions is None else self.regions.masks(*where)
        readers = self._reader_masks(item, AnnotatedImage((height, width), item.path))
        return Sample(
            scan, item.patient, masks, boxes, regions, item.positives, readers, self.reader_rows
        )

    def _sample_of_volume(self, item: LabelledImage, scan: VolumeScan) -> Sample:
        """A volume with its masks in the order of the model's axes; boxes are of images."""
        where = (item.known_as, str(item.path), voxel_grid(scan))
        masks = {} if self.truth is None else self.truth.masks(*where)
        regions = {} if self.regions is None else self.regions.masks(*where)
        masks = {name: scan.from_stored(mask) for name, mask in masks.items()}
        regions = {name: scan.from_stored(mask) for name, mask in regions.items()}
        return Sample(scan, item.patient, masks, {}, regions, item.positives)

    def _reader_masks(
        self, item: LabelledImage, image: AnnotatedImage
    ) -> dict[str, dict[str, Mask]]:
        """Label → reader → mask, of the model's labels: a fault in another one costs nothing."""
        of_image = self.readers.get(image_id(item.path, None), {})
        masks: dict[str, dict[str, Mask]] = {}
        for label in self.annotated_labels(item):
            of_label = of_image.get(label, {})
            if of_label:
                masks[label] = {reader: boxes.mask(image) for reader, boxes in of_label.items()}
        return masks

    def sample_of(self, image: str, levels: bool = False) -> Sample:
        """The image of this name with its annotations.

        Args:
            image: its name.
            levels: as of :meth:`sample`.

        Raises:
            CamlucidaError: as of :meth:`sample`.
        """
        item = next(item for item in self.cohort.images if item.id == image)
        return self.sample(item, levels)

    def samples(self, failures: list[Failure]) -> Iterator[Sample]:
        """All that can be read; ``failures`` gains an entry for each that cannot.

        Raises:
            UsageError: the annotations do not fit the request.
        """
        for item in self.cohort.images:
            try:
                sample = self.sample(item)
            except UsageError:
                raise
            except CamlucidaError as error:
                failures.append(Failure.of(str(item.path), error))
                continue
            yield sample

    def atlas(self) -> Atlas | None:
        """Mean annotations, for the baseline that knows where findings usually are."""
        if self.truth is None:
            return None
        sums: dict[str, dict[str, Any]] = {}
        for sample in self.samples([]):
            add_to_atlas(sums, sample.patient, sample.masks)
        return Atlas(sums)

    def annotated_labels(self, item: LabelledImage) -> set[str]:
        """The labels that are annotated in an image; nothing is read."""
        if self.truth is None:
            return set()
        return set(self.truth.has(item.known_as, str(item.path)))
