"""A Ray cluster of two nodes: a lost node, a killed driver, a slow worker."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from camlucida.core.errors import ModelError, UsageError
from camlucida.runs import Run, driver, execute
from camlucida.runs import run as runs
from camlucida.runs.executors import ExecutorConfig
from camlucida.runs.executors.ray import RayExecutor
from tests.support.cohorts import content, files, write_cohort
from tests.support.executors import DEADLY_NET, UnsteadyExecutor
from tests.support.paths import REPOSITORY

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="a cluster of several nodes needs Linux or macOS"),
    # of Ray's own processes, which outlive the object that started them
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FILMS, DEADLY = 12, "9"
OPTIONS = {"batch_size": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    # what the workers import comes from here
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    cluster = Cluster()
    cluster.add_node(num_cpus=2, include_dashboard=False)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Twelve films; on the last the worker dies, and one is slow."""
    torch.set_num_threads(1)
    path = write_cohort(tmp_path_factory.mktemp("cohort"), films=FILMS, broken=3)
    (path.parent / "net.py").write_text(DEADLY_NET)
    Image.new("L", (64, 48), 255).save(path.parent / f"films/{DEADLY}.png")
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(runs, "PART", 2)
    monkeypatch.setattr(driver, "DEATHS", 1)


def in_this_process(config, spec, loader):
    """Instead of an executor that would die with this process."""
    return UnsteadyExecutor(spec, loader, deaths={DEADLY: 2})


@pytest.fixture(scope="module")
def inline(cohort, tmp_path_factory):
    """The run in this process, with the deadly film given up."""
    out = tmp_path_factory.mktemp("inline") / "run"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PART", 2)
        patch.setattr(driver, "DEATHS", 1)
        patch.setattr(runs, "open_executor", in_this_process)
        execute(cohort, out, **OPTIONS)
    return out


class Trouble:
    """What happens to a run: called with its progress.

    At the first part that ends, a node is killed, and a worker is stopped until no other has work.
    """

    def __init__(self, cluster, node) -> None:
        self.cluster, self.node = cluster, node
        self.done = self.lost = 0
        self.stopped: int | None = None
        self.went_on = False

    def __call__(self, done=0, total=None):
        if total is not None:
            return
        if self.done == 0:
            (raylet,) = self.node.all_processes["raylet"]
            self.lost = raylet.process.pid
            self.cluster.remove_node(self.node, allow_graceful=False)
        self.done += done
        is_early = self.done < FILMS - 4
        if is_early and self.stopped is None:  # at first it may not have started yet
            staying = (pid for pid, parent in workers_of_ray() if parent != self.lost)
            self.stopped = next(staying, None)
            if self.stopped is not None:
                os.kill(self.stopped, signal.SIGSTOP)
        elif not is_early and self.stopped is not None:
            os.kill(self.stopped, signal.SIGCONT)
            self.stopped, self.went_on = None, True


def workers_of_ray():
    """Processes of actors on this Linux machine, and the parent of each: the node that it is of."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(b"ray::_Actor"):
                _, _, status = (path / "stat").read_text().rpartition(")")
                yield int(path.name), int(status.split()[1])
        except OSError:  # it has ended meanwhile
            continue


def test_a_lost_node_a_slow_worker_and_a_deadly_film_change_no_byte(
    cluster, cohort, inline, tmp_path
):
    node = cluster.add_node(num_cpus=1)
    trouble = Trouble(cluster, node)
    config = ExecutorConfig("ray", workers=3, address=cluster.address)
    outcome = execute(cohort, tmp_path / "run", **OPTIONS, executor=config, progress=trouble)
    codes = {failure.image: failure.code for failure in outcome.failures}
    assert codes == {"3": "image", DEADLY: "died"}
    assert files(tmp_path / "run") == files(inline)
    assert content(tmp_path / "run") == content(inline)
    assert trouble.done == FILMS
    assert trouble.went_on == (sys.platform == "linux")  # the slow worker was there


KILLED = """
import sys, torch
from pathlib import Path
from camlucida.runs import driver, execute, run as runs
from camlucida.runs.executors import ExecutorConfig
torch.set_num_threads(1)
runs.PART, driver.DEATHS = 2, 1
cohort, out, address = sys.argv[1:]
config = ExecutorConfig("ray", workers=1, address=address)
print_done = lambda done=0, total=None: done and print(done, flush=True)
execute(cohort, Path(out), batch_size=2, device="cpu", executor=config, progress=print_done)
"""


def test_a_killed_driver_is_resumed_and_other_versions_are_refused(cluster, tmp_path, monkeypatch):
    cohort = write_cohort(tmp_path / "cohort")
    out, inline = tmp_path / "run", tmp_path / "inline"
    execute(cohort, inline, **OPTIONS)
    films = sum(Run.open(inline).counts.values())
    command = [sys.executable, "-c", KILLED, str(cohort), str(out), cluster.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # Ray writes lines of its own; a number: the first part is in the ledger.
        assert any(line.strip().isdigit() for line in process.stdout)
        process.kill()
    left = Run.open(out).counts["pending"]
    assert 0 < left < films

    def of_an_old_version(plan, device):
        spec = spec_of(plan, device)
        return replace(spec, recipe=replace(spec.recipe, versions=("0.0.1", "2.10")))

    spec_of = runs._worker_spec
    config = ExecutorConfig("ray", workers=1, address=cluster.address)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "_worker_spec", of_an_old_version)
        with pytest.raises(ModelError, match=r"worker on .* versions .*0\.0\.1.* --resume"):
            execute(cohort, out, **OPTIONS, executor=config, resume=True)
    assert Run.open(out).counts["pending"] == left
    execute(cohort, out, **OPTIONS, executor=config, resume=True)
    assert files(out) == files(inline)


def test_an_address_without_a_cluster_is_one_line():
    with pytest.raises(UsageError, match=r"no Ray cluster at nowhere: .*--address"):
        RayExecutor(None, ExecutorConfig("ray", address="nowhere"))
