"""The driver: bounded work in flight, retries, quarantine; the files are those of one process."""

from dataclasses import replace

import pytest
import torch

from camlucida.core.errors import ModelError
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.runs import Run, execute
from camlucida.runs import run as runs
from camlucida.runs.executors import Task
from camlucida.runs.executors.worker import TaskWorker
from camlucida.runs.plan import Loader, plan_models
from camlucida.runs.resume import DEATHS
from tests.support.cohorts import content, files, write_cohort
from tests.support.executors import UnsteadyExecutor
from tests.support.models_on_disk import write_image

FILMS = 9


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    torch.set_num_threads(1)
    return write_cohort(tmp_path_factory.mktemp("cohort"), films=FILMS)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(runs, "PART", 2)


@pytest.fixture(scope="module")
def inline(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("inline") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PART", 2)
        execute(cohort, out, batch_size=2)
    return out


@pytest.fixture
def unsteady(monkeypatch):
    """Makes runs use an :class:`UnsteadyExecutor`; a list of those that were opened."""

    def use(**options):
        opened = []

        def open_unsteady(config, spec, loader):
            opened.append(UnsteadyExecutor(spec, loader, **options))
            return opened[-1]

        monkeypatch.setattr(runs, "open_executor", open_unsteady)
        return opened

    return use


def test_files_do_not_depend_on_the_order_in_which_workers_end(cohort, inline, tmp_path, unsteady):
    opened = unsteady()
    done = []
    execute(
        cohort,
        tmp_path / "run",
        batch_size=2,
        progress=lambda count=0, total=None: done.append(count),
    )
    assert files(tmp_path / "run") == files(inline)
    assert content(tmp_path / "run") == content(inline)
    assert (opened[0].in_flight, sum(done)) == (3, FILMS)


def test_a_death_costs_the_tasks_that_were_lost(cohort, inline, tmp_path, unsteady):
    opened = unsteady(deaths={"1": 1, "8": 2})
    execute(cohort, tmp_path / "run", batch_size=2)
    assert files(tmp_path / "run") == files(inline)
    assert set(opened[0].computed.values()) == {1}
    assert {entry.attempts for entry in Run.open(tmp_path / "run").entries} == {1, 2, 3}


def test_an_image_on_which_workers_die_is_found_and_the_others_are_kept(
    cohort, inline, tmp_path, unsteady
):
    opened = unsteady(deaths={"4": 2 * DEATHS})
    outcome = execute(cohort, tmp_path / "run", batch_size=2)
    (failure,) = [each for each in outcome.failures if each.code == "died"]
    assert (failure.image, outcome.counts["pending"]) == ("4", 0)
    assert f"died {DEATHS} times while it worked on this image alone" in failure.what
    assert opened[0].computed == {**dict.fromkeys("0123678", 1), "5": 2}  # its trial, its part
    kept = [item for item in content(inline)["items"] if item[0] != "4"]
    assert [item for item in content(tmp_path / "run")["items"] if item[0] != "4"] == kept
    # it is not tried again until its file changes
    opened = unsteady()
    assert execute(cohort, tmp_path / "run", resume=True).counts["failed"] == 2
    assert "4" not in opened[0].computed


def test_a_part_that_fails_as_a_whole_alone_does_not_stop_the_run(cohort, tmp_path, unsteady):
    """As where memory is enough for one image and not for a batch."""
    unsteady(batch_deaths=("4",))
    outcome = execute(cohort, tmp_path / "run", batch_size=2)
    died = [each for each in outcome.failures if each.code == "died"]
    assert [each.image for each in died] == ["4", "5"]
    assert "but not on one of its images alone" in died[0].what
    assert "--batch-size 1" in died[0].fix
    unsteady()
    assert execute(cohort, tmp_path / "run", resume=True).counts == {
        "done": FILMS - 1,
        "failed": 1,
        "pending": 0,
    }


def test_an_interrupt_is_no_death_of_what_was_in_flight(cohort, inline, tmp_path, unsteady):
    opened = unsteady()
    out = tmp_path / "run"

    def interrupt(count=0, total=None):
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(cohort, out, batch_size=2, progress=interrupt)
    assert opened[0].in_flight == 3
    pending = [entry for entry in Run.open(out).entries if entry.state == "pending"]
    assert len(pending) >= FILMS - 2
    assert {entry.attempts for entry in pending} == {0}
    execute(cohort, out, resume=True)
    assert files(out) == files(inline)


def test_a_number_that_a_part_had_is_not_used_again(cohort, tmp_path):
    """A reader that opened the run before would take one part for the other."""
    own = write_cohort(tmp_path / "own", films=4, broken=None)
    out = tmp_path / "run"
    execute(own, out)
    write_image(own.parent / "films/0.png", 77)
    execute(own, out, resume=True)
    parts = {path.stem for path in out.glob("maps/*")}
    assert parts == {"part-00002", "part-00003", "part-00004"}
    (out / "maps/part-00002.safetensors").unlink()
    execute(own, out, resume=True)
    parts = {path.stem for path in out.glob("maps/*")}
    assert parts == {"part-00003", "part-00004", "part-00005"}


def test_a_worker_that_is_not_the_planned_one_is_refused(cohort):
    (plan,) = plan_models(read_cohort_file(cohort), Loader("cpu"))
    spec = runs._worker_spec(plan, "cpu")
    results = TaskWorker(spec).process(((plan.cohort.images[0],),))
    assert [result.image.id for result in results] == ["0"]
    old = replace(spec, recipe=replace(spec.recipe, versions=("0.0.1", torch.__version__)))
    with pytest.raises(ModelError, match=r"worker on .* differs .* versions .*0\.0\.1.* --resume"):
        TaskWorker(old)
    with pytest.raises(ModelError, match="cannot import no_such_package"):
        TaskWorker(replace(spec, modules=("no_such_package",)))


def test_what_all_images_share_is_not_sent_with_each(cohort):
    (plan,) = plan_models(read_cohort_file(cohort), Loader("cpu"))
    task = Task(0, (plan.cohort.images[:2],)).without_masks()
    assert all(image.true_masks is None for image in task.batches[0])
    assert runs._worker_spec(plan, "cpu").true_masks is plan.cohort.images[0].true_masks
