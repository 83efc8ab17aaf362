"""What an evaluation knows only once all its images are there.

The consistency of their maps, the maps of random weights, and how often a metric had no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from camlucida.attribution.explained_model import ModelWithCard
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.consistency import ConsistencyScores
from camlucida.evaluation.maps.few_images import FewImages
from camlucida.evaluation.maps.maps import EvaluatedMap
from camlucida.evaluation.maps.randomised_entropy import TrainedMaps, randomised_scores
from camlucida.evaluation.maps.rows import MapColumns, map_columns
from camlucida.evaluation.maps.samples import Sample
from camlucida.evaluation.maps.scores import Score
from camlucida.evaluation.maps.undefined import Undefined
from camlucida.metrics import METRICS


@dataclass
class AcrossImages:
    """Gathers, image by image, what the metrics of many images need.

    Attributes:
        names: of the metrics that are wanted.
        undefined: where a metric has no value, and why.
    """

    names: Sequence[str]
    undefined: Undefined = field(default_factory=Undefined)
    _trained: FewImages[TrainedMaps] = field(default_factory=FewImages)
    _whole: AcrossImages | None = None

    def __post_init__(self) -> None:
        self._consistency: ConsistencyScores = (
            ConsistencyScores(self.undefined) if self._whole is None else self._whole._consistency
        )

    def part(self) -> AcrossImages:
        """Gathers some of the images: for models that differ from image to image.

        What needs all images is gathered here and scored by :meth:`scores` of this one; what needs
        the model of the part is scored there.
        """
        return AcrossImages(self.names, self.undefined, _whole=self)

    def notes(self) -> list[Message]:
        """Why metrics have no value on some images; of a part nothing."""
        return [] if self._whole is not None else self.undefined.notes()

    def add_map(self, sample: Sample, each: EvaluatedMap, explanation: Explanation) -> None:
        """One map of one label, of a method or a baseline."""
        if with_inputs("maps of labels", among=self.names):
            columns = map_columns(sample, each, explanation)
            self._consistency.add(sample, each, explanation, columns)

    def add_image(self, sample: Sample, maps: Sequence[tuple[Explanation, EvaluatedMap]]) -> None:
        """The maps of one image by the methods; those of :class:`FewImages` are kept."""
        wanted = with_inputs("randomised map", among=self.names)
        if wanted and maps:
            explanations = [explanation for explanation, _ in maps]
            columns = [map_columns(sample, each, explanation) for explanation, each in maps]
            self._trained.add(TrainedMaps(sample.scan, explanations, columns), sample.patient)

    def add_reasons(
        self, image: str, target: str, reasons: Mapping[str, Sequence[str]], at: tuple[str, int]
    ) -> None:
        """Count why a wanted metric has no value.

        Args:
            image, target: of the map.
            reasons: name of a metric → codes, one a column of the scores.
            at: model output and column of the scores.
        """
        output, column = at
        for name, codes in reasons.items():
            fits = output == "probability" or not METRICS[name].only_probability
            if name in self.names and fits and codes[column]:
                self.undefined.add(name, codes[column], image, target)

    def scores(self, model: nn.Module | ModelWithCard) -> Iterator[tuple[MapColumns, str, Score]]:
        """Columns, metric and score of each map.

        Args:
            model: its weights are made random and restored, where a metric wants it.
        """
        if self._whole is None:
            yield from self._consistency.scores()
        yield from randomised_scores(model, list(self._trained), self.names)
