"""Networks with the same keys and shapes: which of them a checkpoint is of.

What the file states decides. Else the networks are run with the weights of the file: those that
compute the same are one. Where they differ (in padding, pooling, activation), a network of
torchvision, or the one that the others are variants of by their names, is taken and the others are
named; where there is no such network, none is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from camlucida.core.errors import CamlucidaError, ModelError
from camlucida.core.messages import Message, declare
from camlucida.models.stated import Fact, Stated

declare(
    "alternatives",
    {
        "differ": (
            "taken for {network}; the same keys and shapes, but another output, would have "
            "{others:,}: name it with --model if it was one of these"
        ),
    },
)

_TOLERANCE, _ROUNDING = 1e-3, 1e-6
"""Differences that an epsilon of a norm may make, as a share of the difference between two images;
and those of rounding, as a share of the largest output."""

Build = Callable[[str], nn.Module]


@dataclass(frozen=True)
class Choice:
    """A network that was taken, and why.

    Attributes:
        name: of the network.
        notes: what states it, or which others are possible.
    """

    name: str
    notes: tuple[Message, ...] = ()


def choose(
    names: Sequence[str],
    build: Build,
    state: Mapping[str, Tensor],
    sizes: Sequence[int],
    stated: Stated,
) -> Choice:
    """The network that a state dict is of.

    Args:
        names: that have the keys and shapes of the state dict.
        build: name → module.
        state: weights, with the module's keys.
        sizes: of an input: channels, height, width.
        stated: what the file and its neighbours state.

    Raises:
        ModelError: the networks compute different outputs, and none of them is the usual one.
    """
    if len(names) == 1:
        return Choice(names[0])
    for kind in ("architecture", "encoder"):
        named = _named(names, stated.facts.get(kind))
        if named is not None:
            return Choice(named, tuple(stated.notes([kind])))
    groups = _same_outputs(names, build, state, sizes)
    if len(groups) == 1:
        return Choice(names[0])
    usual = _usual(groups)
    others = [bare(group[0]) for group in groups if group is not usual]
    if usual is None:
        raise ModelError(
            f"its keys and shapes are those of {', '.join(others[:8])}, which compute different "
            "outputs",
            f"say which: --model {groups[0][0]}, for instance",
        )
    note = Message("alternatives.differ", {"network": bare(usual[0]), "others": others[:6]})
    return Choice(usual[0], (note,))


def bare(name: str) -> str:
    """A network's name without the package.

    Args:
        name: a factory, or a name by itself.

    >>> bare("timm:resnet18"), bare("resnet34")
    ('resnet18', 'resnet34')
    """
    return name.rpartition(":")[2]


def _named(names: Sequence[str], fact: Fact | None) -> str | None:
    """The network that a file names."""
    if fact is None:
        return None
    words = str(fact.value).casefold().replace("-", "_").rpartition(":")[2].partition(".")[0]
    # "timm/resnet50" and "torchvision.models.resnet50" are written as well.
    word = re.split(r"[/ ]", words)[-1]
    for name in names:
        if bare(name).casefold().replace("-", "_") == word:
            return name
    return None


def _same_outputs(
    names: Sequence[str], build: Build, state: Mapping[str, Tensor], sizes: Sequence[int]
) -> list[list[str]]:
    """Groups of networks that compute the same with these weights."""
    numbers = torch.Generator().manual_seed(0)
    fine = torch.rand((1, *sizes), generator=numbers)
    coarse = 3 * torch.rand((1, sizes[0], 8, 8), generator=numbers)
    images = torch.cat([fine, nn.functional.interpolate(coarse, tuple(sizes[1:]))])
    groups: list[tuple[Tensor | None, list[str]]] = []
    for name in names:
        output = _output(build, name, state, images)
        for other, members in groups:
            if _agree(output, other):
                members.append(name)
                break
        else:
            groups.append((output, [name]))
    return [members for _, members in groups]


def _output(build: Build, name: str, state: Mapping[str, Tensor], images: Tensor) -> Tensor | None:
    try:
        module = build(name).eval()
        module.load_state_dict(state, strict=False)
        with torch.inference_mode():
            output = module(images)
    except (CamlucidaError, RuntimeError, ValueError, TypeError, AssertionError):
        return None
    if isinstance(output, (tuple, list)):
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _agree(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None or first.shape != second.shape:
        return False
    # An output may be nearly constant: what counts is how it follows the image.
    follows = float((first[0] - first[1]).abs().max())
    largest = float(first.abs().max())
    allowed = max(_TOLERANCE * follows, _ROUNDING * largest)
    return bool((first - second).abs().max() <= allowed)


def _usual(groups: Sequence[list[str]]) -> list[str] | None:
    """The group of torchvision's network, or of the one whose name the others extend."""
    for group in groups:
        if any(name.startswith("torchvision:") for name in group):
            return group
    for group in groups:
        others = list(chain.from_iterable(other for other in groups if other is not group))
        if any(_is_plainest(name, others) for name in group):
            return group
    return None


def _is_plainest(name: str, others: Sequence[str]) -> bool:
    return all(_extends(other, name) for other in others)


def _extends(name: str, plain: str) -> bool:
    """Whether a name has all words of a plainer one, and more.

    ``tf_efficientnet_b0`` is such a name for ``efficientnet_b0``.
    """
    return _words(name) > _words(plain)


def _words(name: str) -> set[str]:
    return set(re.split(r"[_-]", bare(name)))
