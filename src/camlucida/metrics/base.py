"""What is registered with a metric. The metric itself is a plain function.

A new metric is one function with one decorator, in any file that is imported. It is then computed
by ``camlucida evaluate`` and listed by ``camlucida metrics``; its chance level and its ceiling come
with the registration, as functions of the same arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, chain, declare
from camlucida.core.registry import Registry
from camlucida.metrics.chance import MOVED, shifted_chance

if TYPE_CHECKING:
    from camlucida.metrics.imputation import Perturbation
    from camlucida.metrics.queue import Plan

Family = Literal[
    "faithfulness", "localisation", "agreement", "sanity", "stability", "description", "artefact"
]
Direction = Literal["higher", "lower", "none"]

Failure = Literal["falls", "flat", "blur"]
"""Why a metric fails the meta-evaluation of the benchmark, where maps of a known order are scored:

- falls: a better map scores worse, from one share of ground truth in the map to a larger one.
- flat: the score does not improve from no ground truth in the map to the ground truth itself.
- blur: the blurred ground truth scores better than the ground truth.
"""

Failures = Mapping[str, tuple[Failure, ...]]
"""Model output ("" for a metric of the map alone) → why the metric fails on it."""

Inputs = Literal[
    "map",
    "mask",
    "two masks",
    "two masks and an average",
    "boxes",
    "all boxes",
    "region",
    "altered images",
    "noisy maps",
    "noisy scores",
    "views",
    "altered maps",
    "weights",
    "randomised map",
    "maps of labels",
    "maps",
]
"""What ``camlucida evaluate`` gives to a metric:

- map: the map on its own grid, after the method's ReLU.
- mask: the map and the annotated mask, both (H, W) in original pixels.
- two masks: these and the mask of another label of the image; the mean over the other labels
  counts.
- two masks and an average: these, less the score of the baseline "average_mask"; needs ``of_mask``.
- boxes: the map in original pixels and the annotated boxes (N, 4).
- all boxes: the boxes of all images together, see :mod:`camlucida.evaluation.maps.boxes`.
- region: the map and the region of the registration, both in original pixels.
- altered images: the model's scores of the plan of the registration.
- noisy maps, noisy scores: map or score of the image, and of its noisy copies.
- views: the map, and name → map of its mirrored views.
- altered maps: map and score of the image, and of copies altered along the gradient and by noise.
- weights: the model, whose weights are made random.
- randomised map: the map, and that of the model of random weights, both of the size of its input.
- maps of labels: overlaps of the maps of all images with each other, their labels, patients and
  weights; see :mod:`camlucida.evaluation.maps.consistency`.
- maps: several maps of one image. Not for one map, so ``evaluate`` does not compute it.
"""

INPUTS_OF: dict[Family, Inputs] = {
    "faithfulness": "altered images",
    "localisation": "mask",
    "description": "map",
    "artefact": "region",
    "stability": "noisy maps",
    "sanity": "maps",
    "agreement": "maps",
}
"""What the metrics of a family are given where the registration does not say."""

declare(
    "meta_evaluation",
    {
        "falls": "a better map can score worse",
        "flat": "the score does not improve with the map",
        "blur": "a blurred ground truth scores better than the ground truth",
        "failed": "failed our meta-evaluation: {reasons}",
    },
)

declare("metric_directions", {"higher": "higher", "lower": "lower"})

declare(
    "metric_families",
    {
        "faithfulness": "faithfulness",
        "localisation": "localisation",
        "agreement": "agreement",
        "sanity": "sanity",
        "stability": "stability",
        "description": "description",
        "artefact": "artefact",
    },
)

NO_CHANCE = "none"
COMPUTED = "computed of each image"
"""The chance level in words, where the registration gives the function alone."""


@dataclass(frozen=True)
class Metric:
    """One registered metric.

    Attributes:
        name: what the user types.
        title: the name of it in the literature.
        family: what question it answers.
        run: the function; its docstring gives arguments, formula and errors.
        direction: which end is better; "none" for a description.
        range: smallest and largest possible value, None where unbounded.
        chance: its chance level in words.
        chance_level: its chance level as a function of the arguments of ``run``; None: there is no
            such number, and ``chance`` says why, or with what else to compare.
        ceiling: of the arguments of ``run``, with the best map of the grid in place of the map →
            the highest score that this grid allows; None: a grid sets no bound.
        cost: forward passes an image, label and method, in words.
        source: authors, year, equation.
        description: one sentence.
        inputs: see :data:`Inputs`.
        options: names of the settings that ``run`` takes as keywords, such as "threshold".
        upsampling: how a map on its own grid becomes one in original pixels.
        region: of an artefact metric: grey picture (H, W) → mask.
        plan: of a faithfulness metric: see :func:`camlucida.metrics.faithfulness.plans`. Metrics
            with the same plan share its altered images.
        only_probability: whether it has a meaning for a probability alone, not for a logit.
        failures: why it fails the meta-evaluation of the benchmark, for each model output on which
            it does. Such a metric is no default and enters no rank.
        proportion: whether a score is a yes or no (a fraction where ties are averaged), so that a
            mean of scores is a proportion with Wilson's interval.
        of_mask: of a metric of two masks that is a difference: the score of the map on one mask.
        only_images: whether it is defined on two axes alone, and so not for volumes.
        counts_with: name of the metric that measures nearly the same; the two count as one test
            where p-values are corrected. "" for a metric that counts by itself.
    """

    name: str
    title: str
    family: Family
    run: Callable[..., Any]
    direction: Direction
    range: tuple[float | None, float | None]
    chance: str
    chance_level: Callable[..., float] | None
    ceiling: Callable[..., float] | None
    cost: str
    source: str
    description: str
    inputs: Inputs
    options: tuple[str, ...] = ()
    upsampling: Literal["geometry", "chexlocalize"] = "geometry"
    region: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None
    plan: Callable[[Perturbation, Collection[str]], Plan] | None = None
    only_probability: bool = False
    failures: Failures = field(default_factory=dict)
    proportion: bool = False
    counts_with: str = ""
    of_mask: Callable[..., float] | None = None
    only_images: bool = False

    def failure(self, output: str = "") -> Message | None:
        """Why the metric failed the meta-evaluation on a model output.

        Args:
            output: "logit", "probability", "value"; "" for a metric of the map alone.

        Returns:
            None where it did not fail.

        >>> METRICS["hit"].failure() is None
        True
        """
        reasons = self.failures.get(output, ())
        if not reasons:
            return None
        words = [Message(f"meta_evaluation.{reason}") for reason in reasons]
        return Message("meta_evaluation.failed", {"reasons": chain("words.clause", words)})

    @property
    def range_text(self) -> str:
        """ "0 to 1", "0 or more", "any"."""
        low, high = self.range
        if low is None:
            return "any" if high is None else f"{high:g} or less"
        return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


METRICS: Registry[Metric] = Registry("metric")

F = TypeVar("F", bound=Callable[..., Any])


def metric(
    name: str,
    title: str,
    family: Family,
    *,
    direction: Direction,
    range: tuple[float | None, float | None],
    source: str,
    chance: str | None = None,
    chance_level: Callable[..., float] | None = None,
    ceiling: Callable[..., float] | Literal["own score"] | None = "own score",
    cost: str = "none",
    description: str = "",
    inputs: Inputs | None = None,
    options: tuple[str, ...] = (),
    upsampling: Literal["geometry", "chexlocalize"] = "geometry",
    region: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None,
    plan: Callable[[Perturbation, Collection[str]], Plan] | None = None,
    only_probability: bool = False,
    failures: Failures | None = None,
    proportion: bool = False,
    counts_with: str = "",
    of_mask: Callable[..., float] | None = None,
    only_images: bool = False,
) -> Callable[[F], F]:
    """Register a function as a metric; for what is not listed here see :class:`Metric`.

    Args:
        chance, chance_level: words without a function state that there is no such number. With
            neither, the chance level of a metric of a map and a mask is the mean score of the same
            map with the annotation moved to other places in the image
            (:func:`camlucida.metrics.chance.shifted_chance`), and that of all others is "none".
        ceiling: "own score": for a metric of a map and an annotation, the metric's score of the
            best map of the grid; for all others, none.
        description: the first line of the function's docstring if "".
        inputs: those of the family (:data:`INPUTS_OF`) if None.

    Raises:
        UsageError: the name is taken; a faithfulness metric without a plan, or an artefact metric
            without a region.
        ValueError: the name was registered before by another title or chance level (raised by the
            decorator).

    >>> @metric("peak", "Peak", "description", direction="none", range=(0, None), source="example")
    ... def peak(values):
    ...     "The largest value of the map."
    ...     return float(np.max(values))
    >>> METRICS["peak"].description, METRICS["peak"].chance, METRICS["peak"].inputs
    ('The largest value of the map.', 'none', 'map')
    >>> METRICS.remove("peak")
    """
    given = inputs or INPUTS_OF[family]
    if given == "altered images" and plan is None:
        raise UsageError(f"metric {name!r} has no plan", "give plan=, which makes altered images")

    def register(run: F) -> F:
        words, level = _chance(chance, chance_level, run, given)
        of_annotation = given in ("mask", "boxes")
        bound = (run if of_annotation else None) if ceiling == "own score" else ceiling
        declare("metric_titles", {name: title})
        declare("metric_chance", {name: words})
        METRICS.add(
            name,
            Metric(
                name=name,
                title=title,
                family=family,
                run=run,
                direction=direction,
                range=range,
                chance=words,
                chance_level=level,
                ceiling=bound,
                cost=cost,
                source=source,
                description=description or _first_line(run),
                inputs=given,
                options=options,
                upsampling=upsampling,
                region=region,
                plan=plan,
                only_probability=only_probability,
                failures=failures or {},
                proportion=proportion,
                counts_with=counts_with,
                of_mask=of_mask,
                only_images=only_images,
            ),
        )
        return run

    return register


def _chance(
    words: str | None,
    level: Callable[..., float] | None,
    run: Callable[..., Any],
    inputs: Inputs,
) -> tuple[str, Callable[..., float] | None]:
    """Words and function of the chance level, with the defaults of :func:`metric`."""
    if words is not None or level is not None:
        return words or COMPUTED, level
    if inputs != "mask":
        return NO_CHANCE, None

    def moved(values: Any, truth: Any, **options: Any) -> float:
        return shifted_chance(lambda heat, mask: run(heat, mask, **options), values, truth)

    return MOVED, moved


def _first_line(run: Callable[..., Any]) -> str:
    return (inspect.getdoc(run) or "").partition("\n")[0]
