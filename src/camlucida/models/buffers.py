"""Buffers that a network changes in evaluation mode: a counter, a running mean, a code book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from camlucida.core.tensors import same_values, version


@contextmanager
def buffers_kept(model: nn.Module, modules: Sequence[nn.Module]) -> Iterator[None]:
    """Every pass inside begins with the buffers as they are now, and they are so afterwards.

    So the score of an image is that of the next pass, whichever passes find out about the model
    first. Batch norms change nothing in evaluation mode, and most networks have no other buffers: a
    copy costs next to nothing.

    Args:
        model: a plain module, which is called as a whole.
        modules: its parts, and itself.

    >>> class Counts(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.register_buffer("passes", torch.zeros(()))
    ...
    ...     def forward(self, x):
    ...         self.passes += 1
    ...         return x + self.passes
    >>> net = Counts()
    >>> with buffers_kept(net, [net]):
    ...     net(torch.zeros(1)), net(torch.zeros(1))
    (tensor([1.]), tensor([1.]))
    >>> net.passes
    tensor(0.)
    """
    kept = [_Kept.of(module) for module in modules if _may_change(module)]
    if not kept:
        yield
        return

    def put_back(*_: Any) -> None:
        for each in kept:
            each.put_back(during=True)

    # First of all hooks, for a hook of the user's own may be what changes a buffer.
    handle = model.register_forward_pre_hook(put_back, prepend=True)
    try:
        yield
    finally:
        handle.remove()
        for each in kept:
            each.put_back(during=False)


def _may_change(module: nn.Module) -> bool:
    if not module._buffers or isinstance(module, (_NormBase, torch.jit.ScriptModule)):
        return False
    return any(buffer is not None for buffer in module._buffers.values())


@dataclass
class _Kept:
    """The buffers of one module as they were.

    Attributes:
        module: that has them.
        buffers: name → the buffer itself.
        values: name → a copy.
        versions: name → how often the buffer had been changed in place, when it was last as kept.
        attributes: of the module, beside which the buffers are valid.
    """

    module: nn.Module
    buffers: dict[str, Tensor]
    values: dict[str, Tensor]
    versions: dict[str, int]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, module: nn.Module) -> _Kept:
        named = module._buffers.items()
        buffers = {name: buffer for name, buffer in named if buffer is not None}
        values = {name: buffer.detach().clone() for name, buffer in buffers.items()}
        versions = {name: version(buffer) for name, buffer in buffers.items()}
        return cls(module, buffers, values, versions, _attributes(module))

    def put_back(self, during: bool) -> None:
        """Bring the buffers to their values.

        Args:
            during: whether a pass follows: on a GPU, values are then not compared, for which it
                would be waited.
        """
        # A cache goes with an attribute that says for which size it is: it is left as it is.
        beside_same = _same_objects(self.attributes, _attributes(self.module))
        for name, buffer in self.buffers.items():
            if beside_same:
                self.module._buffers[name] = buffer
            if self._is_changed(name, compare=not during or buffer.device.type == "cpu"):
                with torch.no_grad():
                    buffer.copy_(self.values[name])
                self.versions[name] = version(buffer)

    def _is_changed(self, name: str, compare: bool) -> bool:
        """Whether a buffer was changed in place, also by ``data`` or NumPy, which counts nowhere.

        Args:
            name: of the buffer.
            compare: whether the values are compared.
        """
        buffer = self.buffers[name]
        if version(buffer) != self.versions[name]:
            return True
        return compare and _is_plain(buffer) and not same_values(buffer, self.values[name])


def _is_plain(buffer: Tensor) -> bool:
    return type(buffer) is Tensor and buffer.layout == torch.strided and not buffer.is_meta


def _attributes(module: nn.Module) -> dict[str, Any]:
    names = vars(module).keys() - {"training", "forward"}
    return {name: vars(module)[name] for name in names if not name.startswith("_")}


def _same_objects(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return first.keys() == second.keys() and all(first[key] is second[key] for key in first)
