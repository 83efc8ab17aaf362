"""What perturbation methods and metrics see of a model: scores of altered inputs, and of altered activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from camlucida.attribution.capture import Captured
from camlucida.core.errors import ModelError
from camlucida.core.tensors import full
from camlucida.models.state import main_tensor, own_forward, replace_tensor, set_forward

Score = Callable[[Tensor], Tensor]
"""logits (N, C, …) → (N,)"""

Stub = Callable[[Callable[[], Any]], Any]
"""What a module answers in a replay, given the function that would run it."""

TAIL_BYTES = 16 * 2**20
"""Size of the largest tensor in one replay: small enough to stay in the cache, large enough to keep the cores busy."""


class Probe:
    """One image, one layer, T targets; answers "what would the score be, if …". Nothing is remembered between questions.

    Attributes:
        inputs: (1, C, *spatial) the image.
        activations: (1, K, *grid) of the layer, in at least float32.
        scores: (T,) of the image as it is.
        batch_size: altered inputs in one forward.
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
        self._model, self._layer, self._image, self._logits, self._targets = (
            model,
            layer,
            image,
            logits,
            targets,
        )
        self._args = tuple(x[image : image + 1] for x in inputs)
        self._batch = inputs[0].shape[0]
        self._reference = reference
        self._tail: bool | None = None
        self.inputs = self._args[0]
        self.activations = full(layer.activations.detach()[image : image + 1])
        self.scores = self._score(reference)[:, 0]
        self.batch_size = batch_size
        self._largest = _bytes(self.activations)

    @property
    def replay(self) -> str:
        """How :meth:`score_tail` worked: ``"tail"`` when altered activations need only the part of the model after the layer,
        ``"whole forward"`` when the model does not allow that (found out on the first use, by replaying the unaltered
        activations), "" before the first use.
        """
        return {None: "", True: "tail", False: "whole forward"}[self._tail]

    @property
    def tail_batch(self) -> int:
        """Altered activations in one replay; a decoder that enlarges them gets fewer."""
        return max(self.batch_size, TAIL_BYTES // self._largest if self._can_replay_tail() else 0)

    @torch.no_grad()
    def score(self, inputs: Tensor) -> Tensor:
        """Scores (T, N) of altered images (N, C, *spatial), in forwards of ``batch_size``."""
        parts = [
            self._score(self._logits(*self._arguments(len(part), part)))
            for part in inputs.split(self.batch_size)
        ]
        return torch.cat(parts, 1)

    @torch.no_grad()
    def score_tail(self, activations: Tensor) -> Tensor:
        """Scores (T, N) with the layer's output replaced by ``activations`` (N, K, *grid), which may be overwritten."""
        tail = self._can_replay_tail()
        parts = [activations] if tail else activations.split(self.batch_size)
        return torch.cat([self._score(self._run_tail(part, tail)) for part in parts], 1)

    def _score(self, logits: Tensor) -> Tensor:
        return torch.stack([target(full(logits)) for target in self._targets])

    def _arguments(self, count: int, images: Tensor | None = None) -> tuple[Tensor, ...]:
        first = self.inputs.expand(count, *self.inputs.shape[1:]) if images is None else images
        return (first, *(x.expand(count, *x.shape[1:]) for x in self._args[1:]))

    @torch.no_grad()
    def _can_replay_tail(self) -> bool:
        if self._tail is None:
            # Two copies, so that a batch axis taken for something else shows.
            unaltered = self.activations.expand(2, *self.activations.shape[1:]).clone()
            try:
                with _watched(self._model, self._measure):
                    again = self._run_tail(unaltered, True)
            except (RuntimeError, TypeError, ValueError, IndexError, ModelError):
                self._tail = False
            else:
                expected = self._reference.expand(2, *self._reference.shape[1:])
                rounding = 4 * max(
                    torch.finfo(x.dtype).eps for x in (again, self._layer.activations)
                )
                self._tail = again.shape == expected.shape and torch.allclose(
                    full(again), expected, rtol=max(1e-4, rounding), atol=max(1e-5, rounding)
                )
        return self._tail

    def _measure(self, module: nn.Module, args: Any, output: Any) -> None:
        tensor = main_tensor(output)
        if (
            tensor is not None and tensor.ndim and tensor.stride(0) != 0
        ):  # no stub, which repeats one image without a copy
            self._largest = max(self._largest, _bytes(tensor) // len(tensor))

    def _run_tail(self, activations: Tensor, tail: bool) -> Tensor:
        layer, count = self._layer, len(activations)
        reached = False

        def altered(run: Callable[[], Any]) -> Any:
            nonlocal reached
            reached = True
            whole = _repeat(layer.own, self._image, self._batch, count) if tail else run()
            old = cast(
                Tensor, main_tensor(whole) if layer.ref.index is None else whole[layer.ref.index]
            )
            return replace_tensor(
                whole, old, layer.layout.from_grid(activations.to(old.dtype), old)
            )

        stubs: dict[str, dict[int, Stub]] = {}
        for (path, call), output in (layer.before if tail else {}).items():
            stubs.setdefault(path, {})[call] = _answering(
                _repeat(output, self._image, self._batch, count)
            )
        stubs.setdefault(layer.ref.path, {})[layer.call] = altered
        with _replaced(self._model, stubs):
            logits = self._logits(*self._arguments(count))
        if not reached:
            raise ModelError(
                f"layer {layer.ref} does not run in every forward pass", "choose another layer"
            )
        return logits


def _bytes(x: Tensor) -> int:
    return x.numel() * x.element_size()


def _answering(value: Any) -> Stub:
    return lambda run: value


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
        return type(output)(
            (key, _repeat(item, image, batch, count)) for key, item in output.items()
        )
    return output


@contextmanager
def _watched(model: nn.Module, hook: Callable[..., None]) -> Iterator[None]:
    """Every module of the model reports its output to ``hook``."""
    handles = [module.register_forward_hook(hook) for module in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _replaced(model: nn.Module, stubs: dict[str, dict[int, Stub]]) -> Iterator[None]:
    """Modules answer from ``stubs`` for the calls named there; afterwards every forward is the module's own again."""
    changed: list[tuple[nn.Module, Any]] = []

    def install(module: nn.Module, answers: dict[int, Stub]) -> None:
        run = module.forward
        calls = 0

        def forward(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            answer = answers.get(calls)
            calls += 1
            return run(*args, **kwargs) if answer is None else answer(lambda: run(*args, **kwargs))

        changed.append((module, own_forward(module)))
        set_forward(module, forward)

    try:
        for path, answers in stubs.items():
            install(model.get_submodule(path), answers)
        yield
    finally:
        for module, forward in reversed(changed):
            set_forward(module, forward)
