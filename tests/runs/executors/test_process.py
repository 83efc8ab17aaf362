"""Worker processes of this machine: real ones, one of which dies."""

import pytest
import torch
from PIL import Image

from camlucida.core.errors import UsageError
from camlucida.runs import Run, driver, execute
from camlucida.runs import run as runs
from camlucida.runs.executors import ExecutorConfig
from tests.support.cohorts import content, files, write_cohort
from tests.support.executors import DEADLY_NET, UnsteadyExecutor


def test_two_processes_make_the_files_of_one_and_a_deadly_image_is_given_up(tmp_path, monkeypatch):
    """The death of a process is counted once, so that the test does not start many."""
    monkeypatch.setattr(driver, "DEATHS", 1)
    monkeypatch.setattr(runs, "PART", 2)
    torch.set_num_threads(1)
    cohort = write_cohort(tmp_path / "cohort", films=6)
    (tmp_path / "cohort/net.py").write_text(DEADLY_NET)
    Image.new("L", (64, 48), 255).save(tmp_path / "cohort/films/5.png")
    options = {"batch_size": 2, "device": "cpu"}
    two = ExecutorConfig("process", workers=2)
    outcome = execute(cohort, tmp_path / "two", **options, executor=two)
    codes = {failure.image: failure.code for failure in outcome.failures}
    assert codes == {"3": "image", "5": "died"}
    entry = Run.open(tmp_path / "two").entries[5]
    assert (entry.state, entry.part, entry.alone) == ("failed", None, 1)

    def in_this_process(config, spec, loader):
        return UnsteadyExecutor(spec, loader, deaths={"5": 2})

    monkeypatch.setattr(runs, "open_executor", in_this_process)
    execute(cohort, tmp_path / "one", **options)
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert content(tmp_path / "two") == content(tmp_path / "one")


@pytest.mark.parametrize("options", [{"address": "auto"}, {"gpus_per_worker": 1.0}])
def test_options_of_another_executor_are_refused(options):
    with pytest.raises(UsageError, match=r"is no option of --executor process .*ray"):
        ExecutorConfig("process", **options)
