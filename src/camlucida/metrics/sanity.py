"""Does the map depend on what the model learnt? Weights are made random, block by block, and the
maps compared.

The test is :func:`camlucida.metrics.sanity_gate.randomisation_gate`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from camlucida.core.errors import ModelError, UsageError
from camlucida.metrics.base import metric
from camlucida.metrics.correlation import pearson
from camlucida.models.state import frozen, unwrap

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Explain = Callable[[nn.Module], Sequence[Tensor]]
"""The model as it is now → one map (*grid) an image, on the layer's own grid."""

Similarity = Callable[[ArrayLike, ArrayLike], float]
RunningStatistics = Literal["reset", "keep"]

BLOCKS = 6
EMBEDDING_STD = 0.02
"""Of parameters that are no weight, bias or scale: class tokens, positions, layer scales."""


@dataclass(frozen=True)
class Block:
    """Modules that are randomised together, by dotted path ("" the model itself), the one nearest
    the logits first.
    """

    name: str
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Randomised:
    """What the maps look like once a block (cascading: and all before it) is random.

    Attributes:
        block: the block.
        similarity: (images,) with the trained model's maps; NaN where a map is constant.
        dead: (images,) True where the randomised model's map is constant: counted apart, not a
            similarity of 0.
        maps: of the randomised model.
    """

    block: Block
    similarity: Floats
    dead: Bools
    maps: tuple[Tensor, ...]


def blocks(
    model: nn.Module, inputs: Tensor | tuple[Tensor, ...], count: int = BLOCKS
) -> list[Block]:
    """Modules with parameters of their own, from the logits down, in about ``count`` blocks.

    The order is that of the forward pass (a module called twice counts at its last call; one that
    never runs, such as the projection inside an attention, goes with its parent). The first block
    is the last module alone, usually the classifier; the others hold about equally many modules.
    """
    if count < 2:
        raise UsageError(f"{count} blocks", "give 2 or more")
    model = unwrap(model)
    fired: dict[str, int] = {}
    calls = itertools.count()
    handles = []

    def watch(name: str) -> Callable[..., None]:
        def note(*_: object) -> None:
            fired[name] = next(calls)

        return note

    with frozen(model), torch.no_grad():
        try:
            for name, module in model.named_modules():
                handles.append(module.register_forward_pre_hook(watch(name)))
            model(*(inputs if isinstance(inputs, tuple) else (inputs,)))
        finally:
            for handle in handles:
                handle.remove()
    names = [name for name, module in model.named_modules() if _has_parameters(module)]
    if not names:
        raise ModelError("the model has no parameters to randomise")
    top_down = sorted(names, key=lambda name: _call(name, fired), reverse=True)
    parts = min(count - 1, max(1, len(top_down) - 1))
    rest = np.array_split(np.array(top_down[1:], object), parts)
    groups = [tuple(top_down[:1]), *(tuple(map(str, part)) for part in rest if len(part))]
    return [Block(_title(group), group) for group in groups]


def _has_parameters(module: nn.Module) -> bool:
    """Whether the module itself has parameters, not only its children."""
    return next(module.parameters(recurse=False), None) is not None


@metric(
    "cascading_randomisation",
    "Cascading parameter randomisation",
    "sanity",
    direction="lower",
    range=(-1, 1),
    chance="similarity of maps of different images (not 0)",
    cost=f"{BLOCKS} maps",
    inputs="weights",
    source="Adebayo 2018, section 4.1",
)
def cascading_randomisation(
    model: nn.Module,
    inputs: Tensor | tuple[Tensor, ...],
    explain: Explain,
    *,
    count: int = BLOCKS,
    seed: int = 0,
    statistics: RunningStatistics = "reset",
    similarity: Similarity = pearson,
) -> list[Randomised]:
    """Similarity of the maps as more and more blocks, from the logits down, are made random.

    Args:
        model: restored exactly, bit by bit, afterwards and after an exception.
        inputs: one batch, to find the order of the modules.
        explain: called with the trained model once, then after each block.
        count: of blocks.
        seed: of the new weights; a module gets the same ones in every mode.
        statistics: running statistics of normalisation layers in a block: "reset" to mean 0 and
            variance 1, as ``reset_parameters`` does, or "keep" the trained ones.
        similarity: of two maps on one grid; Pearson on the native grid if not given.

    Returns:
        One entry a block, the one nearest the logits first; similarities in [−1, 1].

    Raises:
        ModelError: the model has no parameters, or was built under ``torch.inference_mode()``.
        UsageError: ``explain`` gives another number of maps than before.

    >>> layer = nn.Linear(2, 3)
    >>> explain = lambda model: [model.weight.detach().clone()]
    >>> (block,) = cascading_randomisation(layer, torch.ones(1, 2), explain)
    >>> block.block.name, bool(block.similarity[0] < 1)
    ('(the model itself)', True)
    """
    return _randomised(model, inputs, explain, "cascading", count, seed, statistics, similarity)


@metric(
    "independent_randomisation",
    "Independent parameter randomisation",
    "sanity",
    direction="lower",
    range=(-1, 1),
    chance="similarity of maps of different images (not 0)",
    cost=f"{BLOCKS} maps",
    inputs="weights",
    source="Adebayo 2018, section 4.2",
)
def independent_randomisation(
    model: nn.Module,
    inputs: Tensor | tuple[Tensor, ...],
    explain: Explain,
    *,
    count: int = BLOCKS,
    seed: int = 0,
    statistics: RunningStatistics = "reset",
    similarity: Similarity = pearson,
) -> list[Randomised]:
    """As cascading randomisation, one block at a time, the others as trained.

    Args:
        model, inputs, explain, count, seed, statistics, similarity: as for
            :func:`cascading_randomisation`.

    Returns:
        One entry a block, the one nearest the logits first; similarities in [−1, 1].

    Raises:
        ModelError: the model has no parameters, or was built under ``torch.inference_mode()``.
        UsageError: ``explain`` gives another number of maps than before.

    >>> layer = nn.Linear(2, 3)
    >>> before = layer.weight.detach().clone()
    >>> explain = lambda model: [model.weight.detach().clone()]
    >>> len(independent_randomisation(layer, torch.ones(1, 2), explain))
    1
    >>> torch.equal(layer.weight, before)
    True
    """
    return _randomised(model, inputs, explain, "independent", count, seed, statistics, similarity)


def _randomised(
    model: nn.Module,
    inputs: Tensor | tuple[Tensor, ...],
    explain: Explain,
    mode: Literal["cascading", "independent"],
    count: int,
    seed: int,
    statistics: RunningStatistics,
    similarity: Similarity,
) -> list[Randomised]:
    model = unwrap(model)
    parts = blocks(model, inputs, count)
    trained = [_array(heat) for heat in explain(model)]
    results = []
    with restored(model) as restore:
        for part in parts:
            if mode == "independent":
                restore()
            for name in part.modules:
                redraw(model.get_submodule(name), f"{seed}:{name}", statistics)
            maps = tuple(explain(model))
            if len(maps) != len(trained):
                raise UsageError(
                    f"explain gave {len(trained)} maps, then {len(maps)}",
                    "it must explain the same images",
                )
            alike = np.array([similarity(a, _array(b)) for a, b in zip(trained, maps)])
            results.append(
                Randomised(
                    part, alike, np.array([np.ptp(_array(heat)) == 0 for heat in maps]), maps
                )
            )
    return results


@contextmanager
def restored(model: nn.Module) -> Iterator[Callable[[], None]]:
    """Parameters and buffers are as before afterwards, bit by bit, also after an exception.

    The value restores them at once.
    """
    tensors = [*model.parameters(), *model.buffers()]
    if any(tensor.is_inference() for tensor in tensors):
        raise ModelError(
            "the model was built under torch.inference_mode()",
            "build or load it outside that block",
        )
    saved = [tensor.detach().clone() for tensor in tensors]

    def restore() -> None:
        with torch.inference_mode(False), torch.no_grad():
            for tensor, before in zip(tensors, saved):
                tensor.copy_(before)

    try:
        yield restore
    finally:
        restore()


def redraw(module: nn.Module, seed: str, statistics: RunningStatistics = "reset") -> None:
    """New random values, in place, for the parameters that ``module`` itself owns.

    Weights of two or more axes: N(0, 2 / fan-in) (He 2015), which keeps the scale of activations
    through ReLU layers, so that maps do not die; biases 0; scales of normalisation layers 1;
    anything else N(0, 0.02²). The global generator is not used.
    """
    generator = torch.Generator().manual_seed(
        int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=7).digest())
    )
    with torch.inference_mode(False), torch.no_grad():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim < 2 and "bias" in name:
                parameter.zero_()
            elif parameter.ndim < 2 and "weight" in name:
                parameter.fill_(1)
            else:
                std = (2 / _fan_in(module, parameter)) ** 0.5 if "weight" in name else EMBEDDING_STD
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
        if isinstance(module, _NormBase) and statistics == "reset":
            module.reset_running_stats()


def randomise(model: nn.Module, seed: int = 0) -> None:
    """New random weights for the whole model, in place: those after the last cascading block.

    Args:
        model: call it inside :func:`restored`, which puts the weights back.
        seed: of the weights.

    >>> layer = nn.Linear(2, 2)
    >>> trained = layer.weight.detach().clone()
    >>> with restored(layer):
    ...     randomise(layer)
    ...     bool((layer.weight == trained).any())
    False
    >>> torch.equal(layer.weight, trained)
    True
    """
    for name, module in model.named_modules():
        if _has_parameters(module):
            redraw(module, f"{seed}:{name}", "reset")


def _fan_in(module: nn.Module, weight: Tensor) -> int:
    transposed = isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    return max(1, weight.numel() // weight.shape[1 if transposed else 0])


def _call(name: str, fired: dict[str, int]) -> float:
    """When a module ran; one that did not, just after its nearest ancestor that did."""
    if name in fired:
        return fired[name]
    while name and name not in fired:
        name = name.rpartition(".")[0]
    return fired.get(name, -1) + 0.5


def _title(modules: tuple[str, ...]) -> str:
    names = [name or "(the model itself)" for name in modules]
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _array(heat: Tensor) -> Floats:
    return np.asarray(heat.detach().cpu().double().numpy())
