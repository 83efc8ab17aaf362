"""Processes that begin as copies of one that has imported all: the imports take seconds."""

import multiprocessing
from types import SimpleNamespace

import pytest

IMPORTED = ["torchvision.models", "camlucida.web.inference", "camlucida.web.calls"]
"""By the process of which the workbench's are copies."""


def copied(patch: pytest.MonkeyPatch) -> None:
    """The workbench's processes of models are copies until the patch is undone."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    contexts = SimpleNamespace(get_context=lambda method: context)
    patch.setattr("camlucida.web.worker.multiprocessing", contexts)
