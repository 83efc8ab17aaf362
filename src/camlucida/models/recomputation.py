"""Gradient checkpointing as a plain call, while a model is looked into."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch.utils.checkpoint as torch_checkpoint

_GENERATORS = (
    "_checkpoint_without_reentrant_generator",
    "_checkpoint_without_reentrant_generator_impl",
)
"""What the form ``use_reentrant=False`` calls, in this version of PyTorch or another."""

_GUARD = threading.Lock()
_HERE = threading.local()
_STATE: dict[str, Any] = {"threads": 0, "originals": {}}


@contextmanager
def plain_checkpoints() -> Iterator[None]:
    """``torch.utils.checkpoint.checkpoint(f, x)`` is ``f(x)`` in this thread.

    Checkpointing runs a part of the model without a graph and again in the backward pass. The
    layers inside are then cut off from the score (``use_reentrant=True``), or recomputed from
    tensors that are no longer those of the first run. What is replaced stands behind the public
    function, so that a model that imported it by name gets the plain call too. Other threads keep
    checkpointing.

    >>> def double(x):
    ...     return 2 * x
    >>> x = torch_checkpoint.torch.ones(1, requires_grad=True)
    >>> with plain_checkpoints():
    ...     y = torch_checkpoint.checkpoint(double, x, use_reentrant=True)
    >>> type(y.grad_fn).__name__
    'MulBackward0'
    """
    _HERE.depth = getattr(_HERE, "depth", 0) + 1
    with _GUARD:
        if not _STATE["threads"]:
            _replace()
        _STATE["threads"] += 1
    try:
        yield
    finally:
        _HERE.depth -= 1
        with _GUARD:
            _STATE["threads"] -= 1
            if not _STATE["threads"]:
                _put_back()


def _replace() -> None:
    function = torch_checkpoint.CheckpointFunction
    apply = function.apply

    def plain_apply(run: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        if getattr(_HERE, "depth", 0):
            return run(*args)
        return apply(run, preserve_rng_state, *args)

    # Set on the class itself, over the method that it inherits: deleting it restores the class.
    function.apply = staticmethod(plain_apply)
    for name in _GENERATORS:
        original = getattr(torch_checkpoint, name, None)
        if original is not None:
            _STATE["originals"][name] = original
            setattr(torch_checkpoint, name, _plain_generator(original))


def _put_back() -> None:
    del torch_checkpoint.CheckpointFunction.apply
    for name, original in _STATE["originals"].items():
        setattr(torch_checkpoint, name, original)
    _STATE["originals"] = {}


def _plain_generator(original: Callable[..., Iterator[None]]) -> Callable[..., Iterator[None]]:
    def generator(*args: Any, **kwargs: Any) -> Iterator[None]:
        if getattr(_HERE, "depth", 0):
            # Advanced once before the function runs and once after: nothing is done in either.
            return iter(_nothing())
        return original(*args, **kwargs)

    return generator


def _nothing() -> Iterator[None]:
    yield
