"""Methods of many passes, with few of them."""

import pytest

FEW = {
    "rise.MASKS": 16,
    "occlusion.CELLS": 4,
    "smoothgrad.SAMPLES": 3,
    "smooth_gradcam_pp.SAMPLES": 3,
    "sscam.SAMPLES": 2,
    "iscam.STEPS": 2,
    "expected_gradients.REFERENCES": 2,
    "expected_gradients.NODES": 4,
    "integrated_gradients.NODES": 4,
    "layer_integrated_gradients.NODES": 4,
    "xrai.NODES": 4,
    "xrai.SIDE": 32,
    "xrai.SMALLEST": 3,
}
"""Of a method's file, a number of passes, or the size at which it works."""


@pytest.fixture
def few_passes(monkeypatch):
    """For properties that do not depend on how many passes a method makes."""
    for name, value in FEW.items():
        monkeypatch.setattr(f"camlucida.attribution.methods.{name}", value)
