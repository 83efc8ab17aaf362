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


def computed(camlucida, folder, command, **variables):
    """The run that the tasks of a manifest compute beside each other, merged."""
    cohort = write_cohort(folder / "cohort", films=40, broken=None)  # two parts
    paths = {"COHORT": str(cohort), "OUT": str(folder / "shards")}
    tasks = []
    for index in range(SHARDS):
        of_task = {name: value(index) for name, value in variables.items()}
        given = environment(camlucida, **paths, **of_task)
        tasks.append(subprocess.Popen(command, env=given, cwd=folder, stderr=subprocess.PIPE))
    for task in tasks:
        _, errors = task.communicate()
        assert task.returncode == 0, errors.decode()
    merge([folder / "shards"], folder / "joined")
    return Run.open(folder / "joined")


def test_the_tasks_of_the_slurm_array_compute_a_run(camlucida, tmp_path):
    run = computed(
        camlucida,
        tmp_path,
        ["bash", str(EXAMPLES / "slurm.sh")],
        SLURM_ARRAY_TASK_COUNT=lambda index: str(SHARDS),
        SLURM_ARRAY_TASK_ID=lambda index: str(index + 1),
    )
    assert run.counts == {"done": 40, "failed": 0, "pending": 0}


def test_the_pods_of_the_kubernetes_job_compute_a_run(camlucida, tmp_path):
    job = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    stated = {item["name"]: item["value"] for item in container["env"]}
    assert (job["completionMode"], str(job["completions"])) == ("Indexed", stated["SHARDS"])
    assert set(stated) == {"COHORT", "OUT", "SHARDS"}
    run = computed(
        camlucida,
        tmp_path,
        [*container["command"], *container["args"]],
        SHARDS=lambda index: str(SHARDS),
        JOB_COMPLETION_INDEX=str,
    )
    assert run.counts == {"done": 40, "failed": 0, "pending": 0}
