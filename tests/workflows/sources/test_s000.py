"""System 000: its checkpoint and table of labels through ``camlucida run`` and ``report``."""

import pytest

from camlucida.runs import Run
from tests.support.command_line import run
from tests.support.sources import s000
from tests.support.sources.networks import IMAGENET_MEAN, IMAGENET_STD

COHORT = """name = "chest"
images = "data/images"
table = "data/test_labels.csv"
[[models]]
card = "card.toml"
[explain]
target = "all"
"""
CARD = f"""factory = "torchvision:densenet121"
checkpoint = "checkpoints/best_model.pth"
task = "multilabel"
labels = {list(s000.LABELS)}
args = {{ num_classes = {len(s000.LABELS)} }}
[input]
size = 64
mean = {list(IMAGENET_MEAN)}
std = {list(IMAGENET_STD)}
library = "pillow"
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return s000.write(tmp_path_factory.mktemp("s000"), films=4)


def test_run(system, capsys):
    (system.folder / "card.toml").write_text(CARD, "utf-8")
    (system.folder / "cohort.toml").write_text(COHORT, "utf-8")
    done = run(capsys, system.folder, "run", "cohort.toml", "--output_dir", "out")
    assert done.code == 0, done.err
    table = Run.open(system.folder / "out").predictions()
    ours = table.pivot(index="image", columns="label", values="probability")
    expected = system.probabilities.rename(lambda name: name.removesuffix(".png"))
    assert list(ours.columns) == sorted(expected.columns)
    expected = expected.loc[ours.index, ours.columns]
    assert ours.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.01)
