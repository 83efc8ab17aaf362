"""The model's state while it is explained.

Evaluated, frozen, and put back exactly as it was found.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import fields, is_dataclass
from itertools import chain, product
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError, ModelMismatchError
from camlucida.models.buffers import buffers_kept
from camlucida.models.image_axes import axes_fix
from camlucida.models.kept_outputs import kept_off_graph
from camlucida.models.recomputation import plain_checkpoints
from camlucida.models.unexplainable import check_explainable
from camlucida.models.walk import walked

_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()

_BACKWARD_HOOKS = ("_backward_hooks", "_backward_pre_hooks")
"""The tables of a module's backward hooks."""


def unwrap(model: nn.Module) -> nn.Module:
    """The plain module behind DataParallel, DistributedDataParallel and ``torch.compile``.

    Raises:
        ModelError: as of :func:`~camlucida.models.unexplainable.check_explainable`.
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(
            model, (nn.DataParallel, nn.parallel.DistributedDataParallel)
        ):
            inner = model.module
        if not isinstance(inner, nn.Module):
            check_explainable(model)
            return model
        model = inner


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, parameters without gradients, one thread at a time.

    Everything is restored afterwards, also after an exception. Works under ``no_grad`` and
    ``inference_mode``, which it lifts for its body. Gradient checkpointing becomes a plain call,
    and backward hooks of modules, which are for training and may change gradients, do not run.
    What the model keeps of a pass in its attributes is off the graph afterwards.

    Args:
        model: a plain module (see :func:`unwrap`).

    Raises:
        ModelError: the model was built under ``inference_mode``.

    >>> net = nn.Dropout()
    >>> with frozen(net):
    ...     net.training
    False
    >>> net.training
    True
    """
    with _LOCKS_GUARD:
        lock = _LOCKS.setdefault(model, threading.RLock())
    with (
        lock,
        torch.inference_mode(False),
        torch.enable_grad(),
        plain_checkpoints(),
        walked(model) as named,
    ):
        modules = [module for _, module in named]
        parameters = _tensors([m._parameters for m in modules if m._parameters])
        buffers = _tensors([m._buffers for m in modules if m._buffers])
        if any(tensor.is_inference() for tensor in chain(parameters, buffers)):
            raise ModelError(
                "the model was built under torch.inference_mode()",
                "build or load it outside that block",
            )
        training = [module for module in modules if module.training]
        learning = [parameter for parameter in parameters if parameter.requires_grad]
        with (
            kept_off_graph(modules),
            _uncompiled(modules),
            _without_backward_hooks(modules),
            buffers_kept(model, modules),
        ):
            try:
                for module in training:
                    module.training = False
                for parameter in learning:
                    parameter.requires_grad_(False)
                yield
            finally:
                for module in training:
                    module.training = True
                for parameter in learning:
                    parameter.requires_grad_(True)


def _tensors(tables: Sequence[Mapping[str, Tensor | None]]) -> list[Tensor]:
    values = chain.from_iterable(table.values() for table in tables)
    return [tensor for tensor in values if tensor is not None]


@contextmanager
def _uncompiled(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Modules run as they were before compilation.

    Compiled code does not notice hooks and replaced forwards.
    """
    compiled = [(m, m._compiled_call_impl) for m in modules if m._compiled_call_impl is not None]
    # Not by getattr, which takes a module that has no such attribute a microsecond.
    wrapped = [m for m in modules if "_orig_mod" in m._modules]
    forwards = [instance_forward(module) for module in wrapped]
    try:
        for module, _ in compiled:
            module._compiled_call_impl = None
        for module in wrapped:
            set_forward(module, module._orig_mod)
        yield
    finally:
        for module, call in compiled:
            module._compiled_call_impl = call
        for module, forward in zip(wrapped, forwards):
            set_forward(module, forward)


@contextmanager
def _without_backward_hooks(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Modules have no backward hooks; their tables of hooks are put aside, not changed."""
    tables = product(map(vars, modules), _BACKWARD_HOOKS)
    aside = [(own, table, own[table]) for own, table in tables if own.get(table)]
    try:
        for own, table, _ in aside:
            own[table] = OrderedDict()
        yield
    finally:
        for own, table, hooks in aside:
            own[table] = hooks


@contextmanager
def forwarding(inputs: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """What a model raises in its forward becomes one line.

    Args:
        inputs: of the forward, the images first: (B, C, *spatial).

    Yields:
        Copies to call the model with, for it may change its inputs in place.

    Raises:
        ModelError: the model does not run on these inputs.
        ModelMismatchError: the same for a single image: the next would fare no better.
    """
    try:
        yield tuple(x.clone() for x in inputs)
    except (
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
    ) as error:
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        what = f"the model cannot run on inputs of shape {shapes}: {error}"
        if "requires grad" in str(error):
            raise ModelError(
                f"forward leaves the graph behind the layer, so no gradient reaches it: {error}",
                "use torch operations in forward, or explain a layer behind that operation",
            ) from error
        if isinstance(error, torch.OutOfMemoryError):
            raise ModelError(what, "use a smaller --batch-size") from error
        kind = ModelMismatchError if len(inputs[0]) == 1 else ModelError
        raise kind(what, axes_fix(inputs[0].shape, str(error))) from error


def instance_forward(module: nn.Module) -> Any:
    """The ``forward`` that was put on this one instance; None where it is its class's.

    Args:
        module: any.

    >>> instance_forward(nn.ReLU()) is None
    True
    """
    return module.__dict__.get("forward")


def set_forward(module: nn.Module, forward: Any) -> None:
    """Put a ``forward`` on one instance; None gives it back its class's.

    Args:
        module: changed in place.
        forward: callable, or None.

    >>> relu = nn.ReLU()
    >>> set_forward(relu, lambda x: -x)
    >>> relu(torch.ones(1))
    tensor([-1.])
    """
    if forward is None:
        module.__dict__.pop("forward", None)
    else:
        module.__dict__["forward"] = forward


def main_tensor(output: Any) -> Tensor | None:
    """The tensor that a model or module returns, or the main one of several.

    Args:
        output: a tensor; a mapping, of which ``logits``, ``out`` or ``output`` is taken before the
            first tensor; or a sequence or dataclass, of which the first tensor is taken.

    Returns:
        None where there is no tensor.

    >>> main_tensor({"aux": torch.zeros(1), "out": torch.ones(1)})
    tensor([1.])
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        named = [output[key] for key in ("logits", "out", "output") if key in output]
        return next((item for item in (*named, *output.values()) if isinstance(item, Tensor)), None)
    return next((item for item in items_of(output) if isinstance(item, Tensor)), None)


def items_of(output: Any) -> list[Any]:
    """What a module returns, one by one, in order.

    Args:
        output: a tensor; a sequence, mapping or dataclass of several things; or anything else.

    >>> items_of({"map": 1, "pooled": 2}), items_of("plain")
    ([1, 2], ['plain'])
    """
    if isinstance(output, Mapping):
        return list(output.values())
    if isinstance(output, (list, tuple)):
        return list(output)
    if is_dataclass(output) and not isinstance(output, type):
        return [getattr(output, field.name) for field in fields(output)]
    return [output]


def replace_tensor(output: Any, old: Tensor, new: Tensor) -> Any:
    """``output`` with its tensor ``old`` (found by identity) replaced by ``new``.

    Containers are rebuilt, not changed.

    Args:
        output: a tensor, or tuples, lists, dictionaries and dataclasses of them.
        old: the tensor to look for.
        new: what takes its position.

    >>> old, other = torch.zeros(1), torch.zeros(1)
    >>> replace_tensor((old, other), old, torch.ones(1))
    (tensor([1.]), tensor([0.]))
    """
    if output is old:
        return new
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(replace_tensor(item, old, new) for item in output))
    if isinstance(output, (list, tuple)):
        return type(output)(replace_tensor(item, old, new) for item in output)
    is_dict = isinstance(output, dict)
    with_fields = is_dataclass(output) and not isinstance(output, type)
    if is_dict and not with_fields:
        return type(output)((key, replace_tensor(item, old, new)) for key, item in output.items())
    if with_fields:
        return _with_fields_replaced(output, old, new)
    return output


def _with_fields_replaced(output: Any, old: Tensor, new: Tensor) -> Any:
    """Of a dataclass, also one that is frozen or, as in Hugging Face, a dictionary as well."""
    changed = copy(output)
    for field in fields(output):
        value = replace_tensor(getattr(output, field.name), old, new)
        object.__setattr__(changed, field.name, value)
        if isinstance(output, dict) and field.name in output:
            changed[field.name] = value
    return changed
