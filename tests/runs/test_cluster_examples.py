"""The manifests of the examples: their commands, run as processes of this machine."""

import os
import subprocess
import sys

import pytest
import yaml

from camlucida.runs import Run
from camlucida.runs.merge import merge
from tests.support.cohorts import write_cohort
from tests.support.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples/cluster"
SHARDS = 2

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


@pytest.fixture(scope="module")
def camlucida(tmp_path_factory):
    """A folder with the command ``camlucida``, to stand in PATH."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "camlucida"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m camlucida "$@"\n')
    command.chmod(0o755)
    return folder


def environment(camlucida, **variables):
    source = str(REPOSITORY / "src")
    path = f"{camlucida}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": source} | variables


def test_the_tasks_of_the_slurm_array_compute_a_run(camlucida, tmp_path):
    cohort = write_cohort(tmp_path / "cohort", films=40, broken=None)  # two parts
    out = tmp_path / "shards"
    paths = {"COHORT": str(cohort), "OUT": str(out), "SLURM_ARRAY_TASK_COUNT": str(SHARDS)}
    tasks = []
    for index in range(1, SHARDS + 1):
        variables = environment(camlucida, **paths, SLURM_ARRAY_TASK_ID=str(index))
        command = ["bash", str(EXAMPLES / "slurm.sh")]
        tasks.append(subprocess.Popen(command, env=variables, cwd=tmp_path, stderr=subprocess.PIPE))
    for task in tasks:
        _, errors = task.communicate()
        assert task.returncode == 0, errors.decode()
    merge([out], tmp_path / "joined")
    assert Run.open(tmp_path / "joined").counts == {"done": 40, "failed": 0, "pending": 0}


def test_the_pods_of_the_kubernetes_job_compute_each_shard_once(tmp_path):
    """The container's command, with a ``camlucida`` that prints its arguments."""
    job = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    stated = {item["name"]: item["value"] for item in container["env"]}
    assert (job["completionMode"], str(job["completions"])) == ("Indexed", stated["SHARDS"])
    echo = tmp_path / "camlucida"
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    shards = []
    for index in range(job["completions"]):
        variables = environment(tmp_path, **stated, JOB_COMPLETION_INDEX=str(index))
        command = [*container["command"], *container["args"]]
        words = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        before, _, after = words.stdout.partition("--shard ")
        assert before == "run /data/cohort.toml --out /data/runs/nih-shards "
        shards.append(after.split())
    assert shards == [[f"{index}/8", "--resume"] for index in range(1, 9)]
