"""The blocks of a transformer: what a head would say of the tokens behind each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.attention import Attentions
from camlucida.attribution.probe import Stub
from camlucida.core.tensors import version
from camlucida.models.state import main_tensor, replace_tensor
from camlucida.models.walk import named_modules


@dataclass(frozen=True)
class Block:
    """A call of a module around one attention, from tokens to as many tokens.

    Attributes:
        path: of the module.
        call: number of the call.
        given: the tokens before the block.
        tokens: behind the block.
        output: the whole of what the module returned.
    """

    path: str
    call: int
    given: Tensor
    tokens: Tensor
    output: Any


class Blocks:
    """Notes, while a model runs, the blocks around its attentions.

    The block of an attention is the outermost module that runs this one alone, and returns tokens
    of the shape that it is given.

    Args:
        module: the model.

    Attributes:
        hooked: whether the model may have put a hook on a tensor or a node of the graph.
    """

    def __init__(self, module: nn.Module) -> None:
        self.hooked = False
        self._module = module
        self._blocks: dict[int, Block] = {}
        self._paths: dict[int, str] = {}
        self._calls: Counter[str] = Counter()
        self._before: dict[tuple[str, int], tuple[Tensor, int]] = {}

    @contextmanager
    def noted(self, attentions: Attentions) -> Iterator[None]:
        """A forward pass runs inside.

        Args:
            attentions: active in the same pass.
        """

        def end(module: nn.Module, args: Any, output: Any) -> None:
            self.hooked = attentions.hooked

        handles = [self._module.register_forward_hook(end)]
        for path, module in named_modules(self._module):
            if path:
                before, after = self._hooks(path, attentions.probabilities)
                handles.append(module.register_forward_pre_hook(before))
                handles.append(module.register_forward_hook(after, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hooks(
        self, path: str, probabilities: Sequence[Tensor]
    ) -> tuple[Callable[..., None], Callable[..., None]]:
        starts: list[int] = []

        def before(module: nn.Module, args: Any) -> None:
            starts.append(len(probabilities))

        def after(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
            start = starts.pop()
            given, made = next(iter((*args, *kwargs.values())), None), main_tensor(output)
            one = len(probabilities) == start + 1
            if one and isinstance(given, Tensor) and made is not None and given.shape == made.shape:
                # Of nested modules the outermost ends last.
                attention = id(probabilities[start])
                self._paths[attention] = path
                if made.requires_grad:  # else no gradient is taken of it, and it need not be kept
                    call = self._calls[path]
                    self._blocks[attention] = Block(path, call, given, made, output)
            if not probabilities and isinstance(output, Tensor):
                self._keep(path, output)
            self._calls[path] += 1

        return before, after

    def _keep(self, path: str, output: Tensor) -> None:
        """Keep what a module before the first attention gives, which stands for its parts."""
        for key in [key for key in self._before if key[0].startswith(f"{path}.")]:
            del self._before[key]
        self._before[path, self._calls[path]] = output, version(output)

    def skipping(self, layers: Sequence[Tensor]) -> list[dict[str, dict[int, Stub]]] | None:
        """For each layer but the last, what makes the head read the tokens behind its block.

        Args:
            layers: attention probabilities, in order.

        Returns:
            Path → number of the call → what the block returns instead, and what modules before the
            first attention returned, which need not run again; for
            :func:`~camlucida.attribution.probe.replaced`; None where the blocks are not modules of
            which each takes what the one before it returns.
        """
        blocks = self.around(layers)
        known = [block for block in blocks if block is not None]
        follow = all(_same(before.tokens, block.given) for before, block in pairwise(known))
        if len(known) < len(blocks) or not follow:
            return None
        return [self._all_return(known, block.tokens) for block in known[:-1]]

    def _all_return(self, blocks: Sequence[Block], tokens: Tensor) -> dict[str, dict[int, Stub]]:
        stubs: dict[str, dict[int, Stub]] = {}
        for (path, call), (output, kept) in self._before.items():
            if version(output) == kept:  # no operation in place changed it since
                stubs.setdefault(path, {})[call] = partial(_output, output)
        for block in blocks:
            changed = replace_tensor(block.output, block.tokens, tokens)
            stubs.setdefault(block.path, {})[block.call] = partial(_output, changed)
        return stubs

    def around(self, layers: Sequence[Tensor]) -> list[Block | None]:
        """The block of each attention; None where it has none.

        Args:
            layers: attention probabilities.
        """
        return [self._blocks.get(id(layer)) for layer in layers]

    def paths(self, layers: Sequence[Tensor]) -> tuple[str, ...]:
        """The modules around attentions, in order; () where one of these has none.

        Args:
            layers: attention probabilities.
        """
        paths = [self._paths.get(id(layer)) for layer in layers]
        return tuple(path for path in paths if path is not None) if all(paths) else ()


def _same(tokens: Tensor, given: Tensor) -> bool:
    """Whether a block is given the tokens of another; the output of a captured layer is a copy."""
    return tokens is given or torch.equal(tokens, given)


def _output(output: Any, run: Callable[[], Any]) -> Any:
    """What a module returns instead of what it would return when it runs."""
    return output
