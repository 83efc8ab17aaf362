"""What a model's layers return, where their cells lie, and whether its score depends on them.

A model is surveyed once an input size: by one forward pass of two different images and one backward
pass. Two images show what no image changes (a table of positions, a class token); the gradient
shows what the score depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message, declare
from camlucida.models.families import Layout
from camlucida.models.grids import GridTracer, TokenGrid, differs, is_attention
from camlucida.models.layers import LayerRef, Layouts
from camlucida.models.output_choice import is_dense
from camlucida.models.state import forwarding, items_of, main_tensor, replace_tensor

declare(
    "layer",
    {
        "stem": (
            "explained at {layer}, the last layer whose grid could be traced; {later} later "
            "{later:|layer has|layers have} none (if they hold tokens, state grid and prefix)"
        ),
        "one_cell": (
            "explained at {layer}: on images of this size {usual} has one cell alone, which shows "
            "nothing of place"
        ),
    },
)

Inputs = tuple[Tensor, ...]

_HANDING_ON = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@dataclass(frozen=True)
class Firing:
    """The output of a module, in the last call that gave it a grid.

    Attributes:
        ref: the layer; with an index where the module returns several tensors.
        type: class name of the module.
        shape: of the output, for one image; its batch axis is 1 where it is known.
        cells: its grid; () without one.
        channels: K of an output with a grid, else 0.
        calls: how often the module ran.
        windows: whether it holds windows of the image, stacked along the batch.
        depends: whether it depends on the image.
        connected: whether the score depends on its cells (on the whole, without a grid); None where
            the gradient cannot show that.
        inner: whether it is passed over by ``auto``: its input handed on, or tokens that a linear
            layer made (a query, a key or a value, say).
    """

    ref: LayerRef
    type: str
    shape: tuple[int, ...]
    cells: tuple[int, ...] = ()
    channels: int = 0
    calls: int = 1
    windows: bool = False
    depends: bool = False
    connected: bool | None = None
    inner: bool = False


@dataclass(frozen=True)
class Survey:
    """The layers of a model, as they ran on images of one size.

    Attributes:
        firings: in order of completion.
        layouts: path and index → the batch axis, the shape without it, and the layout.
        dense: channels of an output with the image's axes, else 0.
    """

    firings: list[Firing]
    layouts: Mapping[LayerRef, list[tuple[int, tuple[int, ...], Layout]]]
    dense: int = 0

    def layout(self, ref: LayerRef, output: Tensor, batch: int) -> Layout | None:
        """The layout of a layer's output.

        Args:
            ref: the layer; the index says which of several outputs.
            output: as the module returned it.
            batch: number of images.

        Returns:
            None without a grid.
        """
        for axis, rest, layout in self.layouts.get(ref, ()):
            same_axes = output.ndim == len(rest) + 1 and output.shape[axis] == batch
            if same_axes and _without(tuple(output.shape), axis) == rest:
                return layout
        return None

    @property
    def auto(self) -> Firing | None:
        """The layer of ``auto``: the last of the coarsest grid that the score depends on.

        A finer one after it is a decoder. Linear projections of tokens, as inside an attention, are
        passed over. None where no layer has a grid.
        """
        candidates = [firing for firing in self.firings if firing.cells and firing.depends]
        if any(firing.connected for firing in candidates):
            candidates = [firing for firing in candidates if firing.connected]
        for wanted in (_is_single, _is_feature, self._is_no_score):
            candidates = list(filter(wanted, candidates)) or candidates
        fewest = min((math.prod(firing.cells) for firing in candidates), default=0)
        coarsest = [firing for firing in candidates if math.prod(firing.cells) == fewest]
        coarsest = list(filter(self._is_no_score, coarsest)) or coarsest
        return coarsest[-1] if coarsest else None

    def _is_no_score(self, firing: Firing) -> bool:
        return firing.channels != self.dense

    @property
    def note(self) -> Message | None:
        """What is to be said of ``auto``: that it fell back to a stem, or a patch embedding."""
        auto = self.auto
        if auto is None:
            return None
        position = self.firings.index(auto)
        laid = sum(bool(firing.cells and firing.connected) for firing in self.firings)
        later = self.firings[position + 1 :]
        unlaid = sum(bool(_is_unlaid(firing)) for firing in later)
        if unlaid <= laid:
            return None
        return Message("layer.stem", {"layer": str(auto.ref), "later": unlaid})


def _is_single(firing: Firing) -> bool:
    return firing.ref.index is None


def _is_feature(firing: Firing) -> bool:
    return not firing.inner


def _is_unlaid(firing: Firing) -> bool:
    return not firing.cells and len(firing.shape) > 2 and firing.connected is True


def _main(returned: Any, images: Tensor) -> Tensor | None:
    return main_tensor(returned)


def survey(
    model: nn.Module,
    inputs: Inputs,
    score: Callable[[Any, Tensor], Tensor | None] = _main,
    logits_from: str | None = None,
    stated: TokenGrid | None = None,
    image: int = 0,
) -> Survey:
    """Run the model once and see what its layers return.

    Call it inside :func:`camlucida.models.state.frozen`.

    Args:
        model: a plain module.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        score: of what the model returns for images (B, C, *spatial), the tensor that is explained.
        logits_from: path of a module whose output is explained instead.
        stated: what the user states of tokens.
        image: position of the input whose size the grids are of.

    Raises:
        ModelError: the model cannot run on these inputs.
    """
    # A model may be for one image alone, or forbid gradients inside: then less can be seen.
    attempts = [(_two_images(inputs), True), (_two_images(inputs), False)]
    attempts += [(inputs, True), (inputs, False)]
    error: ModelError | None = None
    for images, differentiable in attempts:
        run = _Run(model, images, differentiable, stated, logits_from, image)
        try:
            with torch.random.fork_rng(devices=[]):
                output = run.forward()
        except ModelError as failure:
            error = failure
            continue
        explained = score(output, images[0]) if run.named is None else run.named
        return run.survey(explained)
    assert error is not None
    raise error


def _two_images(inputs: Inputs) -> Inputs:
    """The first image, and the same with noise."""
    images, batch = inputs[0], len(inputs[0])
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for x in inputs:
        if x.ndim == 0 or len(x) != batch:
            pairs.append(x)
            continue
        first = x.detach()[:1]
        second = first
        if x.ndim == images.ndim and x.is_floating_point():
            noise = torch.randn(first.shape, generator=generator).to(first)
            spread = float(first.float().std(correction=0)) or 1.0
            second = first + spread * noise
        pairs.append(torch.cat([first, second]))
    return tuple(pairs)


@dataclass
class _Run:
    """One forward pass with hooks on every module.

    Attributes:
        inputs: two different images; or the user's, where the model takes no others.
        differentiable: whether the images require a gradient.
        firings: what the modules returned.
        tensors: the outputs of at least three axes, part of the graph where they are.
        named: what the module at ``logits_from`` returned.
    """

    model: nn.Module
    inputs: Inputs
    differentiable: bool
    stated: TokenGrid | None
    logits_from: str | None = None
    image: int = 0
    firings: dict[LayerRef, Firing] = field(default_factory=dict)
    tensors: dict[LayerRef, Tensor] = field(default_factory=dict)
    named: Tensor | None = None
    layouts: dict[LayerRef, list[tuple[int, tuple[int, ...], Layout]]] = field(default_factory=dict)
    current: dict[LayerRef, Layout] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        images = self.inputs[self.image]
        size = tuple(images.shape[2:])
        self.batch = len(images)
        self.family = Layouts(self.model, size)
        channels = images.shape[1] if images.ndim > 1 else 1
        self.tracer = GridTracer(size, channels, self.batch, self.stated)

    def forward(self) -> Any:
        """Run the model; hooks are gone afterwards whatever happens."""
        handles = []
        for path, module in self.model.named_modules():
            if path and not isinstance(module, torch.jit.ScriptModule):
                handles.append(module.register_forward_hook(self._hook(path)))
        try:
            with forwarding(self.inputs):
                return self.model(*map(self._input, self.inputs))
        finally:
            for handle in handles:
                handle.remove()

    def _input(self, x: Tensor) -> Tensor:
        x = x.detach()
        if not self.differentiable or not x.is_floating_point():
            return x
        # A clone, for a model may change its input in place.
        return x.requires_grad_().clone()

    def _hook(self, path: str) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            self.calls[path] = self.calls.get(path, 0) + 1
            onward = self._note(path, module, args, output)
            if path == self.logits_from:
                self.named = main_tensor(onward)
            return onward

        return hook

    def _note(self, path: str, module: nn.Module, args: Any, output: Any) -> Any:
        """Note each tensor of an output, and give what goes on instead of it."""
        items = items_of(output)
        tensors = [(i, item) for i, item in enumerate(items) if isinstance(item, Tensor)]
        if len(tensors) < 2:
            tensor = main_tensor(output)
            if tensor is None:
                self._keep(Firing(LayerRef(path), type(module).__name__, ()), None, None)
                return output
            return self._note_tensor(LayerRef(path), module, args, output, tensor)
        for index, tensor in tensors:
            output = self._note_tensor(LayerRef(path, index), module, args, output, tensor)
        return output

    def _note_tensor(
        self, ref: LayerRef, module: nn.Module, args: Any, output: Any, tensor: Tensor
    ) -> Any:
        layout = self._layout(ref.path, module, args, tensor)
        depends = self._depends(tensor)
        graph = tensor if tensor.is_floating_point() and tensor.ndim > 2 else None
        if layout is not None and depends and not tensor.requires_grad:
            # Behind a part of the model that forbids gradients: the graph starts here.
            graph = tensor.detach().requires_grad_()
            with torch.enable_grad():
                output = replace_tensor(output, tensor, graph.clone())
        firing = Firing(
            ref,
            type(module).__name__,
            self._one_image(tensor, depends),
            windows=depends and self.tracer.windows(tensor),
            depends=depends,
        )
        if layout is not None:
            grid = layout.to_grid(tensor).shape
            projection = isinstance(module, nn.Linear) and tensor.ndim == 3
            # An activation in place returns its input too, with other values.
            handed_on = isinstance(module, _HANDING_ON) and any(item is tensor for item in args)
            inner = projection or handed_on
            firing = replace(firing, cells=tuple(grid[2:]), channels=grid[1], inner=inner)
        self._keep(firing, layout, graph)
        return output

    def _layout(self, path: str, module: nn.Module, args: Any, tensor: Tensor) -> Layout | None:
        if not tensor.is_floating_point():
            return None
        traced = self.tracer(module, args, tensor)
        whole = tensor.ndim > 2 and tensor.shape[0] == self.batch
        if whole and not is_attention(tensor):
            return self.family(path, tensor) or traced
        return traced

    def _depends(self, tensor: Tensor) -> bool:
        if tensor.requires_grad or not tensor.is_floating_point():
            return tensor.requires_grad
        if len(self.inputs[0]) != 2:
            return not self.differentiable or not torch.is_grad_enabled()
        axis = 0 if tensor.ndim and tensor.shape[0] == self.batch else 1
        return tensor.ndim > axis and differs(tensor.movedim(axis, 0))

    def _one_image(self, tensor: Tensor, depends: bool) -> tuple[int, ...]:
        shape = tuple(tensor.shape)
        if not depends or not shape or shape[0] % self.batch:
            return shape
        return (shape[0] // self.batch, *shape[1:])

    def _keep(self, firing: Firing, layout: Layout | None, tensor: Tensor | None) -> None:
        """Of a module that is used with and without a grid, the last call with one is kept."""
        ref = firing.ref
        before = self.firings.get(ref)
        if layout is not None and tensor is not None:
            axis = 0 if tensor.shape[0] == self.batch else 1
            rest = _without(tuple(tensor.shape), axis)
            self.layouts.setdefault(ref, []).insert(0, (axis, rest, layout))
        if before is not None and before.cells and layout is None:
            self.firings[ref] = replace(before, calls=self.calls[ref.path])
            return
        self.firings.pop(ref, None)  # to the end of the order
        self.firings[ref] = replace(firing, calls=self.calls[ref.path])
        self.tensors.pop(ref, None)
        self.current.pop(ref, None)
        if tensor is not None:
            self.tensors[ref] = tensor
        if layout is not None:
            self.current[ref] = layout

    def survey(self, score: Tensor | None) -> Survey:
        """What was seen, with the layers that ``score`` depends on."""
        connected = self._connected(score)
        firings = [
            replace(firing, connected=connected.get(ref)) for ref, firing in self.firings.items()
        ]
        dense = 0
        images = self.inputs[0]
        if score is not None and score.ndim > 2 and is_dense(score, images):
            dense = score.shape[1]
        return Survey(firings, self.layouts, dense)

    def _connected(self, score: Tensor | None) -> dict[LayerRef, bool]:
        """Whether the gradient reaches the cells of each layer; {} where it shows nothing."""
        if score is None or not score.requires_grad:
            return {}
        refs = [ref for ref, tensor in self.tensors.items() if tensor.requires_grad]
        # Weights drawn at random: the sum of a softmax has no gradient.
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(score.shape, generator=generator).to(score)
        tensors = [self.tensors[ref] for ref in refs]
        try:
            gradients = torch.autograd.grad(score, tensors, weights, allow_unused=True)
        except (RuntimeError, NotImplementedError):
            return {}
        reached = dict.fromkeys(self.tensors, False)
        reached |= {ref: gradient is not None for ref, gradient in zip(refs, gradients)}
        nonzero = {}
        for ref, gradient in zip(refs, gradients):
            layout = self.current.get(ref)
            if gradient is not None and layout is not None:
                gradient = layout.to_grid(gradient)
            nonzero[ref] = gradient is not None and bool(gradient.any())
        # A saturated output has no gradient anywhere, which shows nothing.
        return {**reached, **nonzero} if any(nonzero.values()) else reached


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])
