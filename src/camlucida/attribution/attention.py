"""The attentions of a forward pass, with their probabilities on the graph.

A function mode sees every attention, fused or written by hand, a module's or a bare function's, and
nothing of the model is patched. Outside of it no probabilities are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from camlucida.attribution.graph_nodes import may_hook


def _seen_from_inside() -> Callable[..., Any]:
    """``F.multi_head_attention_forward`` that hands its steps, not itself, to a function mode."""
    whole: Any = F.multi_head_attention_forward
    names = {**vars(F), "has_torch_function": lambda tensors: False}
    copy = FunctionType(whole.__code__, names, whole.__name__, whole.__defaults__)
    copy.__kwdefaults__ = whole.__kwdefaults__
    return copy


_multi_head_attention = _seen_from_inside()


@dataclass(frozen=True)
class Weighted:
    """What an attention weighs.

    Attributes:
        values: (B, heads, keys, d).
        node: of the graph, which stands for their sums, (B, heads, queries, d).
    """

    values: Tensor
    node: Any


class Attentions(TorchFunctionMode):
    """While it is active, attention probabilities are kept, and the outputs depend on them.

    Where gradients are enabled the probabilities are on a graph, which starts at the first of them
    if not before.

    Args:
        start: number of the attention at which the graph starts instead, if not before.

    Attributes:
        probabilities: (B, heads, queries, keys) of each attention, in the order in which they ran;
            (B·heads, queries, keys) where the model has it so.
        hooked: whether the model may have put a hook on a tensor or a node of the graph.
        weighted: number of an attention in this order → what it weighs; of fused attentions.

    >>> x = torch.rand(1, 2, 5, 4, requires_grad=True)
    >>> with Attentions() as attentions:
    ...     y = F.scaled_dot_product_attention(x, x, x)
    >>> attentions.probabilities[0].shape
    torch.Size([1, 2, 5, 5])
    >>> torch.allclose(y, F.scaled_dot_product_attention(x, x, x))
    True
    """

    def __init__(self, start: int = 0) -> None:
        super().__init__()
        self._start = start
        self.probabilities: list[Tensor] = []
        self.weighted: dict[int, Weighted] = {}
        self.hooked = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function, an attention step by step."""
        kwargs = kwargs or {}
        self.hooked = self.hooked or may_hook(func)
        if func is F.multi_head_attention_forward:
            with self:
                return _multi_head_attention(*_contiguous(args), **kwargs)
        if func is F.scaled_dot_product_attention:
            return self._scaled_dot_product(*args, **kwargs)
        result = func(*args, **kwargs)
        if getattr(func, "__name__", "") == "softmax" and _over_keys(result, args, kwargs):
            self._keep(result)
        return result

    def _keep(self, probabilities: Tensor) -> None:
        on_graph = torch.is_grad_enabled() and len(self.probabilities) >= self._start
        if on_graph and not probabilities.requires_grad:
            probabilities.requires_grad_()
        self.probabilities.append(probabilities)

    def _scaled_dot_product(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """The arithmetic of ``F.scaled_dot_product_attention`` and its arguments."""
        if enable_gqa:
            repeats = query.shape[-3] // key.shape[-3]
            key, value = (x.repeat_interleave(repeats, -3) for x in (key, value))
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        scores = query @ key.mT * scale
        if is_causal:
            attn_mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        probabilities = scores.softmax(-1)
        self._keep(probabilities)
        mixed = F.dropout(probabilities, dropout_p) @ value
        if not dropout_p and probabilities.requires_grad:
            self.weighted[len(self.probabilities) - 1] = Weighted(value.detach(), mixed.grad_fn)
        return mixed


def _contiguous(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with query, key and value in one piece, where they are one tensor.

    They come transposed from a module with ``batch_first``, and PyTorch then projects each token by
    a product of its own, at several times the cost.
    """
    if len(args) < 3 or not (args[0] is args[1] is args[2]):
        return args
    tokens = args[0].contiguous()
    return (tokens, tokens, tokens, *args[3:])


def _over_keys(result: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a softmax is that of an attention: over the last of enough axes."""
    axis = kwargs["dim"] if "dim" in kwargs else args[1] if len(args) > 1 else None
    if result.ndim < 3 or axis not in (-1, result.ndim - 1):
        return False
    # Three axes can be anything; a softmax over as many tokens as there are rows is an attention.
    return result.ndim > 3 or result.shape[-1] == result.shape[-2]
