"""Batch normalisation folded into the convolutions before it: the same numbers in less time.

In evaluation ``γ (conv(x) − μ) / √(σ² + ε) + β`` is a convolution itself, with other weights.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from camlucida.models.state import instance_forward, set_forward
from camlucida.models.walk import named_modules

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


@dataclass(frozen=True)
class Fold:
    """A convolution that gives what the normalisation behind it gives.

    Attributes:
        convolution: of the model.
        norm: behind it; it has nothing left to do.
        weight, bias: the convolution's meanwhile.
    """

    convolution: nn.Module
    norm: nn.Module
    weight: Tensor
    bias: Tensor


def fold(convolution: nn.Module, norm: nn.Module) -> Fold:
    """Fold a normalisation in evaluation mode into the convolution before it.

    Args:
        convolution: (out, in, *kernel) weights, not transposed.
        norm: with running statistics.

    >>> convolution, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0).eval()
    >>> _ = nn.init.ones_(convolution.weight), nn.init.zeros_(convolution.bias)
    >>> _ = norm.running_mean.fill_(3), norm.running_var.fill_(4)
    >>> folded = fold(convolution, norm)  # (x − 3) / 2
    >>> folded.weight.item(), folded.bias.item()
    (0.5, -1.5)
    """
    old: dict[str, Any] = {"bias": None} | dict(convolution._parameters)
    about: dict[str, Any] = {**norm._parameters, **norm._buffers}
    mean, variance = about["running_mean"].double(), about["running_var"].double()
    scale = (variance + norm.eps).rsqrt()
    if about["weight"] is not None:
        scale = scale * about["weight"].detach().double()
    weight = old["weight"].detach()
    bias = -mean if old["bias"] is None else old["bias"].detach().double() - mean
    bias = bias * scale
    if about["bias"] is not None:
        bias = bias + about["bias"].detach().double()
    scaled = weight.double() * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return Fold(convolution, norm, scaled.to(weight), bias.to(weight))


@contextmanager
def folded(folds: Sequence[Fold]) -> Iterator[None]:
    """Convolutions normalise inside, and everything is restored afterwards.

    Args:
        folds: of one model, which is frozen.
    """
    old = [dict(each.convolution._parameters) for each in folds]
    try:
        for each in folds:
            for name, value in (("weight", each.weight), ("bias", each.bias)):
                each.convolution._parameters[name] = nn.Parameter(value, requires_grad=False)
            set_forward(each.norm, _unchanged)
        yield
    finally:
        for each, parameters in zip(folds, old):
            each.convolution._parameters.update(parameters)
            set_forward(each.norm, None)


def _unchanged(x: Tensor) -> Tensor:
    return x


class Foldable(TorchFunctionMode):
    """Finds, while a model runs, normalisations of the output of one convolution alone.

    Each of the two has to run once, and nothing else may take the convolution's output.

    Args:
        model: a plain module, in evaluation mode.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model
        self._forget()

    def _forget(self) -> None:
        self._made: dict[int, tuple[weakref.ref[Tensor], nn.Module]] = {}
        self._uses: Counter[nn.Module] = Counter()
        self._calls: Counter[nn.Module] = Counter()
        self._pairs: list[tuple[nn.Module, nn.Module]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Forward passes run inside; the last counts."""
        handles = [self._model.register_forward_pre_hook(lambda module, args: self._forget())]
        for _, module in named_modules(self._model):
            if _is_convolution(module):
                handles.append(module.register_forward_hook(self._after_convolution))
            elif _is_norm(module):
                handles.append(module.register_forward_hook(self._after_norm))
        try:
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def folds(self) -> list[Fold]:
        """What can be folded, as far as the last pass shows."""
        once = (
            pair
            for pair in self._pairs
            if self._uses[pair[0]] == self._calls[pair[0]] == self._calls[pair[1]] == 1
        )
        return [fold(*pair) for pair in once]

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function, and count it as a use of each convolution whose output it takes."""
        result = func(*args, **(kwargs or {}))
        makes_tensors = isinstance(result, (Tensor, tuple, list))
        if makes_tensors and not isinstance(result, torch.Size):
            for tensor in _tensors((args, tuple((kwargs or {}).values()))):
                convolution = self._maker(tensor)
                if convolution is not None:
                    self._uses[convolution] += 1
        return result

    def _after_convolution(self, module: nn.Module, args: Any, output: Any) -> None:
        self._calls[module] += 1
        same_type = isinstance(output, Tensor) and output.dtype == module.weight.dtype
        if same_type:  # autocast rounds weights otherwise
            self._made[id(output)] = weakref.ref(output), module

    def _after_norm(self, module: nn.Module, args: Any, output: Any) -> None:
        self._calls[module] += 1
        convolution = self._maker(args[0]) if args else None
        if convolution is not None:
            self._pairs.append((convolution, module))

    def _maker(self, tensor: Any) -> nn.Module | None:
        """The convolution that put out a tensor."""
        reference, module = self._made.get(id(tensor), (None, None))
        return module if reference is not None and reference() is tensor else None


def _tensors(items: Any) -> Iterator[Tensor]:
    for item in items:
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, (list, tuple)):
            yield from _tensors(item)


def _is_plain(module: nn.Module) -> bool:
    """Whether nothing of the user's runs with a module."""
    hooked = any(getattr(module, name, None) for name in _HOOKS)
    return instance_forward(module) is None and not hooked


def _is_convolution(module: nn.Module) -> bool:
    if not isinstance(module, _ConvNd) or module.transposed or not _is_plain(module):
        return False
    weight = module._parameters.get("weight")  # not one that is computed anew in each pass
    return weight is not None and weight.dtype in (torch.float32, torch.float64)


def _is_norm(module: nn.Module) -> bool:
    if type(module) not in _NORMS or not isinstance(module, _BatchNorm):
        return False
    return _is_plain(module) and not module.training and module.running_mean is not None
