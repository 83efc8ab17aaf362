"""What is found out of a model once, and remembered while its parts stay the same."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

from torch import nn

from camlucida.models.walk import parts_hash

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Findings on models, for as long as each lives.

    A user may change a network's parts between two calls: its findings are then forgotten. Weights
    that change do not make it forget.

    >>> remembered: Remembered[str, int] = Remembered()
    >>> network = nn.Sequential(nn.ReLU())
    >>> remembered.of(network)["layers"] = 1
    >>> remembered.of(network)
    {'layers': 1}
    >>> network[0] = nn.GELU()
    >>> remembered.of(network)
    {}
    """

    def __init__(self) -> None:
        self._findings: weakref.WeakKeyDictionary[nn.Module, tuple[int, dict[K, V]]] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, model: nn.Module) -> dict[K, V]:
        """The findings on a model as it is now, to be read and added to.

        Args:
            model: any module.
        """
        parts = parts_hash(model)
        known, findings = self._findings.get(model, (None, {}))
        if known != parts:
            findings = {}
            self._findings[model] = parts, findings
        return findings
