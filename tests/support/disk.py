"""Files that are not waited for: a test ends no power, and a killed process loses nothing by it."""

import os

import pytest

from camlucida.runs import ledger

SYNCHRONOUS = ledger.SYNCHRONOUS
"""As a user's run has it."""


def unsynchronised(patch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk until the patch is undone."""
    patch.setattr(os, "fsync", lambda handle: None)
    patch.setattr(ledger, "SYNCHRONOUS", "OFF")
