"""Fixtures shared by the whole suite."""

import atexit
import gc
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from camlucida.runs import Run, execute
from tests.support.cohorts import write_cohort
from tests.support.disk import unsynchronised
from tests.support.figures import blank, coarsen, draw
from tests.support.paths import REPOSITORY
from tests.support.processes import copied

# A million objects are made while the tests are collected, and nearly all of them stay: to look
# for garbage among them takes a quarter of that time. See pytest_collection_finish.
gc.disable()
# Bindings in C++ complain of what is still there when the process ends; before that pytest looks
# for what the tests left, five times.
atexit.register(gc.unfreeze)

# Each test process has a core of its own.
torch.set_num_threads(1)

# The same examples on every run and machine; no deadline, for a shared core may pause.
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")


def pytest_collection_finish():
    """What is there when the tests begin is never looked through; what they make is, as ever."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser):
    parser.addoption("--pictures", metavar="RUN", help="take the docs' pictures, of this run")


@pytest.fixture(scope="session", autouse=True)
def no_home(tmp_path_factory):
    """What is kept for a user, such as the key of patients, lies in a folder of the tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def quick_disk():
    """Nothing waits for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        unsynchronised(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def blank_figures():
    """Files of figures hold no picture: most tests are of numbers and words; drawing is slow."""
    with pytest.MonkeyPatch.context() as patch:
        coarsen(patch)
        blank(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_processes():
    """Processes of models begin with their imports done; ``serve`` itself starts a fresh one."""
    with pytest.MonkeyPatch.context() as patch:
        copied(patch)
        yield


@pytest.fixture(scope="module")
def drawn_figures():
    """Figures are drawn, with few pixels, and fonts that are quick to write into a PDF."""
    with pytest.MonkeyPatch.context() as patch:
        draw(patch)
        yield


@pytest.fixture
def fine_figures(monkeypatch):
    """Figures are a user's."""
    coarsen(monkeypatch, 300, 42)
    draw(monkeypatch)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each process has tests in a row, so that a fixture of a module is mostly made once.

    The plain distribution deals the tests of a module out to all processes.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of sample images beside the repository; without it the test is skipped."""
    folder = REPOSITORY / "../shared/data"
    if not folder.is_dir():
        pytest.skip("the sample images (../shared/data) are not here")
    return folder.resolve()


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Run:
    """Six random films of three patients, one broken; two labels with ground truth, one without."""
    folder = tmp_path_factory.mktemp("report")
    about = {"command": "camlucida run cohort.toml", "versions": {"camlucida": "0", "torch": "0"}}
    execute(write_cohort(folder / "cohort"), folder / "run", device="cpu", about=about)
    return Run.open(folder / "run")
