"""Where the maps of an evaluation come from: the model, if they are not stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ModelWithCard, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import NoEvidenceError
from camlucida.core.messages import Message, declare, quoted
from camlucida.evaluation.maps.samples import MetricSettings, Sample, known_labels

declare(
    "model_maps",
    {"left_out": "{method} is left out of {count} {count:|image|images}: {reason}"},
)


class MapSource(Protocol):
    """Where the maps of an image come from; see :class:`ModelMaps`."""

    def explanations(self, sample: Sample, settings: MetricSettings) -> list[Explanation]:
        """The maps of one image, in the order of ``explain``; empty where none is wanted."""


@dataclass(frozen=True)
class ModelMaps:
    """Maps that are computed: the model explains each image.

    Of several methods, one that does not fit the model or an image is left out for that image.

    Attributes:
        model: that explains.
        strict: such a method is an error.
        left_out: method and the reason → in how many images it was left out.
    """

    model: nn.Module | ModelWithCard
    strict: bool = False
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)

    def explanations(self, sample: Sample, settings: MetricSettings) -> list[Explanation]:
        """As of :class:`MapSource`.

        Raises:
            CamlucidaError: as of ``explain``.
        """
        wanted = known_labels(sample, settings, explained_model(self.model).spec.task)
        if wanted.get("truth") == [[]]:
            return []
        wanted["layer"] = settings.layers
        methods = list(settings.methods)
        try:
            return explain(self.model, [sample.scan], method=methods, **wanted)
        except NoEvidenceError:
            if self.strict or len(methods) < 2:
                raise
        return self._fitting(sample, methods, wanted)

    def notes(self) -> list[Message]:
        """Which methods were left out, with the reason."""
        return [
            Message(
                "model_maps.left_out", {"method": name, "count": images, "reason": quoted(reason)}
            )
            for (name, reason), images in self.left_out.items()
        ]

    def _fitting(
        self, sample: Sample, methods: Sequence[str], wanted: Mapping[str, Any]
    ) -> list[Explanation]:
        """The maps of each method by itself, without those that are not defined."""
        made: list[Explanation] = []
        errors: dict[str, NoEvidenceError] = {}
        for name in methods:
            try:
                made += explain(self.model, [sample.scan], method=name, **wanted)
            except NoEvidenceError as error:
                errors[name] = error
        if len(errors) == len(methods):
            raise errors[methods[0]]
        self.left_out.update((name, str(error)) for name, error in errors.items())
        return made
