"""The method contract: five plain function shapes in one registry.

No base class, no hooks, no device code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, TypeVar

from torch import Tensor

from camlucida.attribution.targets import Target
from camlucida.core.messages import Message, declare
from camlucida.core.registry import Registry

Kind = Literal["gradient", "activation", "probe", "input", "attention"]
Unit = Literal["score", "activation", "none"]

Caution = Callable[..., Sequence[Message | None]]

Contrast = Callable[[Target, Tensor], Target]
"""A target and an image's logits (C, …) → the target that is differentiated in its place."""


@dataclass(frozen=True)
class Method:
    """One registered method.

    Attributes:
        name: what the user types.
        title: the method's own name.
        run: ``kind="gradient"`` or ``"activation"``: ``f(activations, gradients) → (B, *grid)`` (an
            activation method ignores gradients, and none are computed for it); ``kind="probe"``:
            ``f(probe) → (T, *grid)``, one map a target; ``kind="input"``: the same of the image's
            pixels, without a layer; ``kind="attention"``: ``f(attention) → (B, *grid)``, of a
            transformer's attention in all of its layers.
        relu: the paper ends with a ReLU; it is applied by ``Explanation.map()``, never to the raw
            map.
        class_specific: False when the map is the same for every target.
        unit: of the map: "score" (the explained score's own), "activation" (the layer's), or "none"
            (a baseline's).
        cost: of one image, for people: forward passes and replays of the tail, which serve all
            labels, and backward passes, which are of each label.
        paper: authors, year, venue, equation.
        description: how the map is made, as a clause of a report; may cite, as ``[@key]``. Declared
            as ``methods.NAME`` (:mod:`camlucida.core.messages`).
        caution: what is to be said of maps where the method is not defined as in its paper:
            ``f(maps, activations, gradients) →`` a message an image, None for a map without fault;
            ``maps`` is what ``run`` returned for the same activations and gradients.
        slow: of so many forwards that only who names the method gets it.
        extra: of this package, that the method needs.
        formula: of the map, in a cell of the table of methods.
        use: what the method is good for, there.
        avoid: what it is not for, there.
        sanity: what the literature found of it when weights or labels are randomised, there.
        samples: over which runs of the model maps are gathered, a key of
            :data:`~camlucida.attribution.samples.SAMPLES`; "" for the image as it is.
        spread: of maps that are gathered: their standard deviation, not their mean.
        contrast: of a gradient method: what is differentiated; None: the target itself.
        second_order: of a gradient method: from its gradients, half the Hessian of the score times
            the activations is subtracted.
    """

    name: str
    title: str
    run: Callable[..., Any]
    kind: Kind
    relu: bool
    class_specific: bool
    unit: Unit
    cost: str
    paper: str
    description: str = ""
    caution: Caution | None = None
    slow: bool = False
    extra: str = ""
    formula: str = ""
    use: str = ""
    avoid: str = ""
    sanity: str = ""
    samples: str = ""
    spread: bool = False
    contrast: Contrast | None = None
    second_order: bool = False

    @property
    def by_name(self) -> bool:
        """Whether it runs only where it is named, not with all others."""
        return self.slow or bool(self.extra)

    @property
    def at_layer(self) -> bool:
        """Whether it makes a map at each requested layer, not one whatever the layers."""
        return self.kind not in ("input", "attention")

    @property
    def summary(self) -> str:
        """First line of the function's docstring.

        >>> def mean_activation(activations, gradients=None):
        ...     "The mean of the activations over channels."
        >>> Method("m", "M", mean_activation, "activation", False, False, "none", "", "").summary
        'The mean of the activations over channels.'
        """
        return (self.run.__doc__ or "").strip().splitlines()[0]

    @property
    def described(self) -> Message:
        """How the map is made, as a clause; of a variant, with what it adds."""
        base, _, variant = self.name.rpartition(":")
        if not base:
            return Message(f"methods.{self.name}")
        of_base = replace(self, name=base).described
        return Message(f"variants.{variant}", {"description": of_base})


def at_layers(methods: Sequence[str], layers: Sequence[str]) -> list[tuple[str, str]]:
    """Each method with each layer; one that works at none once, with the first layer.

    Args:
        methods: registry names.
        layers: as requested.
    """
    pairs = product(methods, layers)
    return [(m, layer) for m, layer in pairs if METHODS[m].at_layer or layer == layers[0]]


Variant = Callable[[Method], Method]
"""A method → the same, smoothed or gathered over runs. UsageError where it has no such variant."""

VARIANTS: Registry[Variant] = Registry("variant of a method")


class _Methods(Registry[Method]):
    """Methods, and by ``METHOD:VARIANT`` their variants."""

    def _split(self, name: object) -> tuple[str, str]:
        """A method and its variant; ("", "") of a name without one, as of a user's function."""
        if not isinstance(name, str) or super().__contains__(name):
            return "", ""
        base, _, variant = name.rpartition(":")
        return base, variant

    def canonical(self, name: str) -> str:
        base, variant = self._split(name)
        if not base:
            return super().canonical(name)
        return f"{self.canonical(base)}:{VARIANTS.canonical(variant)}"

    def __getitem__(self, name: str) -> Method:
        base, variant = self._split(self.canonical(name))
        return VARIANTS[variant](self[base]) if base else super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        base, variant = self._split(name)
        return base in self and variant in VARIANTS if base else super().__contains__(name)


METHODS: Registry[Method] = _Methods("method", spellings=True)

EVERY = "all"
"""Requests every method but the baselines and those that are slow or need an extra."""


def method_names(requested: Sequence[str]) -> list[str]:
    """The registered names of requested methods, each once.

    Args:
        requested: names in any spelling, variants, or :data:`EVERY`; several with commas between.

    Raises:
        UsageError: there is no such method; the message has near matches.
    """
    names: list[str] = []
    for name in _one_by_one(requested):
        if name == EVERY:
            names += [other for other, method in METHODS.items() if _is_common(method)]
        else:
            names.append(METHODS[name].name)
    return list(dict.fromkeys(names))


def _one_by_one(requested: Sequence[str]) -> list[str]:
    """The words of a request, as of a list in the shell.

    >>> _one_by_one(["gradcam, layercam", "cam"])
    ['gradcam', 'layercam', 'cam']
    """
    words: list[str] = []
    for item in requested:
        words += [word.strip() for word in item.split(",")] if isinstance(item, str) else [item]
    return words


def _is_common(method: Method) -> bool:
    return not method.by_name and not method.paper.startswith("baseline")


F = TypeVar("F", bound=Callable[..., Any])


def method(
    name: str,
    title: str,
    paper: str,
    *,
    kind: Kind = "gradient",
    relu: bool = False,
    class_specific: bool = True,
    unit: Unit = "score",
    cost: str = "",
    description: str = "",
    caution: Caution | None = None,
    slow: bool = False,
    extra: str = "",
    formula: str = "",
    use: str = "",
    avoid: str = "",
    sanity: str = "",
    contrast: Contrast | None = None,
    second_order: bool = False,
) -> Callable[[F], F]:
    """Register a function as a method: a decorator.

    Args:
        name: what the user types; no two methods share it.
        title: the name in its paper, for people.
        paper: authors, year, venue, equation.
        kind: what the function is called with: ``"gradient"``: (activations, gradients), both
            (B, K, *grid), returning (B, *grid); ``"activation"``: the same, no gradients are
            computed; ``"probe"``: a :class:`~camlucida.attribution.probe.Probe` of one image and T
            targets, returning (T, *grid); ``"input"``: an
            :class:`~camlucida.attribution.input_probe.InputProbe`, which has no layer, returning
            (T, *cells) over the whole image; ``"attention"``: a
            :class:`~camlucida.attribution.token_attention.TokenAttention` of a batch, returning
            (B, *grid of the tokens).
        relu: the paper ends with a ReLU. The function must leave it out: ``Explanation.map()``
            applies it, and ``raw`` keeps its sign.
        class_specific: False when the map is the same for every target.
        unit: of the map: ``"score"``, ``"activation"`` or ``"none"``.
        cost: as in :class:`Method`; "" of a method that needs the forward pass alone, and of one of
            gradients a backward pass.
        description: how the map is made, as a clause of a report; "" takes the first line of the
            function's docstring.
        caution: as in :class:`Method`; of gradient and activation methods.
        slow, extra: as in :class:`Method`.
        formula, use, avoid, sanity: of the table in the documentation, as in :class:`Method`.
        contrast, second_order: as in :class:`Method`; of gradient methods.

    Returns:
        The decorator, which returns the function unchanged.

    Raises:
        ValueError: the name is taken, or described by another text (raised by the decorator).

    >>> @method("mean_activation", "Mean activation", "none", kind="activation", unit="activation")
    ... def mean_activation(activations, gradients=None):
    ...     "The mean of the activations over channels."
    ...     return activations.mean(1)
    >>> METHODS["mean_activation"].summary
    'The mean of the activations over channels.'
    >>> METHODS.remove("mean_activation")
    """

    def register(run: F) -> F:
        usual = "1 forward + 1 backward pass" if kind == "gradient" else "1 forward"
        traits = (kind, relu, class_specific, unit, cost or usual, paper)
        guide = (formula, use, avoid, sanity)
        about = Method(name, title, run, *traits, description, caution, slow, extra, *guide)
        evidence = replace(about, contrast=contrast, second_order=second_order)
        registered = METHODS.add(name, evidence)
        declare("methods", {name: description or registered.summary.rstrip(".")})
        return run

    return register
