"""One forward pass, watched: the activations of the chosen layers, the logits, and what a later replay needs.

The only hooks on layers are here. A captured layer's output is cut from what came before (so nothing upstream builds a graph)
and handed on as a clone (so an in-place operation after the layer cannot change what was captured).
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import LayerError, ModelError
from camlucida.models.families import Layout
from camlucida.models.layers import LayerRef, Layouts, list_layers, resolve, single
from camlucida.models.state import forwarding, main_tensor, replace_tensor

_FOUND: weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], LayerRef]] = (
    weakref.WeakKeyDictionary()
)
"""What ``auto`` found by running a model of unknown family, an input size each; the next capture then cuts there alone."""

_FINAL = (nn.Sigmoid, nn.Softmax, nn.LogSoftmax)


@dataclass
class Captured:
    """One layer's part of a forward pass.

    Attributes:
        ref: the layer, output index resolved.
        activations: (B, K, *grid), part of the graph that leads to the scores.
        layout: between the layer's own output and the grid.
        call: which call of the module this was (a module can run several times; the last counts).
        before: outputs of the modules that had finished when the layer fired, by (path, call); only when recorded.
        own: the layer's whole output, as the module returned it.
    """

    ref: LayerRef
    activations: Tensor
    layout: Layout
    call: int
    before: dict[tuple[str, int], Any] = field(default_factory=dict)
    own: Any = None


@dataclass
class Forward:
    """A watched forward pass.

    Attributes:
        inputs: what the model was called with; the first is the image batch.
        output: the model's main output tensor.
        logits: what is explained, (B, C) or (B, C, *spatial): the logits where there are any, else the output.
        final: class name of the final sigmoid or softmax module that the logits were taken before, "" if none.
        layers: one a requested layer, in the order asked.
    """

    inputs: tuple[Tensor, ...]
    output: Tensor
    logits: Tensor
    final: str
    layers: list[Captured]

    def gradients(self, score: Tensor, keep_graph: bool) -> list[Tensor | None]:
        """∂score/∂activations of each layer; None where the score does not depend on it. ``score`` is a scalar."""
        if not score.requires_grad:
            return [None] * len(self.layers)
        wanted = [layer.activations for layer in self.layers]
        return list(torch.autograd.grad(score, wanted, retain_graph=keep_graph, allow_unused=True))


def capture(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    layers: Sequence[str],
    logits_from: str | None = None,
    record: bool = False,
) -> Forward:
    """Run the model once and capture ``layers``. Call it inside :func:`camlucida.models.state.frozen`.

    Args:
        model: a plain module (see ``unwrap``).
        inputs: the image batch (B, C, *spatial), then any further inputs.
        layers: as the user wrote them; ``auto`` on an unknown family is found in this same pass.
        logits_from: path of the module whose output is the logits; None to look for a final sigmoid or softmax module, "" to
            take the output as it is.
        record: keep what a tail replay needs.

    Raises:
        LayerError: a layer does not exist, does not run, or has no spatial grid.
        ModelError: the model cannot run on these inputs or returns no tensor.
    """
    size = tuple(inputs[0].shape[1:])
    known = _FOUND.setdefault(model, {})
    refs = [
        known[size] if name == "auto" and size in known else resolve(model, name) for name in layers
    ]
    watch = _Watch(model, inputs, refs, logits_from, record)
    output = watch.run()
    found = watch.found
    unusable = [
        (name, ref)
        for name, ref in zip(layers, refs)
        if ref is not None and ref not in watch.captured
    ]
    for name, ref in unusable:
        if name != "auto":
            _raise_not_captured(model, inputs, name, ref, watch)
    # A family's layer that this model does not use; or a dense output, where the last grid is the output itself.
    dense = found is not None and output.ndim == inputs[0].ndim and output.ndim > 2
    if unusable or dense or (None in refs and found is None):
        known[size] = _auto_by_running(model, inputs)
        named = [str(known[size]) if name == "auto" else name for name in layers]
        return capture(model, inputs, named, logits_from, record)
    if found is not None:
        known[size] = found
    chosen = [watch.captured[ref] for ref in (ref or found for ref in refs) if ref is not None]
    _check_one_image(inputs, chosen, watch.calls)
    return Forward(inputs, output, *watch.logits(output), layers=chosen)


def run_output(
    model: nn.Module, inputs: tuple[Tensor, ...], logits_from: str | None = None
) -> tuple[Tensor, Tensor, str]:
    """Logits, output and final module of a run without captured layers, found as :func:`capture` finds them."""
    watch = _Watch(model, inputs, [], logits_from, False)
    output = watch.run()
    logits, final = watch.logits(output)
    return logits, output, final


def _auto_by_running(model: nn.Module, inputs: tuple[Tensor, ...]) -> LayerRef:
    path = next((info.path for info in list_layers(model, *inputs) if info.auto), None)
    if path is None:
        raise LayerError(
            "no layer of this model has a spatial grid",
            "a class activation map needs one; see `camlucida layers`",
        )
    base, bracket, index = path.partition("[")
    return LayerRef(base, int(index.rstrip("]")) if bracket else None)


class _Watch:
    """The hooks of one forward pass."""

    def __init__(
        self,
        model: nn.Module,
        inputs: tuple[Tensor, ...],
        refs: Sequence[LayerRef | None],
        logits_from: str | None,
        record: bool,
    ) -> None:
        self.model, self.inputs = model, inputs
        self.wanted: dict[str, list[LayerRef]] = {}
        for ref in refs:
            if ref is not None and ref not in self.wanted.setdefault(ref.path, []):
                self.wanted[ref.path].append(ref)
        self.discover = None in refs
        self.logits_from = logits_from
        self.record = record
        self.layouts = Layouts(model, tuple(inputs[0].shape[2:])) if refs else None
        self.captured: dict[LayerRef, Captured] = {}
        self.found: LayerRef | None = None
        self.coarsest: float = math.inf
        self.gridless: dict[str, tuple[int, ...]] = {}
        self.calls: dict[str, int] = {}
        self.done: dict[tuple[str, int], Any] = {}
        self.asked_fired = False
        self.named_logits: Tensor | None = None
        self.final: tuple[nn.Module, Tensor, Tensor] | None = None

    def run(self) -> Tensor:
        """The forward pass; hooks are gone afterwards whatever happens."""
        handles = []
        try:
            for path, module in self.model.named_modules():
                if not path:
                    continue
                if path in self.wanted or self.discover or self.record:
                    handles.append(module.register_forward_hook(self._hook(path)))
                if path == self.logits_from:
                    handles.append(module.register_forward_hook(self._keep_logits))
                if isinstance(module, _FINAL):
                    handles.append(module.register_forward_hook(self._keep_final))
            with forwarding(self.inputs):
                output = main_tensor(self.model(*self.inputs))
        finally:
            for handle in handles:
                handle.remove()
        if output is None:
            raise ModelError(
                "the model returns no tensor", "wrap it so that forward returns logits (B, C)"
            )
        return output

    def logits(self, output: Tensor) -> tuple[Tensor, str]:
        """What to explain, and the name of the final module that was stripped."""
        if self.logits_from == "":
            return output, ""
        if self.logits_from is not None:
            if self.named_logits is None:
                raise ModelError(
                    f"logits_from = {self.logits_from!r} names no module that runs and returns a tensor"
                )
            return self.named_logits, self.logits_from
        if self.final is not None and _same_numbers(self.final[2], output):
            return self.final[1].reshape(output.shape), type(self.final[0]).__name__
        return output, ""

    def _keep_logits(self, module: nn.Module, args: Any, output: Any) -> None:
        self.named_logits = main_tensor(output)

    def _keep_final(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            self.final = (module, args[0], output)

    def _hook(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            call = self.calls.get(path, 0)
            self.calls[path] = call + 1
            if self.record:
                for key in [key for key in self.done if key[0].startswith(path + ".")]:
                    del self.done[key]
            before = dict(self.done) if path in self.wanted or self.discover else {}
            if self.record:
                self.done[path, call] = output
            onward = output
            for ref in self.wanted.get(path, ()):
                onward = self._capture(ref, onward, call, before)
            if self.discover:
                onward = self._discover(path, onward, call, before)
            if (
                self.final is not None and self.final[2] is output
            ):  # captured after the final sigmoid
                self.final = (*self.final[:2], onward)
            return onward

        return hook

    def _pick(self, ref: LayerRef, output: Any) -> tuple[LayerRef, Tensor | None]:
        """The tensor that ``ref`` means among a module's outputs, and ``ref`` with a positive index."""
        several = len(output) if isinstance(output, (list, tuple)) else 1
        if ref.index is None:
            if several > 1 and sum(isinstance(item, Tensor) for item in output) > 1:
                raise LayerError(
                    f"layer {ref} returns {several} outputs",
                    f"choose one: {ref}[0] to {ref}[{several - 1}]",
                )
            return ref, main_tensor(output)
        if several == 1 or not -several <= ref.index < several:
            what = "one output" if several == 1 else f"{several} outputs"
            raise LayerError(
                f"layer {ref}: {ref.path} returns {what}",
                "`camlucida layers` lists what can be chosen",
            )
        if isinstance(output, (list, tuple)):
            item = output[ref.index]
            return LayerRef(ref.path, ref.index % len(output)), item if isinstance(
                item, Tensor
            ) else None
        return ref, None

    def _capture(
        self, ref: LayerRef, output: Any, call: int, before: dict[tuple[str, int], Any]
    ) -> Any:
        resolved, tensor = self._pick(ref, output)
        layout = (
            self.layouts(ref.path, tensor)
            if tensor is not None and self.layouts is not None
            else None
        )
        if tensor is None or layout is None:
            self.gridless[str(ref)] = tuple(tensor.shape) if tensor is not None else ()
            return output
        self.asked_fired = True
        return self._cut(
            ref, Captured(resolved, layout.to_grid(tensor), layout, call, before, output), tensor
        )

    def _cut(self, ref: LayerRef, captured: Captured, tensor: Tensor) -> Any:
        """Keep a layer's activations, and give what goes on instead of its output."""
        if (
            not captured.activations.requires_grad
        ):  # the first captured layer on this path: cut here
            captured.activations = captured.activations.detach().requires_grad_()
        self.captured[ref] = captured
        with torch.enable_grad():  # a model may run its frozen part under no_grad
            onward = captured.layout.from_grid(captured.activations, tensor)
            # A clone goes on, so that an in-place operation downstream cannot touch what was captured.
            shared = onward.data_ptr() == captured.activations.data_ptr()
            return replace_tensor(captured.own, tensor, onward.clone() if shared else onward)

    def _discover(
        self, path: str, output: Any, call: int, before: dict[tuple[str, int], Any]
    ) -> Any:
        """``auto`` without a family: cut at every layer whose grid is no finer than before; the last is the one to explain."""
        tensor = single(output)
        if tensor is None or self.layouts is None or tensor.shape[:1] != self.inputs[0].shape[:1]:
            return output
        layout = self.layouts(path, tensor)
        grid = layout.to_grid(tensor) if layout is not None else None
        if layout is None or grid is None or grid[0, 0].numel() > self.coarsest:
            return output
        self.coarsest = grid[0, 0].numel()
        asked = {ref for refs in self.wanted.values() for ref in refs}
        if self.found is not None and self.found not in asked:
            self.captured.pop(self.found, None)
        self.found = LayerRef(path)
        if self.found in asked:  # captured just now
            return output
        activations = grid if self.asked_fired else grid.detach()
        return self._cut(
            self.found, Captured(self.found, activations, layout, call, before, output), tensor
        )


def _same_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether ``b`` is ``a``, or ``a`` squeezed or reshaped."""
    same = (
        a.data_ptr() == b.data_ptr()
        and a.numel() == b.numel()
        and a.is_contiguous()
        and b.is_contiguous()
    )
    return a is b or same


def _check_one_image(
    inputs: tuple[Tensor, ...], layers: Sequence[Captured], calls: Mapping[str, int]
) -> None:
    """LayerError where a layer that runs several times may have seen the other image last, whose map is not this image's."""
    images = sum(x.ndim == inputs[0].ndim for x in inputs)
    for layer in layers:
        runs = calls[layer.ref.path]
        if images > 1 and runs > 1:
            raise LayerError(
                f"layer {layer.ref} runs {runs} times and the model takes {images} images: which one it sees is not known",
                "name a layer that runs once (`calls` in `camlucida layers`), or give the other image a copy.deepcopy of it",
            )


def usable_layers(model: nn.Module, inputs: tuple[Tensor, ...], but: str = "") -> str:
    """The last layers with a grid, as the hint of an error; ``but`` is the one that failed."""
    good = [info.path for info in list_layers(model, *inputs) if info.grid and info.path != but][
        -5:
    ]
    return f"layers with a grid, last first: {', '.join(reversed(good)) or 'none'}"


def _raise_not_captured(
    model: nn.Module, inputs: tuple[Tensor, ...], name: str, ref: LayerRef, watch: _Watch
) -> None:
    fix = usable_layers(model, inputs)
    if str(ref) in watch.gridless:
        shape = watch.gridless[str(ref)]
        raise LayerError(
            f"layer {name!r} has no spatial grid (its output is {shape or 'no tensor'})", fix
        )
    raise LayerError(f"layer {name!r} exists but does not run in the forward pass", fix)
