"""Every target that a page offers can be explained, whatever the task of the model."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from camlucida.core.errors import EmptyRegionError, NoEvidenceError, TargetError
from camlucida.core.messages import Message
from camlucida.io.decoded import Decoder
from camlucida.web.inference import Inference
from camlucida.web.settings import ModelEntry
from tests.support.models_on_disk import write_model
from tests.support.runs_on_disk import SEGMENTER

SEGMENTATION = """
factory = "net.py:build"
task = "segmentation"
labels = ["lesion"]
layer = "0"
[input]
size = 32
channels = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The arrays of a film with a bright square, and of a black one."""
    root = tmp_path_factory.mktemp("requested")
    grey = np.zeros((32, 32), np.uint8)
    made = Decoder()
    for name in ("none", "square"):
        buffer = BytesIO()
        Image.fromarray(grey).save(buffer, "PNG")
        (root / f"{name}.png").write_bytes(buffer.getvalue())
        (root / name).mkdir()
        made.decode(root / f"{name}.png", root / name, name)
        grey[8:24, 8:24] = 255
    made.stop()
    return root


@pytest.fixture
def inference(tmp_path):
    """Of a model a task."""
    entries = []
    for task, labels in (("regression", ("age", "weight")), ("multilabel", ("a, ", "top1"))):
        (tmp_path / task).mkdir()
        entries.append(ModelEntry(task, task, str(write_model(tmp_path / task, task, labels))))
    (tmp_path / "net.py").write_text(SEGMENTER)
    (tmp_path / "card.toml").write_text(SEGMENTATION)
    entries.append(ModelEntry("segmentation", "segmentation", str(tmp_path / "card.toml")))
    return Inference(entries, "cpu")


@pytest.mark.parametrize(
    ("task", "count"), [("regression", 4), ("multilabel", 2), ("segmentation", 1)]
)
def test_every_offered_target_is_explained_and_tested(inference, folder, task, count):
    film = {"model": task, "film": "square", "folder": str(folder / "square")}
    offered = [each["target"] for each in inference.findings(**film)["findings"]]
    assert len(offered) == count
    about = {"method": "gradcam", "layer": "auto"}
    for target in offered:
        made = inference.map(**film, target=target, **about)
        assert made["target"] == target
        if made["empty"] is None:
            curve = inference.curve(**film, target=target, **about, cover="mean", cells=2)
            assert curve["target"] == target
    while inference.has_ahead:
        inference.ahead()


def test_an_empty_map_has_no_hottest_cells(inference, folder, monkeypatch):
    film = {"model": "multilabel", "film": "square", "folder": str(folder / "square")}
    request = {**film, "target": "top2", "method": "gradcam", "layer": "auto"}
    empty = replace(inference.explanation(**request), empty_reason=Message("empty.zero"))
    monkeypatch.setattr(inference, "explanation", lambda *of: empty)
    with pytest.raises(NoEvidenceError, match="no cell of this map is the hottest"):
        inference.curve(**request, cover="mean", cells=1)


def test_words_of_the_command_line_mean_what_they_mean_there(inference, folder):
    film = {"model": "multilabel", "film": "square", "folder": str(folder / "square")}
    about = {"method": "gradcam", "layer": "auto"}
    assert inference.map(**film, target="top1", **about)["target"] == "top1"  # a label
    first = inference.findings(**film)["findings"][0]["target"]
    assert inference.map(**film, target="top2", **about)["target"] == first
    with pytest.raises(TargetError, match="means nothing in this film"):
        inference.map(**film, target="above:1", **about)


def test_a_film_in_which_nothing_is_segmented_is_said(inference, folder):
    with pytest.raises(EmptyRegionError):
        inference.findings(model="segmentation", film="none", folder=str(folder / "none"))
