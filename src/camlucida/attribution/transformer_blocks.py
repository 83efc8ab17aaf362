"""The blocks of a transformer: what a head would say of the tokens behind each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.attention import Attentions
from camlucida.attribution.probe import Stub
from camlucida.models.state import main_tensor, replace_tensor
from camlucida.models.walk import named_modules


@dataclass(frozen=True)
class Block:
    """A call of a module around one attention, from tokens to as many tokens.

    Attributes:
        path: of the module.
        call: number of the call.
        args, kwargs: of the call.
        given: the tokens among these.
        tokens: behind the block.
        output: the whole of what the module returned.
    """

    path: str
    call: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: Tensor
    tokens: Tensor
    output: Any

    def run(self, module: nn.Module, tokens: Tensor) -> Any:
        """Call the module as it was called, but for the tokens.

        Args:
            module: of the path.
            tokens: (B, n, D).
        """
        args = [tokens if value is self.given else value for value in self.args]
        kwargs = {
            name: tokens if value is self.given else value for name, value in self.kwargs.items()
        }
        return module(*args, **kwargs)


class Blocks:
    """Notes, while a model runs, the blocks around its attentions.

    The block of an attention is the outermost module that runs this one alone, and returns tokens
    of the shape that it is given.

    Args:
        module: the model.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._blocks: dict[int, Block] = {}
        self._calls: Counter[str] = Counter()

    @contextmanager
    def noted(self, attentions: Attentions) -> Iterator[None]:
        """Forward passes run inside; blocks are known of the last.

        Args:
            attentions: active in the same pass.
        """
        # A survey runs the model, too: each pass counts its calls anew.
        handles = [self._module.register_forward_pre_hook(lambda module, args: self._calls.clear())]
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
                call = self._calls[path]
                block = Block(path, call, args, kwargs, given, made, output)
                self._blocks[id(probabilities[start])] = block
            self._calls[path] += 1

        return before, after

    def skipping(self, layers: Sequence[Tensor]) -> list[dict[str, dict[int, Stub]]] | None:
        """For each layer but the last, what makes the head read the tokens behind its block.

        Args:
            layers: attention probabilities, in order.

        Returns:
            Path → number of the call → what the block returns instead, for
            :func:`~camlucida.attribution.probe.replaced`; None where the blocks are not modules of
            which each takes what the one before it returns.
        """
        blocks = self.around(layers)
        known = [block for block in blocks if block is not None]
        follow = all(_same(before.tokens, block.given) for before, block in pairwise(known))
        if len(known) < len(blocks) or not follow:
            return None
        return [_all_return(known, block.tokens) for block in known[:-1]]

    def around(self, layers: Sequence[Tensor]) -> list[Block | None]:
        """The block of each attention; None where it has none.

        Args:
            layers: attention probabilities.
        """
        return [self._blocks.get(id(layer)) for layer in layers]


def _same(tokens: Tensor, given: Tensor) -> bool:
    """Whether a block is given the tokens of another; the output of a captured layer is a copy."""
    return tokens is given or torch.equal(tokens, given)


def _all_return(blocks: Sequence[Block], tokens: Tensor) -> dict[str, dict[int, Stub]]:
    stubs: dict[str, dict[int, Stub]] = {}
    for block in blocks:
        stubs.setdefault(block.path, {})[block.call] = _returning(block, tokens)
    return stubs


def _returning(block: Block, tokens: Tensor) -> Stub:
    changed = replace_tensor(block.output, block.tokens, tokens)
    return lambda run: changed
