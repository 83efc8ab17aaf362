"""The sigmoid or softmax at the end of a forward pass, undone to the logits that went into it.

A function mode sees every call of the pass, a module's or a bare function's. It notes what went
into each sigmoid and softmax, and which changes of shape followed; the same changes then lead from
there to logits of the output's shape: exact, and in the model's graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from camlucida.core.tensors import version

_KINDS = {
    "sigmoid": "Sigmoid",
    "sigmoid_": "Sigmoid",
    "special_expit": "Sigmoid",
    "softmax": "Softmax",
    "special_softmax": "Softmax",
    "softmin": "Softmax",
    "log_softmax": "LogSoftmax",
    "special_log_softmax": "LogSoftmax",
    "log_sigmoid": "LogSigmoid",
    "logsigmoid": "LogSigmoid",
}
"""Name of a function → kind of its output."""

_BOUNDED = {
    "tanh": "tanh",
    "tanh_": "tanh",
    "softplus": "softplus",
    "hardsigmoid": "hardsigmoid",
    "erf": "erf",
    "special_erf": "erf",
    "atan": "atan",
    "softsign": "softsign",
    "relu": "relu",
    "relu_": "relu",
    "relu6": "clamp to [0, 6]",
    "elu": "elu",
    "celu": "elu",
    "selu": "elu",
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "hardswish": "hardswish",
}
"""Name of a function whose output is no logit, and is not undone → what it is called."""

_LOGARITHM = {"Sigmoid": "LogSigmoid", "Softmax": "LogSoftmax"}
_EXPONENTIAL = {kind: name for name, kind in _LOGARITHM.items()}

_SHAPES_NAMES = """
view reshape flatten unflatten ravel squeeze unsqueeze permute transpose t T mT movedim moveaxis
swapaxes swapdims contiguous clone detach data to float double half bfloat16 cpu cuda type
type_as expand expand_as view_as reshape_as __getitem__ select narrow index_select split chunk
unbind tensor_split flip roll alias requires_grad_ squeeze_ unsqueeze_
"""
_SHAPES = frozenset(_SHAPES_NAMES.split())
_BOUNDS_NAMES = """
clamp clamp_ clip clip_ clamp_min clamp_max nan_to_num nan_to_num_
"""
_BOUNDS = frozenset(_BOUNDS_NAMES.split())
_JOINS_NAMES = """
cat concat concatenate stack hstack vstack dstack column_stack
"""
_JOINS = frozenset(_JOINS_NAMES.split())

Values = Callable[["_Activation"], Tensor]


@dataclass(frozen=True, eq=False)
class _Activation:
    """One call: what went in, and the axis of a softmax (None of a sigmoid)."""

    logits: Tensor
    version: int
    axis: int | None


@dataclass(frozen=True)
class _Trace:
    """How a tensor comes of activations: the kind, and the changes of shape since.

    Attributes:
        kind: as in :data:`_KINDS`.
        make: rebuilds the tensor from other values in the place of each activation's output.
        version: of the tensor, which an in-place operation raises.
    """

    kind: str
    make: Callable[[Values], Tensor]
    version: int = 0


@dataclass(frozen=True)
class FinalActivation:
    """What was undone.

    Attributes:
        logits: of the output's shape, in the model's graph.
        kind: "Sigmoid", "Softmax", "LogSigmoid" or "LogSoftmax".
    """

    logits: Tensor
    kind: str


class FinalActivations(TorchFunctionMode):
    """Sees a forward pass; :meth:`undo` then gives the logits of an output.

    >>> x = torch.tensor([[0.5, 2.0]])
    >>> with FinalActivations() as seen:
    ...     y = torch.sigmoid(x).squeeze(0)
    >>> seen.undo(y).logits
    tensor([0.5000, 2.0000])
    """

    def __init__(self) -> None:
        super().__init__()
        self._traces = WeakTensorKeyDictionary()
        self._bounded = WeakTensorKeyDictionary()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "__get__":  # an attribute such as .T
            name = getattr(func.__self__, "__name__", "")
        if name in _KINDS:
            return self._activated(name, func, args, kwargs)
        if name in _BOUNDED:
            result = func(*args, **kwargs)
            self._bounded[result] = _BOUNDED[name]
            return result
        bounded = self.bounded(args[0]) if args and name in _SHAPES else ""
        if bounded:
            result = func(*args, **kwargs)
            if isinstance(result, Tensor):
                self._bounded[result] = bounded
            return result
        if len(self._traces) == 0 or not args:
            return func(*args, **kwargs)
        trace = self._derived(name, func, args, kwargs)
        result = func(*args, **kwargs)
        if trace is not None:
            self._keep(result, trace)
        return result

    def _activated(self, name: str, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        logits: Tensor = args[0] if args else kwargs["input"]
        if name.endswith("_"):
            logits = logits.clone()
        if name == "softmin":
            logits = -logits
        result = func(*args, **kwargs)
        axis = None
        if _KINDS[name] in ("Softmax", "LogSoftmax"):
            given = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if given is None:  # PyTorch's implicit axis
                given = 0 if logits.ndim in (0, 1, 3) else 1
            axis = given % max(1, logits.ndim)
        activation = _Activation(logits, version(logits), axis)
        self._keep(result, _Trace(_KINDS[name], lambda values: values(activation)))
        return result

    def _derived(
        self, name: str, func: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> _Trace | None:
        """The trace of the result of one more operation; None where it cannot be undone."""
        first, rest = args[0], args[1:]
        if name in _JOINS:
            return self._joined(func, args, kwargs)
        trace = self.trace(first)
        if trace is None:
            return None
        make = trace.make
        nearest = name == "interpolate" and str(kwargs.get("mode", "nearest")).startswith("nearest")
        if name in _SHAPES or nearest:
            return replace(trace, make=lambda values: func(make(values), *rest, **kwargs))
        if name in _BOUNDS and trace.kind in _LOGARITHM:
            return trace
        kinds = {"log": _LOGARITHM, "exp": _EXPONENTIAL}.get(name, {})
        if trace.kind in kinds:
            return replace(trace, kind=kinds[trace.kind])
        subtracted = name in ("__rsub__", "rsub") and len(rest) == 1 and not kwargs
        return _one_minus(trace, rest[0]) if subtracted else None

    def _joined(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Trace | None:
        if not isinstance(args[0], (list, tuple)):
            return None
        traces = [self.trace(item) for item in args[0]]
        present = [trace for trace in traces if trace is not None]
        if not present or len(present) < len(traces) or len({t.kind for t in present}) > 1:
            return None
        makes, rest = [trace.make for trace in present], args[1:]

        def make(values: Values) -> Tensor:
            return cast(Tensor, func([part(values) for part in makes], *rest, **kwargs))

        return _Trace(present[0].kind, make)

    def _keep(self, result: Any, trace: _Trace) -> None:
        if isinstance(result, Tensor):
            self._traces[result] = replace(trace, version=version(result))
        elif isinstance(result, (list, tuple)):
            for i, item in enumerate(result):
                if isinstance(item, Tensor):
                    part = replace(trace, make=_part(trace.make, i), version=version(item))
                    self._traces[item] = part

    def trace(self, x: Any) -> _Trace | None:
        """Where a tensor comes from; None if from no activation, or if it was changed since."""
        if not isinstance(x, Tensor):
            return None
        trace = self._traces.get(x)
        return trace if trace is not None and trace.version == version(x) else None

    def bounded(self, x: Any) -> str:
        """The bounded activation that a tensor is the output of, reshaped at most; "" for none."""
        found = self._bounded.get(x) if isinstance(x, Tensor) else None
        return found or ""

    def undo(self, output: Tensor) -> FinalActivation | None:
        """The logits of an output that ends in a sigmoid or softmax.

        Args:
            output: (B, C, …), (B,) or, of one image, (C,).

        Returns:
            None where it does not, or where it cannot be undone exactly.
        """
        trace = self.trace(output)
        if trace is None:
            return None
        used: list[_Activation] = []

        def logits_of(activation: _Activation) -> Tensor:
            used.append(activation)
            return activation.logits

        logits = trace.make(logits_of)
        if any(each.version != version(each.logits) for each in used):
            return None  # changed in place after the activation
        if logits.shape != output.shape:
            return None
        if used[0].axis is None:
            return FinalActivation(logits, trace.kind)
        classes = max(each.logits.shape[cast(int, each.axis)] for each in used)
        chosen = _classes(trace.make(_class_numbers))
        if chosen is None:
            return None
        if len(chosen) == classes:
            return FinalActivation(logits, trace.kind)
        # Some classes of a softmax: each has the log-odds against all the others together.
        kind = "LogSigmoid" if trace.kind == "LogSoftmax" else "Sigmoid"
        return FinalActivation(trace.make(_log_odds), kind)


def _part(make: Callable[[Values], Any], index: int) -> Callable[[Values], Tensor]:
    return lambda values: make(values)[index]


def _class_numbers(activation: _Activation) -> Tensor:
    """The number of the class in each cell of a softmax."""
    shape, axis = activation.logits.shape, cast(int, activation.axis)
    numbers = torch.arange(shape[axis], device=activation.logits.device, dtype=torch.float32)
    return numbers.reshape(-1, *(1,) * (len(shape) - axis - 1)).expand(shape)


def _classes(numbers: Tensor) -> list[float] | None:
    """The classes along the label axis; None where classes lie along another axis, or twice."""
    if bool((numbers == numbers.reshape(-1)[0]).all()):
        along = numbers.reshape(1, -1)  # one class: (B,), (B, 1), or dense without an axis of it
    elif numbers.ndim > 1:
        along = numbers.movedim(1, 0).flatten(1)
    else:
        along = numbers[:, None]  # (C,) of one image
    first = along[:, :1]
    if not bool((along == first).all()):
        return None
    chosen: list[float] = first[:, 0].tolist()
    return chosen if len(set(chosen)) == len(chosen) else None


def _log_odds(activation: _Activation) -> Tensor:
    """log p − log(1 − p) of each class of a softmax: z_k − log Σ_{j≠k} exp z_j."""
    z, axis = activation.logits, cast(int, activation.axis)
    odds = []
    for k in range(z.shape[axis]):
        others = torch.cat(
            [z.narrow(axis, 0, k), z.narrow(axis, k + 1, z.shape[axis] - k - 1)], axis
        )
        odds.append(z.select(axis, k) - others.logsumexp(axis))
    return torch.stack(odds, axis)


def _one_minus(trace: _Trace, one: Any) -> _Trace | None:
    """The trace of 1 − sigmoid(z), which is sigmoid(−z); None for any other difference."""
    if trace.kind != "Sigmoid" or isinstance(one, Tensor) or one != 1:
        return None
    return replace(trace, make=lambda values: -trace.make(values))
