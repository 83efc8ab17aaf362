"""Figures as a user gets them."""

import pytest


@pytest.fixture(autouse=True)
def fine(fine_figures):
    """All of this folder."""
