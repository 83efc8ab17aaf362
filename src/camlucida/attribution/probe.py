"""What perturbation methods see of a model: scores of altered inputs and activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from camlucida.attribution.altered_runs import AlteredRuns
from camlucida.attribution.graph import Graph, Score
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.kept_pieces import is_of_its_own
from camlucida.attribution.steps import Steps
from camlucida.attribution.watch import Captured
from camlucida.core.errors import LayerError, ModelError, NoEvidenceError
from camlucida.core.messages import Message
from camlucida.core.tensors import full
from camlucida.models.state import (
    instance_forward,
    items_of,
    main_tensor,
    replace_tensor,
    set_forward,
)

Capture = Callable[..., tuple[Tensor, Tensor]]
"""inputs → activations (N, K, *grid) and the logits (N, C, …) of their graph"""

Stub = Callable[[Callable[[], Any]], Any]
"""What a module returns in a replay, given the function that would run it."""

TAIL_BYTES = 16 * 2**20
"""Size of the largest tensor in one replay: it stays in the cache, and keeps the cores busy."""


class Probe:
    """One image, one layer, T targets: the scores if the image or the activations were altered.

    Of the calls before, only how the model is run fastest is remembered.

    Args:
        model: a plain module.
        inputs: of the captured batch.
        layer: as it was captured, with what a replay needs.
        image: row of the captured batch.
        logits: runs the model on inputs.
        targets: functions logits (N, C, …) → (N,).
        reference: the image's logits (1, C, …).
        batch_size: altered inputs in one forward.
        capture: runs the model on inputs and captures the layer.
        pixels: makes the probe of the image's pixels.
        broken: why no gradient reaches the layer, although scores depend on it; None where one may.

    Attributes:
        model: as above.
        activations: (1, K, *grid) of the layer, in at least float32.
        targets: functions logits (N, C, …) → (N,).
        scores: (T,) of the image as it is.
        batch_size: altered inputs in one forward.
        cautions: what is to be said of the maps; a method adds to them.
        steps: how far the method is; one that runs its images in several calls says at first how
            many there are.
        rounded: as ``logits``, in bfloat16; None where that is not faster.
        precision: of a method that used it: how many scores are of which precision, and the
            correlation with the map of float32, as estimated.
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
        capture: Capture,
        pixels: Callable[[], InputProbe],
        broken: Callable[[], NoEvidenceError] | None = None,
    ) -> None:
        self._capture, self._pixels, self._broken = capture, pixels, broken
        self.model, self._layer, self._image = model, layer, image
        self._logits, self.targets = logits, targets
        self._args = tuple(x[image : image + 1] for x in inputs)
        self._batch = inputs[0].shape[0]
        self._reference = reference
        self._tail: bool | None = None
        self._runs = AlteredRuns(model)
        self.activations = full(layer.activations.detach()[image : image + 1])
        self.scores = self._score(reference)[:, 0]
        self.batch_size = batch_size
        self.cautions: list[Message] = []
        self.steps = Steps()
        self.rounded: Callable[..., Tensor] | None = None
        self.precision: dict[str, float] = {}
        self._largest = _bytes(self.activations)

    @property
    def inputs(self) -> Tensor:
        """(1, C, *spatial) the image: of several, the one that the layer saw.

        Raises:
            LayerError: the layer saw several images, or which one it saw is not known.
        """
        return self._args[self._position]

    @property
    def pixels(self) -> InputProbe:
        """The same image and targets, by the pixels.

        Raises:
            LayerError: the model takes several images.
        """
        return self._pixels()

    @property
    def _position(self) -> int:
        images = self._layer.images
        if len(images) != 1:
            raise LayerError(
                f"layer {self._layer.ref} does not see one image input alone, so none can be "
                "altered for it",
                "choose a layer that sees one image, or a method that alters none, as gradcam",
            )
        return images[0]

    @property
    def replay(self) -> str:
        """How :meth:`score_tail` worked; "" before its first use.

        ``"tail"``: altered activations needed only the part of the model after the layer.
        ``"whole forward"``: the model does not allow that, as a replay of the unaltered activations
        showed.
        """
        return {None: "", True: "tail", False: "whole forward"}[self._tail]

    @property
    def tail_batch(self) -> int:
        """Altered activations in one replay; a decoder that enlarges them gets fewer."""
        if not self._can_replay_tail():
            return self.batch_size
        return max(self.batch_size, TAIL_BYTES // self._largest)

    @torch.no_grad()
    def score(self, inputs: Tensor, rounded: bool = False) -> Tensor:
        """Scores of altered images, in forwards of ``batch_size``.

        Args:
            inputs: (N, C, *spatial).
            rounded: whether the model runs in bfloat16, where :attr:`rounded` allows it. The first
                images are to be run without.

        Returns:
            (T, N).
        """
        self.steps.begin(len(inputs))
        logits = self.rounded if rounded and self.rounded is not None else self._logits
        altered = partial(self._altered, logits)
        scores = []
        for part in inputs.split(self.batch_size):
            scores.append(self._score(self._runs.logits(part, altered)))
            self.steps.end(len(part))
        return torch.cat(scores, 1)

    @torch.enable_grad()
    def graph(self, images: Tensor) -> Graph:
        """One forward pass of altered images, from the layer on a graph.

        Args:
            images: (N, C, *spatial), in one piece.

        Raises:
            NoEvidenceError: no gradient reaches the layer, although the score depends on it.
        """
        self.check_reached()
        activations, logits = self._capture(*self._arguments(len(images), images))
        return Graph(activations, logits, self._score(logits))

    def evidence(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Activations and gradients of altered images, in forwards of ``batch_size``.

        Args:
            images: (N, C, *spatial).

        Yields:
            (n, K, *grid) activations and (T, n, K, *grid) gradients, in at least float32.
        """
        self.steps.begin(len(images))
        for part in images.split(self.batch_size):
            graph = self.graph(part)
            yield full(graph.leaf.detach()), graph.gradients()
            self.steps.end(len(part))

    @torch.no_grad()
    def score_tail(self, activations: Tensor) -> Tensor:
        """Scores with the layer's output replaced.

        Args:
            activations: (N, K, *grid); may be overwritten.

        Returns:
            (T, N).
        """
        tail = self._can_replay_tail()
        parts = [activations] if tail else activations.split(self.batch_size)
        self.steps.begin(len(activations))
        scores = []
        for part in parts:
            scores.append(self._score(self._run_tail(part, tail)))
            self.steps.end(len(part))
        return torch.cat(scores, 1)

    @torch.enable_grad()
    def gradients_tail(self, activations: Tensor) -> Tensor:
        """The gradient of each score by the layer's output, where that is replaced.

        Args:
            activations: (N, K, *grid).

        Returns:
            (T, N, K, *grid), in at least float32; 0 where a score does not depend on the layer.

        Raises:
            ModelError: the graph cannot be differentiated.
            NoEvidenceError: as of :meth:`graph`.
        """
        self.check_reached()
        tail = self._can_replay_tail()
        self.steps.begin(len(activations))
        parts = []
        for part in activations.detach().split(self.batch_size):
            leaf = part.clone().requires_grad_()
            # A clone goes in, for the model may overwrite it.
            logits = self._run_tail(leaf.clone(), tail)
            parts.append(Graph(leaf, logits, self._score(logits)).gradients())
            self.steps.end(len(part))
        return torch.cat(parts, 1)

    def check_reached(self) -> None:
        """Whether a gradient can reach the layer.

        Raises:
            NoEvidenceError: none can, although the score depends on the layer.
        """
        if self._broken is not None:
            raise self._broken()

    def _altered(self, logits: Callable[..., Tensor], images: Tensor) -> Tensor:
        return logits(*self._arguments(len(images), images))

    def _score(self, logits: Tensor) -> Tensor:
        return torch.stack([target(full(logits)) for target in self.targets])

    def _arguments(self, count: int, images: Tensor | None = None) -> tuple[Tensor, ...]:
        repeated = [x.expand(count, *x.shape[1:]) for x in self._args]
        if images is not None:
            repeated[self._position] = images
        return tuple(repeated)

    @torch.no_grad()
    def _can_replay_tail(self) -> bool:
        if self._tail is None:
            self._tail = not self._layer.kept and self._tail_gives_the_reference()
        return self._tail

    def _tail_gives_the_reference(self) -> bool:
        """Whether a replay of the unaltered activations gives the image's logits again."""
        # Two copies, so that a batch axis taken for something else shows.
        unaltered = self.activations.expand(2, *self.activations.shape[1:]).clone()
        try:
            with _watched(self.model, self._measure):
                again = self._run_tail(unaltered, True)
        except (RuntimeError, TypeError, ValueError, IndexError, ModelError):
            return False
        expected = self._reference.expand(2, *self._reference.shape[1:])
        if again.shape != expected.shape:
            return False
        # A half-precision model rounds more than the usual tolerances allow.
        precisions = [torch.finfo(x.dtype).eps for x in (again, self._layer.activations)]
        rounding = 4 * max(precisions)
        rtol, atol = max(1e-4, rounding), max(1e-5, rounding)
        return torch.allclose(full(again), expected, rtol=rtol, atol=atol)

    def _measure(self, module: nn.Module, args: Any, output: Any) -> None:
        tensor = main_tensor(output)
        if tensor is None or not tensor.ndim:
            return
        is_stub = tensor.stride(0) == 0  # repeats one image without a copy
        if not is_stub:
            self._largest = max(self._largest, _bytes(tensor) // len(tensor))

    def _run_tail(self, activations: Tensor, tail: bool) -> Tensor:
        """Logits (N, C, …) with the layer's output replaced.

        Args:
            activations: (N, K, *grid).
            tail: return the recorded outputs of what comes before the layer, rather than run it.
        """
        layer, count = self._layer, len(activations)
        reached = False

        def altered(run: Callable[[], Any]) -> Any:
            nonlocal reached
            reached = True
            whole = _repeat(layer.output, self._image, self._batch, count) if tail else run()
            index = layer.ref.index
            old = cast(Tensor, main_tensor(whole) if index is None else items_of(whole)[index])
            new = layer.layout.from_grid(activations.to(old.dtype), old)
            if layer.kept and is_of_its_own(old, ()):
                old.copy_(new)
            return replace_tensor(whole, old, new)

        stubs: dict[str, dict[int, Stub]] = {}
        for (path, call), output in (layer.before if tail else {}).items():
            recorded = _repeat(output, self._image, self._batch, count)
            stubs.setdefault(path, {})[call] = _returning(recorded)
        stubs.setdefault(layer.ref.path, {})[layer.call] = altered
        with replaced(self.model, stubs):
            logits = self._logits(*self._arguments(count))
        if not reached:
            raise ModelError(
                f"layer {layer.ref} does not run in every forward pass", "choose another layer"
            )
        return logits


def _bytes(x: Tensor) -> int:
    return x.numel() * x.element_size()


def _returning(value: Any) -> Stub:
    return lambda run: value


def _repeat(output: Any, image: int, batch: int, count: int) -> Any:
    """One image's row of a recorded output, for ``count`` alterations, without copying."""
    if isinstance(output, Tensor):
        if output.ndim == 0 or output.shape[0] != batch:
            return output.detach()
        return output.detach()[image : image + 1].expand(count, *output.shape[1:])
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(_repeat(item, image, batch, count) for item in output))
    if isinstance(output, (list, tuple)):
        return type(output)(_repeat(item, image, batch, count) for item in output)
    if isinstance(output, dict):
        items = output.items()
        return type(output)((key, _repeat(item, image, batch, count)) for key, item in items)
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
def replaced(model: nn.Module, stubs: Mapping[str, Mapping[int, Stub]]) -> Iterator[None]:
    """Modules return what ``stubs`` give for the calls named there; forwards are restored after.

    Args:
        model: a plain module.
        stubs: path → number of the call → stub.
    """
    changed: list[tuple[nn.Module, Any]] = []
    calls: Counter[str] = Counter()
    # A reader of outputs may run the model twice: each pass counts its calls anew.
    handle = model.register_forward_pre_hook(lambda module, args: calls.clear())
    try:
        for path, by_call in stubs.items():
            module = model.get_submodule(path)
            changed.append((module, instance_forward(module)))
            set_forward(module, _stubbed(module.forward, path, by_call, calls))
        yield
    finally:
        handle.remove()
        for module, forward in reversed(changed):
            set_forward(module, forward)


def _stubbed(
    run: Callable[..., Any], path: str, by_call: Mapping[int, Stub], calls: Counter[str]
) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        stub = by_call.get(calls[path])
        calls[path] += 1
        return run(*args, **kwargs) if stub is None else stub(lambda: run(*args, **kwargs))

    return forward
