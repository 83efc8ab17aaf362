"""Sentences of the report of a segmentation study."""

from types import SimpleNamespace

import pytest

from camlucida.models.assumptions import RecognisedCard
from camlucida.models.card import Card
from camlucida.workflows.segmentation.report import model_messages


@pytest.mark.parametrize("description", ["Trained on films.", "Trained on films"])
def test_a_description_has_one_full_stop(description):
    model = {"name": "net", "sha256": "0"}
    run = SimpleNamespace(run=SimpleNamespace(about={"models": [model]}), layers=[])
    card = Card(factory="net.py:build", description=description)
    lines = [str(line) for line in model_messages(run, RecognisedCard(card, None))]
    assert "The model: Trained on films." in lines
