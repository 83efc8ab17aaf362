"""Tokens that a network chooses, or puts in an order, by the image: their places are not known.

Pruning and sorting copy rows of an earlier layer. Of two different images, other rows are copied.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MOST = 0.75
"""The share of tokens that must be copies; a few may be merged from others."""

_KEPT = 12
"""Layers with as many tokens that are remembered."""


class ChosenTokens:
    """Follows the tokens of a run of two images from layer to layer."""

    def __init__(self) -> None:
        self._seen: dict[int, list[Tensor]] = {}
        self._chosen: set[int] = set()

    def __contains__(self, output: Tensor) -> bool:
        """Whether a layer's output (B, N, K) holds as many tokens as were chosen by the image."""
        return output.ndim == 3 and output.shape[1] in self._chosen

    def follow(self, given: Any, output: Tensor) -> None:
        """Note the tokens that a layer takes and puts out.

        Args:
            given: what the layer is called with.
            output: (2, N, K).

        >>> torch.manual_seed(0) and None
        >>> chosen, tokens = ChosenTokens(), torch.rand(2, 9, 4)
        >>> chosen.follow(None, tokens)
        >>> best = tokens[..., :1].topk(4, 1).indices.expand(-1, -1, 4)
        >>> pruned = tokens.gather(1, best)
        >>> chosen.follow(pruned, pruned + 1)
        >>> pruned in chosen, tokens in chosen
        (True, False)
        """
        if isinstance(given, Tensor) and given.ndim == 3 and len(given) == 2:
            self._note(_keys(given))
        self._remember(_keys(output))

    def _note(self, keys: Tensor) -> None:
        count = keys.shape[1]
        for earlier in self._seen.get(count, ()):
            if torch.equal(earlier, keys):
                return
        for number, layers in self._seen.items():
            if number >= count and any(_is_choice(keys, earlier) for earlier in layers):
                self._chosen.add(count)
        self._remember(keys)

    def _remember(self, keys: Tensor) -> None:
        layers = self._seen.setdefault(keys.shape[1], [])
        layers.append(keys)
        del layers[:-_KEPT]


def _keys(tokens: Tensor) -> Tensor:
    """A number for each token of (2, N, K): copies have the same."""
    return tokens.detach().double().sum(2)


def _is_choice(keys: Tensor, earlier: Tensor) -> bool:
    """Whether tokens are copies of earlier ones, and other copies in either image."""
    middle = keys[1, keys.shape[1] // 2]
    if not bool((earlier[1] == keys[1, 0]).any() or (earlier[1] == middle).any()):
        return False  # in most layers, and at next to no cost
    copied = [torch.isin(*pair) for pair in zip(keys, earlier)]
    if any(float(each.float().mean()) < _MOST for each in copied):
        return False
    # The second image is noise, no two of its tokens are equal.
    order = earlier[1].argsort()
    at = torch.searchsorted(earlier[1][order], keys[1]).clamp_max(len(order) - 1)
    same = earlier[0][order[at]] == keys[0]
    return not bool(same[copied[1]].all())
