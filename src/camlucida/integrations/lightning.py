"""A callback for Lightning that records a panel of maps after each epoch."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.integrations.training import AttentionPanel

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""Both are the same library; a trainer of one takes callbacks of that one alone."""


def attention_callback(panel: AttentionPanel) -> Any:
    """A Lightning callback: the panel before the training, then after each training epoch.

    Maps are computed in the process of rank 0 alone. The callback is of the package that is
    imported already, else of the first of :data:`PACKAGES` that is installed.

    Args:
        panel: of the cases; its folder is written to.

    Raises:
        UsageError: Lightning is not installed.
    """
    callback = _package().Callback

    class AttentionCallback(callback):  # type: ignore[misc, valid-type]
        """Records a panel of maps during training."""

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            """Record the weights with which the training begins."""
            self._record(trainer, pl_module, trainer.current_epoch)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Record the weights after an epoch."""
            self._record(trainer, pl_module, trainer.current_epoch + 1)

        @staticmethod
        def _record(trainer: Any, pl_module: Any, epoch: int) -> None:
            if trainer.is_global_zero:
                panel.record(pl_module, epoch)

    return AttentionCallback()


def _package() -> Any:
    """The module of Lightning that the user's trainer comes from."""
    imported = [name for name in PACKAGES if name in sys.modules]
    for name in (*imported, *PACKAGES):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise UsageError("the callback needs Lightning", 'pip install "camlucida[lightning]"')
