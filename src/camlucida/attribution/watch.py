"""The hooks of one watched forward pass.

The only hooks on layers are here. A captured layer's output is cut from what came before (so
nothing upstream builds a graph) and handed on as a clone (so an in-place operation after the layer
cannot change what was captured).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils.hooks import RemovableHandle

from camlucida.attribution.capture_recurrent import without_cudnn
from camlucida.attribution.graph_nodes import has_way_past
from camlucida.attribution.kept_pieces import is_of_its_own, keeps_pieces, whole
from camlucida.attribution.output_reader import OutputReader
from camlucida.attribution.rectified import PRE, Rectified, Rectifiers, positive_part, users
from camlucida.core.errors import LayerError, ModelError
from camlucida.core.messages import Message
from camlucida.models.families import Layout
from camlucida.models.layers import LayerRef
from camlucida.models.state import forwarding, items_of, main_tensor, replace_tensor
from camlucida.models.walk import named_modules

_HAVE_A_MODE: weakref.WeakSet[nn.Module] = weakref.WeakSet()
"""Models whose layers run within a function mode of their own, such as ``torch.device``."""

LayoutOf = Callable[[LayerRef, Tensor], Layout | None]
"""A layer and its output → how that lies on a grid; None without one."""


@dataclass
class Captured:
    """One layer's part of a forward pass.

    Attributes:
        ref: the layer, output index resolved.
        activations: (B, K, *grid), part of the graph that leads to the scores.
        layout: between the layer's output and the grid.
        call: which call of the module this was (a module can run many times; the last counts).
        before: outputs of the modules that had finished when the layer fired, by (path, call); only
            when recorded.
        output: the layer's whole output, as the module returned it.
        images: positions of the image inputs that the layer saw; () if that is not known.
        activation: of the network, that ``activations`` are taken after: "relu" and the like; ""
            for the layer's output as it is.
        pre: whether that was requested, with ``:pre`` behind the layer's name.
        misplaced: why its grid does not lie over the image that it saw.
        kept: whether the scores also depend on an output that the model kept in an attribute, which
            a replay of what follows the layer would leave as it is.
        partial: whether the scores also depend on an earlier call by a way that does not pass this
            one.
    """

    ref: LayerRef
    activations: Tensor
    layout: Layout
    call: int
    before: dict[tuple[str, int], Any] = field(default_factory=dict)
    output: Any = None
    images: tuple[int, ...] = (0,)
    activation: str = ""
    pre: bool = False
    misplaced: Message | None = None
    kept: bool = False
    partial: bool = False

    @property
    def name(self) -> str:
        """The layer as results have it, by which it can be requested again."""
        return f"{self.ref}{PRE}" if self.pre else str(self.ref)

    @property
    def is_tokens(self) -> bool:
        """Whether the layer puts out a sequence of tokens, not a map."""
        tensor = main_tensor(self.output)
        if self.ref.index is not None:
            tensor = items_of(self.output)[self.ref.index]
        return tensor is not None and tensor.ndim < self.activations.ndim


def _active_modes() -> int:
    return len(_get_current_function_mode_stack())


class Watch:
    """The hooks of one forward pass, and what they gathered.

    Args:
        model: a plain module.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        refs: the requested layers.
        layouts: of their outputs.
        reader: of the output.
        record: keep what a tail replay needs.
        positive: layers of which the network uses the positive part alone.

    Attributes:
        captured: the last call of each layer.
        gridless: layers that ran without a spatial grid → shape of their output.
        calls: path → how often the module ran.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: tuple[Tensor, ...],
        refs: Sequence[LayerRef],
        layouts: LayoutOf,
        reader: OutputReader,
        record: bool,
        positive: Collection[LayerRef] = (),
    ) -> None:
        self.model, self.inputs = model, inputs
        self.positive = positive
        self.requested: dict[str, list[LayerRef]] = {}
        for ref in refs:
            if ref not in self.requested.setdefault(ref.path, []):
                self.requested[ref.path].append(ref)
        self.reader = reader
        self.record = record
        self.layouts = layouts
        self._joins = True
        self._forget()

    def _forget(self) -> None:
        self.captured: dict[LayerRef, Captured] = {}
        self.gridless: dict[str, tuple[int, ...]] = {}
        self.calls: dict[str, int] = {}
        self.done: dict[tuple[str, int], Any] = {}
        self.rectifiers = Rectifiers()
        self._follows, self._cannot_follow = False, False
        self.rectified: dict[LayerRef, Rectified] = {}
        self._of_outputs: dict[LayerRef, Any] = {}
        self._handed_on: dict[LayerRef, list[Any]] = {}

    def run(self) -> Any:
        """The forward pass; hooks are gone afterwards whatever happens.

        Returns:
            What the model returned.

        Raises:
            ModelError: the model cannot run.
            LayerError: as of :func:`keeps_pieces`.
        """
        try:
            returned = self._hooked_run()
        except ModelError as error:
            if not self._of_outputs or not keeps_pieces(error, self._of_outputs):
                raise
            self._joins = False
        else:
            if not self._cannot_follow:
                return returned
            _HAVE_A_MODE.add(self.model)
        self._forget()
        return self.run()

    def _hooked_run(self) -> Any:
        handles: list[RemovableHandle] = []
        try:
            for path, module in self._watched():
                handles += self._hooks(path, module)
            return self._forward()
        finally:
            for handle in handles:
                handle.remove()

    def _forward(self) -> Any:
        with forwarding(self.inputs) as given, self.reader.following(), ExitStack() as self._modes:
            self._depth = _active_modes()
            if self.requested and self.model in _HAVE_A_MODE:
                self._follow()
            return self.model(*given)

    def _follow(self) -> None:
        """From here on look for the ReLU behind a captured layer.

        Not earlier: a function mode costs each operation some microseconds, and an attention of
        PyTorch its fast path.
        """
        if self._follows or self._cannot_follow:
            return
        if _active_modes() != self._depth:
            # Modes end in reverse order, and the model's own, in which its layer runs, would not.
            self._cannot_follow = True
            return
        self._modes.enter_context(self.rectifiers)
        self._follows = True

    def _watched(self) -> Iterator[tuple[str, nn.Module]]:
        """The modules that get hooks; most get none, and each would take a microsecond."""
        paths = {*self.requested, self.reader.spec.logits_from}
        for path, module in named_modules(self.model):
            watched = self.record or path in paths or isinstance(module, nn.RNNBase)
            if watched and path and not isinstance(module, torch.jit.ScriptModule):
                yield path, module

    def _hooks(self, path: str, module: nn.Module) -> Iterator[RemovableHandle]:
        if path in self.requested or self.record:
            yield module.register_forward_hook(self._layer_hook(path), with_kwargs=True)
        if path == self.reader.spec.logits_from:
            yield module.register_forward_hook(self._keep_logits)
        yield from without_cudnn(module)

    def as_used(self, ref: LayerRef, pre: bool, logits: Tensor) -> Captured:
        """A captured layer as the network uses it: after its ReLU, where one follows.

        Args:
            ref: the layer.
            pre: take its output as it is.
            logits: that are explained.
        """
        captured = self.captured[ref]
        captured.kept = self._is_kept(ref, logits)
        *earlier, last = self._handed_on.get(ref, [None])
        captured.partial = bool(earlier) and has_way_past(logits, last, set(earlier))
        rectified = self.rectified.get(ref) or self.rectifiers.result((ref, captured.call), logits)
        if pre or rectified is None:
            return replace(captured, pre=pre)
        activation, activations = rectified.activation, rectified.activations
        return replace(captured, activations=activations, activation=activation)

    def _is_kept(self, ref: LayerRef, logits: Tensor) -> bool:
        """Whether scores depend on an output past what the layer's module handed on."""
        node = self._of_outputs.get(ref)
        # A replay calls the model's own hooks again.
        hooks = len(self.model.get_submodule(ref.path)._forward_hooks)
        return self.record and not hooks and node is not None and bool(users(logits, {node}))

    def _keep_logits(self, module: nn.Module, args: Any, output: Any) -> None:
        self.reader.named_logits = main_tensor(output)

    def _layer_hook(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, named: dict[str, Any], output: Any) -> Any:
            call = self.calls.get(path, 0)
            self.calls[path] = call + 1
            before = self._record(path, call, output)
            onward = output
            for ref in self.requested.get(path, ()):
                inputs = (args, named, module._buffers)
                onward = self._capture(ref, onward, call, before, inputs)
            return onward

        return hook

    def _record(self, path: str, call: int, output: Any) -> dict[tuple[str, int], Any]:
        """Keep a module's output for a replay; what had finished before it."""
        if self.record:
            # The module stands for its children from now on: a replay that stubs it skips them.
            for key in [key for key in self.done if key[0].startswith(path + ".")]:
                del self.done[key]
        before = dict(self.done) if path in self.requested else {}
        if self.record:
            self.done[path, call] = output
        return before

    def _pick(self, ref: LayerRef, output: Any) -> tuple[LayerRef, Tensor | None]:
        """The tensor of ``ref`` among a module's outputs, and ``ref`` with a positive index."""
        outputs = items_of(output)
        count = len(outputs)
        if ref.index is None:
            only = self._only_grid(ref, outputs)
            if only is None:
                return ref, main_tensor(output)
            ref = only
        index = ref.index or 0
        if count == 1 or not -count <= index < count:
            what = "one output" if count == 1 else f"{count} outputs"
            raise LayerError(
                f"layer {ref}: {ref.path} returns {what}",
                "`camlucida layers` lists what can be chosen",
            )
        item = outputs[index]
        resolved = LayerRef(ref.path, index % count)
        return resolved, item if isinstance(item, Tensor) else None

    def _only_grid(self, ref: LayerRef, outputs: Sequence[Any]) -> LayerRef | None:
        """The only one of several tensors that has a grid; None where there are not several."""
        tensors = [i for i, item in enumerate(outputs) if isinstance(item, Tensor)]
        if len(tensors) < 2:
            return None
        refs = [LayerRef(ref.path, i) for i in tensors]
        grids = [item for item in refs if self.layouts(item, outputs[item.index or 0])]
        if len(grids) != 1:
            raise LayerError(
                f"layer {ref} returns {len(outputs)} outputs",
                f"choose one: {ref}[0] to {ref}[{len(outputs) - 1}]",
            )
        return grids[0]

    def _capture(
        self,
        ref: LayerRef,
        output: Any,
        call: int,
        before: dict[tuple[str, int], Any],
        inputs: Collection[Any],
    ) -> Any:
        resolved, tensor = self._pick(ref, output)
        layout = None if tensor is None else self.layouts(resolved, tensor)
        if tensor is None or layout is None:
            self.gridless[str(ref)] = tuple(tensor.shape) if tensor is not None else ()
            return output
        activations = layout.to_grid(tensor)
        captured = Captured(resolved, activations, layout, call, before, output)
        own = self._joins and is_of_its_own(tensor, inputs)
        return self._cut(ref, captured, tensor, own)

    def _cut(self, ref: LayerRef, captured: Captured, tensor: Tensor, own: bool) -> Any:
        """Keep a layer's activations, and give what goes on instead of its output.

        Args:
            ref: the layer.
            captured: changed in place.
            tensor: of its output.
            own: whether ``tensor`` itself may join the graph. The model may have kept it, in a hook
                or an attribute, and use it past the layer's output.
        """
        if not captured.activations.requires_grad:
            # The first captured layer on this path: nothing upstream builds a graph.
            activations = captured.activations.detach()
            captured.activations = (activations.clone() if own else activations).requires_grad_()
        self.captured[ref] = captured
        with torch.enable_grad():  # a model may run its frozen part under no_grad
            self._follow()
            if ref in self.positive:
                self.rectified[ref], used = positive_part(captured.activations)
                onward = captured.layout.from_grid(used, tensor)
                self._hand_on(ref, onward)
                return replace_tensor(captured.output, tensor, onward)
            onward = captured.layout.from_grid(captured.activations, tensor)
            if onward.data_ptr() == captured.activations.data_ptr():
                # An in-place operation downstream must not touch what was captured.
                onward = onward.clone()
            self._hand_on(ref, onward)
            if own:
                with torch._C.DisableTorchFunction():  # it is not the model that takes this node
                    self._of_outputs[ref] = whole(tensor.copy_(onward)).grad_fn
            self.rectifiers.watch((ref, captured.call), tensor, onward, captured.layout)
            return replace_tensor(captured.output, tensor, onward)

    def _hand_on(self, ref: LayerRef, onward: Tensor) -> None:
        with torch._C.DisableTorchFunction():
            self._handed_on.setdefault(ref, []).append(onward.grad_fn)
