"""What a model's layers return, where their cells lie, and whether its score depends on them.

A model is surveyed once an input size: by one forward pass of two different images and a backward
pass that goes no further than the layer which ``auto`` takes. Two images show what no image changes
(a table of positions, a class token); the gradient shows what the score depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.core.noise import generator_kept, random_state
from camlucida.models.cell_order import BESIDE, SPOT, CellOrder, Spot, changed_spot, needs_order
from camlucida.models.families import Layout
from camlucida.models.firings import Firing, Survey, without
from camlucida.models.grids import GridTracer, TokenGrid, differs, is_attention
from camlucida.models.image_pairs import different_pair, equal_pair
from camlucida.models.layers import LayerRef, Layouts, resolve
from camlucida.models.libraries import is_inside_a_library
from camlucida.models.output_choice import is_dense
from camlucida.models.score_gradients import ScoreGradients
from camlucida.models.state import forwarding, items_of, main_tensor, replace_tensor
from camlucida.models.token_places import SPOTS, TokenPlaces

Inputs = tuple[Tensor, ...]

_HANDING_ON = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def _main(returned: Any, images: Tensor) -> Tensor | None:
    return main_tensor(returned)


def survey(
    model: nn.Module,
    inputs: Inputs,
    score: Callable[[Any, Tensor], Tensor | None] = _main,
    logits_from: str | None = None,
    stated: TokenGrid | None = None,
    image: int = 0,
    whole: bool = False,
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
        whole: take the gradient of every layer, not only of those from ``auto`` on.

    Raises:
        ModelError: the model cannot run on these inputs.
    """
    # A model may be for one image alone, or forbid gradients inside: then less can be seen.
    attempts = [(different_pair(inputs), True), (different_pair(inputs), False)]
    attempts += [(inputs, True), (inputs, False)]
    error: ModelError | None = None
    for images, differentiable in attempts:
        run = _Run(model, images, differentiable, stated, logits_from, image)
        try:
            with generator_kept():
                before = random_state(images[0].device)
                output = run.forward()
                run.draws = not torch.equal(before, random_state(images[0].device))
        except ModelError as failure:
            error = failure
            continue
        explained = score(output, images[0]) if run.named is None else run.named
        run.place_cells()
        run.order_cells()
        return run.survey(explained, whole)
    assert error is not None
    raise error


@dataclass
class _Run:
    """One forward pass with hooks on every module.

    Attributes:
        inputs: two different images; or the user's, where the model takes no others.
        differentiable: whether the images require a gradient.
        firings: what the modules returned.
        tensors: the outputs of at least three axes, part of the graph where they are.
        named: what the module at ``logits_from`` returned.
        leaves: the inputs that the model ran on, as the graph knows them.
        draws: whether the model draws random numbers: it may leave out tokens by them.
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
    leaves: list[Tensor] = field(default_factory=list)
    draws: bool = False

    def __post_init__(self) -> None:
        images = self.inputs[self.image]
        size = tuple(images.shape[2:])
        self.batch = len(images)
        self.family = Layouts(self.model, size)
        channels = images.shape[1] if images.ndim > 1 else 1
        beside = [tuple(x.shape[2:]) for x in self.inputs if x is not images]
        self.tracer = GridTracer(size, channels, self.batch, self.stated, beside)

    def forward(self) -> Any:
        """Run the model; hooks are gone afterwards whatever happens."""
        handles = []
        for path, module in self.model.named_modules():
            if path and not isinstance(module, torch.jit.ScriptModule):
                handles.append(module.register_forward_hook(self._hook(path)))
        try:
            with forwarding(self.inputs), self.family.following():
                return self.model(*map(self._input, self.inputs))
        finally:
            for handle in handles:
                handle.remove()

    def _input(self, x: Tensor) -> Tensor:
        x = x.detach()
        self.leaves.append(x)
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
            unordered=tensor in self.tracer.chosen,
            complex=tensor.is_complex(),
        )
        if layout is not None:
            grid = layout.to_grid(tensor).shape
            inner = _is_inner(module, args, tensor)
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
            rest = without(tuple(tensor.shape), axis)
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

    def place_cells(self) -> None:
        """See by further passes where cells lie among tokens, and whether at their place."""
        options = self._token_options()
        places = self._token_places(options) if options else {}
        for ref, layouts in options.items():
            place = places.get(ref)
            if place is None and self.current[ref] in self.tracer.unlikely:
                self._reorder(ref, None, unordered=False)
            elif place == -1:
                self._reorder(ref, None)
            elif place is not None and len(layouts) > 1:
                self._reorder(ref, layouts[place])

    def _token_options(self) -> dict[LayerRef, Sequence[Layout]]:
        """What the layouts of tokens can be; of networks that keep places, where it is not sure."""
        options: dict[LayerRef, Sequence[Layout]] = {}
        for ref, layout in self.current.items():
            if self.tensors[ref].ndim != 3 or self.family.covers(ref.path):
                continue
            if layout in self.tracer.options:
                options[ref] = self.tracer.options[layout]
            elif not is_inside_a_library(self.model, ref.path):
                options[ref] = [layout]
        return options

    def _token_places(
        self, options: Mapping[LayerRef, Sequence[Layout]]
    ) -> Mapping[LayerRef, int | None]:
        """:meth:`TokenPlaces.places`; nothing where the model cannot show them."""
        axes = self.inputs[self.image].ndim - 2
        if self.batch != 2 or not 0 < axes <= 3 or self.tracer.is_stated:
            return {}
        shapes = {ref: tuple(self.tensors[ref].shape) for ref in self.current}
        places = TokenPlaces(self.current, options, shapes)
        ran = [self._run_spot(places.run, spot[-axes:]) for spot in SPOTS]
        return places.places() if all(ran) else {}

    def order_cells(self) -> None:
        """See by one more forward pass in which order cells lie, where no shape shows it."""
        images = self.inputs[self.image]
        shapes = {ref: tuple(self.tensors[ref].shape) for ref in self.current}
        own = [ref for ref in shapes if not self.family.covers(ref.path)]
        unsure = [ref for ref in own if needs_order(self.current[ref], shapes[ref])]
        can_be_seen = images.ndim == 4 and self.batch == 2 and not self.tracer.is_stated
        if not unsure or not can_be_seen:
            return
        order = CellOrder({ref: self.current[ref] for ref in own}, shapes)
        if not self._run_order(order):
            return
        for ref, shown in order.orders.items():
            self._reorder(ref, shown)
        self._check_guessed(unsure, shapes)

    def _check_guessed(
        self, refs: Sequence[LayerRef], shapes: Mapping[LayerRef, tuple[int, ...]]
    ) -> None:
        """Refuse grids that were guessed from the number of tokens, and are others."""
        guessed = self._guessed(refs, shapes)
        for spot in (SPOT, BESIDE) if guessed else ():
            order = CellOrder(guessed, shapes, spot, guessed=True)
            if not self._run_order(order):
                return
            for ref in guessed:
                # Also where no layer of the grid shows that it is one.
                shown = ref not in order.orders and self.firings[ref].cells in order.of_tokens
                if not shown and not self.firings[ref].unordered:
                    self._reorder(ref, None)

    def _guessed(
        self, refs: Sequence[LayerRef], shapes: Mapping[LayerRef, tuple[int, ...]]
    ) -> dict[LayerRef, Layout]:
        """Layers of tokens on a grid that no map has, but those of networks that keep places."""
        maps = {self.firings[ref].cells for ref, shape in shapes.items() if len(shape) > 3}
        guessed = {}
        for ref in refs:
            known = self.firings[ref].cells in maps or self.firings[ref].unordered
            trusted = not self.draws and is_inside_a_library(self.model, ref.path)
            if ref in self.current and not known and not trusted:
                guessed[ref] = self.current[ref]
        return guessed

    def _run_order(self, order: CellOrder) -> bool:
        return self._run_spot(lambda model, inputs, spot: order.run(model, inputs), order.spot)

    def _run_spot(self, run: Callable[[nn.Module, Inputs, Spot], None], spot: Spot) -> bool:
        """Run the model on an image and on that with another spot; whether it ran."""
        inputs = equal_pair(self.inputs)
        inputs[self.image] = changed_spot(self.inputs[self.image], spot)
        try:
            with generator_kept():
                run(self.model, tuple(inputs), spot)
        except ModelError:
            return False
        return True

    def _reorder(self, ref: LayerRef, layout: Layout | None, unordered: bool = True) -> None:
        self.current.pop(ref)
        tensor = self.tensors[ref]
        axis = 0 if tensor.shape[0] == self.batch else 1
        rest = without(tuple(tensor.shape), axis)
        known = [entry for entry in self.layouts[ref] if entry[:2] != (axis, rest)]
        if layout is None:
            firing = replace(self.firings[ref], cells=(), channels=0, unordered=unordered)
            self.firings[ref] = firing
        else:
            self.current[ref] = layout
            known.insert(0, (axis, rest, layout))
            channels = layout.to_grid(tensor).shape[1]
            self.firings[ref] = replace(self.firings[ref], channels=channels)
        self.layouts[ref] = known

    def survey(self, score: Tensor | None, whole: bool) -> Survey:
        """What was seen, with the layers that ``score`` depends on."""
        images = self.inputs[0]
        is_map = score is not None and score.ndim > 2 and is_dense(score, images)
        dense = score.shape[1] if score is not None and is_map else 0
        seen = Survey(list(self.firings.values()), self.layouts, dense)
        if score is None or not score.requires_grad:
            return seen
        gradients = ScoreGradients(score, self.tensors, self.current)
        if whole:
            seen = gradients.test_all(seen)
        else:
            seen = gradients.test_candidates(seen, resolve(self.model, "auto"))
        return self._with_trunk(seen, gradients)

    def _with_trunk(self, seen: Survey, gradients: ScoreGradients) -> Survey:
        """The survey with the last layer that all of the image passes, or that there is none.

        A gate on a coarser grid, or the lowest level of an encoder with a decoder, is beside the
        way that most of the image takes. A network of several branches has no layer that all of
        the image passes; of branches for a label each, the layer before them counts.
        """
        coarsest, image = seen.auto, self.leaves[self.image]
        if coarsest is None or seen.dense or not gradients.has_path_around(coarsest.ref, image):
            return seen
        later = seen.firings[seen.firings.index(coarsest) + 1 :]
        for firing in reversed(seen.candidates):
            if firing in later and not gradients.has_path_around(firing.ref, image):
                return replace(seen, trunk=firing.ref)
        shared = gradients.shared(seen.candidates, coarsest)
        beside = gradients.has_path_around(shared.ref, image)
        return replace(seen, trunk=shared.ref, branched=beside)


def _is_inner(module: nn.Module, args: Any, tensor: Tensor) -> bool:
    """Whether ``auto`` passes over an output: :attr:`Firing.inner`."""
    projection = isinstance(module, nn.Linear) and tensor.ndim == 3
    # An activation in place returns its input too, with other values.
    handed_on = isinstance(module, _HANDING_ON) and any(item is tensor for item in args)
    # A step of a recurrent layer holds what came before it, the last one often alone.
    return projection or handed_on or isinstance(module, nn.RNNBase)
