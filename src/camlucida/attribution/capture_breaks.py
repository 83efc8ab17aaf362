"""Where a gradient stops on its way from the score to a layer that the score depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from camlucida.attribution.watch import Captured
from camlucida.models.state import forwarding, items_of, main_tensor, replace_tensor

_ANY = "a detach(), no_grad or an operation without a gradient"


def altered(activations: Tensor) -> Tensor:
    """Activations that differ in every cell, and beyond any that a ReLU would hide.

    Args:
        activations: (B, K, *grid).

    >>> bool((altered(torch.zeros(1, 2, 3, 3)) != 0).all())
    True
    """
    cells = torch.arange(activations.numel(), device=activations.device, dtype=torch.float32)
    # Of both signs, and the same in no two neighbours: means and differences change as well.
    pattern = (1.5 + torch.sin(cells + 1)) * torch.where(cells % 3 == 0, -1.0, 1.0)
    size = 1 + activations.detach().abs().amax().float()
    changed = activations.detach() + (size * pattern).reshape(activations.shape)
    return changed.to(activations.dtype)


@dataclass(frozen=True)
class _Step:
    """One call of a module after the layer: its output, and what autograd knows of it."""

    path: str
    output: Tensor
    carries: bool
    entered: bool
    allowed: bool


@dataclass
class _Trace:
    """The calls that finished after the layer, or all without one, in order of completion."""

    layer: Captured | None
    make: Callable[[Tensor], Tensor]
    calls: int = 0
    reached: bool = False
    steps: list[_Step] = field(default_factory=list)

    def hook(self, path: str) -> Callable[..., Any]:
        """The forward hook of the module at ``path``."""

        def watch(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            layer = self.layer
            if layer is not None and path == layer.ref.path:
                self.calls += 1
                if self.calls == layer.call + 1:
                    self.reached = True
                    return self._replaced(layer, output)
            if self.reached:
                self._note(path, args, output)
            return output

        return watch

    def _replaced(self, layer: Captured, output: Any) -> Any:
        ref, layout = layer.ref, layer.layout
        tensor = cast(
            Tensor, main_tensor(output) if ref.index is None else items_of(output)[ref.index]
        )
        with torch.enable_grad():
            grid = self.make(layout.to_grid(tensor).detach())
            return replace_tensor(output, tensor, layout.from_grid(grid, tensor).clone())

    def _note(self, path: str, args: tuple[Any, ...], output: Any) -> None:
        tensor = main_tensor(output)
        if tensor is None:
            return
        given = main_tensor(args)
        entered = given is not None and given.requires_grad
        about = (tensor.requires_grad, entered, torch.is_grad_enabled())
        self.steps.append(_Step(path, tensor.detach().clone(), *about))


@torch.enable_grad()
def where_gradient_stops(
    model: nn.Module, inputs: tuple[Tensor, ...], layer: Captured | None
) -> str:
    """Where the graph is broken behind a layer, in words.

    Two forward passes: one in which the layer's output asks for a gradient, one in which it has
    other values. A module whose output follows the values but has no gradient lies behind the
    break.

    Args:
        model: a plain module, frozen.
        inputs: what it is called with.
        layer: as it was captured; None for the pixels of the first input.

    Returns:
        What lies where: around, inside or after a module, or between two. "" where the gradient
        goes through the whole model, as it does from a layer behind the logits that are explained.
    """
    tracked, output = _trace(model, inputs, layer, lambda grid: grid.requires_grad_())
    if output is not None and output.requires_grad:
        return ""
    changed, _ = _trace(model, inputs, layer, altered)
    last = "the image" if layer is None else str(layer.ref)
    for step, other in zip(tracked, changed):
        if step.carries:
            last = step.path
        elif _differ(step.output, other.output):
            return _cause(tracked, step, last)
    return f"{_ANY} lies after {last}"


def _cause(steps: Sequence[_Step], broken: _Step, last: str) -> str:
    """What lies before the first module without a gradient, the last with one being ``last``."""
    if not broken.allowed:
        # The outermost module that runs within the block.
        paths = [step.path for step in steps if not step.allowed]
        around = [path for path in paths if f"{broken.path}.".startswith(f"{path}.")]
        block = "inference_mode" if broken.output.is_inference() else "no_grad"
        return f"torch.{block}() lies around {min(around, key=len)}"
    if broken.entered:
        return f"{_ANY} lies inside {broken.path}"
    return f"{_ANY} lies between {last} and {broken.path}"


def output_with(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    layer: Captured,
    make: Callable[[Tensor], Tensor],
) -> Any:
    """What the model returns with other activations in the position of a layer's.

    Args:
        model: a plain module, frozen.
        inputs: what it is called with.
        layer: as it was captured.
        make: activations (B, K, *grid) → others of the same shape.

    Raises:
        ModelError: the model cannot run on them.
    """
    trace = _Trace(layer, make)
    path = layer.ref.path
    handle = model.get_submodule(path).register_forward_hook(trace.hook(path))
    try:
        with forwarding(inputs) as given:
            return model(*given)
    finally:
        handle.remove()


def _trace(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    layer: Captured | None,
    make: Callable[[Tensor], Tensor],
) -> tuple[list[_Step], Tensor | None]:
    trace = _Trace(layer, make, reached=layer is None)
    if layer is None:
        inputs = (make(inputs[0].detach().clone()), *inputs[1:])
    named = [(path, module) for path, module in model.named_modules() if path]
    handles = [module.register_forward_hook(trace.hook(path)) for path, module in named]
    try:
        output = main_tensor(model(*(x.clone() for x in inputs)))
    finally:
        for handle in handles:
            handle.remove()
    return trace.steps, output


def _differ(first: Tensor, second: Tensor) -> bool:
    return first.shape != second.shape or not torch.equal(first, second)
