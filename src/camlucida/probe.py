"""What perturbation methods and metrics see of a model: scores of altered inputs, and of altered activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.capture import Captured
from camlucida.errors import ModelError
from camlucida.modelstate import main_tensor, replace_tensor

Score = Callable[[Tensor], Tensor]
"""logits (N, C, …) → (N,)"""

TAIL_BYTES = 16 * 2**20
"""Altered activations held at once; small enough to stay in the cache, large enough to keep the cores busy."""


class Probe:
    """One image, one layer, T targets; answers "what would the score be, if …". Nothing is remembered between questions.

    Attributes:
        inputs: (1, C, *spatial) the image.
        activations: (1, K, *grid) of the layer.
        scores: (T,) of the image as it is.
        replay: ``"tail"`` when altered activations need only the part of the model after the layer, ``"whole forward"`` when
            the model does not allow that (found out on the first use, by replaying the unaltered activations).
        batch_size: altered inputs in one forward.
        tail_batch: altered activations in one replay.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: tuple[Tensor, ...],
        layer: Captured,
        image: int,
        logits: Callable[..., Tensor],
        targets: Sequence[Score],
        reference: Tensor,
        batch_size: int,
    ) -> None:
        """``image`` is the row of the captured batch; ``reference`` its logits (1, C, …); ``logits`` runs the model on inputs."""
        self._model, self._layer, self._image, self._logits, self._targets = model, layer, image, logits, targets
        self._args = tuple(x[image : image + 1] for x in inputs)
        self._batch = inputs[0].shape[0]
        self._reference = reference
        self._tail: bool | None = None
        self.inputs = self._args[0]
        self.activations = layer.activations.detach()[image : image + 1]
        self.scores = self._score(reference)[:, 0]
        self.batch_size = batch_size
        bytes_each = self.activations.numel() * self.activations.element_size()
        self.tail_batch = max(batch_size, TAIL_BYTES // bytes_each)

    @property
    def replay(self) -> str:
        """How :meth:`score_tail` works on this model."""
        return "tail" if self._can_replay_tail() else "whole forward"

    @torch.no_grad()
    def score(self, inputs: Tensor) -> Tensor:
        """Scores (T, N) of altered images (N, C, *spatial), in forwards of ``batch_size``."""
        parts = [self._score(self._logits(*self._arguments(len(part), part))) for part in inputs.split(self.batch_size)]
        return torch.cat(parts, 1)

    @torch.no_grad()
    def score_tail(self, activations: Tensor) -> Tensor:
        """Scores (T, N) with the layer's output replaced by ``activations`` (N, K, *grid), which may be overwritten."""
        return self._score(self._run_tail(activations, self._can_replay_tail()))

    def _score(self, logits: Tensor) -> Tensor:
        return torch.stack([target(logits) for target in self._targets])

    def _arguments(self, count: int, images: Tensor | None = None) -> tuple[Tensor, ...]:
        first = self.inputs.expand(count, *self.inputs.shape[1:]) if images is None else images
        return (first, *(x.expand(count, *x.shape[1:]) for x in self._args[1:]))

    @torch.no_grad()
    def _can_replay_tail(self) -> bool:
        if self._tail is None:
            # Two copies, so that a batch axis taken for something else shows.
            unaltered = self.activations.expand(2, *self.activations.shape[1:]).clone()
            try:
                again = self._run_tail(unaltered, True)
            except (RuntimeError, TypeError, ValueError, IndexError, ModelError):
                self._tail = False
            else:
                expected = self._reference.expand(2, *self._reference.shape[1:])
                close = again.shape == expected.shape and torch.allclose(again, expected, rtol=1e-4, atol=1e-5)
                self._tail = bool(close)
        return self._tail

    def _run_tail(self, activations: Tensor, tail: bool) -> Tensor:
        with _replaced(self._model, self._stubs(activations, tail)):
            return self._logits(*self._arguments(len(activations)))

    def _stubs(self, activations: Tensor, tail: bool) -> dict[str, dict[int, Any]]:
        """Per module path and call, what it shall answer instead of running."""
        layer, count = self._layer, len(activations)
        stubs: dict[str, dict[int, Any]] = {}
        for (path, call), output in (layer.before if tail else {}).items():
            stubs.setdefault(path, {})[call] = _repeat(output, self._image, self._batch, count)

        def altered(original: Any) -> Any:
            old = main_tensor(original) if layer.ref.index is None else original[layer.ref.index]
            return replace_tensor(original, old, layer.layout.from_grid(activations, old))

        stubs.setdefault(layer.ref.path, {})[layer.call] = altered
        if tail and layer.own is not None:
            stubs[layer.ref.path][layer.call] = _Answer(altered(_repeat(layer.own, self._image, self._batch, count)))
        return stubs


class _Answer:
    """A module's answer, given without running it (a bare callable changes the answer after running)."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _repeat(output: Any, image: int, batch: int, count: int) -> Any:
    """One image's row of a recorded output, repeated (without copying) for ``count`` alterations."""
    if isinstance(output, Tensor):
        if output.ndim == 0 or output.shape[0] != batch:
            return output.detach()
        return output.detach()[image : image + 1].expand(count, *output.shape[1:])
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(_repeat(item, image, batch, count) for item in output))
    if isinstance(output, (list, tuple)):
        return type(output)(_repeat(item, image, batch, count) for item in output)
    if isinstance(output, dict):
        return type(output)((key, _repeat(item, image, batch, count)) for key, item in output.items())
    return output


@contextmanager
def _replaced(model: nn.Module, stubs: dict[str, dict[int, Any]]) -> Iterator[None]:
    """Modules answer from ``stubs`` for the calls named there; afterwards every forward is the module's own again."""
    changed: list[tuple[nn.Module, Any]] = []

    def install(path: str, answers: dict[int, Any]) -> None:
        module = model.get_submodule(path)
        own_forward = module.forward
        calls = 0

        def forward(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            answer = answers.get(calls)
            calls += 1
            if answer is None:
                return own_forward(*args, **kwargs)
            return answer(own_forward(*args, **kwargs)) if callable(answer) else answer.value

        changed.append((module, module.__dict__.get("forward")))
        module.__dict__["forward"] = forward

    try:
        for path, answers in stubs.items():
            install(path, {call: a if callable(a) or isinstance(a, _Answer) else _Answer(a) for call, a in answers.items()})
        yield
    finally:
        for module, forward in reversed(changed):
            if forward is None:
                del module.__dict__["forward"]
            else:
                module.__dict__["forward"] = forward
