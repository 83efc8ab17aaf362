"""Writing in worker processes gives what writing in the calling process gives."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from camlucida.figures.save import image_job, image_records
from camlucida.workflows.explain_files import FEW, ImageWriter, worker_count
from camlucida.workflows.prefetched import Prefetched
from tests.support.explanations import explanation

RAW = [[0.0, 1.0], [2.0, 3.0]]


def jobs(folder, count):
    for number in range(count):
        item = explanation(RAW, image=f"film{number}", size=(70, 90))
        yield item, image_job([item], folder, frozenset(["overlay", "mask"]))


def written(folder, count, workers):
    """Results in the order in which they came."""
    files = ImageWriter(count, workers=workers)
    results = []
    try:
        for item, job in jobs(folder, count):
            results += files.add(item, job)
        results += files.rest()
    finally:
        files.close()
    return results


def test_workers_write_the_same_files_and_keep_the_order(tmp_path):
    here = written(tmp_path / "here", 5, workers=0)
    there = written(tmp_path / "there", 5, workers=1)
    names = [item.tag.scan.id for item in there]
    assert names == [f"film{number}" for number in range(5)]
    for ours, theirs in zip(here, there):
        assert image_records([ours.tag], ours.job, ours.regions) == image_records(
            [theirs.tag], theirs.job, theirs.regions
        )
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert len(files) == 20
    for name in files:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


SCRIPT = """
import sys
from pathlib import Path
from camlucida.figures.image_files import ImageJob
from camlucida.workflows.explain_files import ImageWriter

print("the script runs")
files = ImageWriter(1, workers=1)
job = ImageJob(Path("out"), None, "film.png", "maps.npz", ())
results = [*files.add("first", job), *files.rest()]
files.close()
print(results[0].tag, results[0].error)
print({"torch", "matplotlib", "pandas", "scipy"} & set(sys.modules))
"""


def test_a_script_without_a_guard_is_not_run_again_in_the_workers(tmp_path):
    """Nor does a worker need the libraries of networks and figures: it begins at once."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the script runs\nfirst None\nset()\n"), (
        done.stderr
    )
    assert (tmp_path / "out" / "maps.npz").exists()


def test_what_the_system_refuses_comes_back_with_its_image(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    for workers in (0, 1):
        (result,) = written(tmp_path / "taken", 1, workers)
        assert result.error is not None
        assert result.error.errno in (errno.EEXIST, errno.ENOTDIR)
        assert result.tag.scan.id == "film0"


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_worker_that_is_killed_costs_nothing(tmp_path):
    files = ImageWriter(9, workers=1)
    results = []
    for number, (item, job) in enumerate(jobs(tmp_path, 6)):
        results += files.add(item, job)
        if number == 2:
            results += files.rest()
            for process in list(files._pool._processes.values()):
                os.kill(process.pid, signal.SIGKILL)
                process.join()
    results += files.rest()
    files.close()
    assert [result.tag.scan.id for result in results] == [f"film{n}" for n in range(6)]
    assert all(result.error is None for result in results)
    assert len(list(tmp_path.glob("*_mask.png"))) == 6


KILLED = """
import os, signal
from pathlib import Path
from camlucida.figures.image_files import ImageJob
from camlucida.workflows.explain_files import ImageWriter

files = ImageWriter(1, workers=1)
job = ImageJob(Path("out"), None, "film.png", "maps.npz", ())
list(files.add("first", job)), list(files.rest())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_workers_end_with_a_caller_that_is_killed(tmp_path):
    """They hold its output open: it ends when the last of them has."""
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "out" / "maps.npz").exists()


def test_few_images_need_no_worker():
    assert worker_count(FEW, pictures=True) == 0
    assert 1 <= worker_count(FEW + 1, pictures=False) <= worker_count(FEW + 1, pictures=True) <= 8


def test_parts_are_read_one_ahead_and_an_error_is_raised_where_its_part_is_used():
    begun = []

    def read(part):
        begun.append(part)
        if part == "c":
            raise KeyError(part)
        return part.upper()

    with Prefetched(read, ["a", "b", "c"]) as parts:
        contents = iter(parts)
        assert next(contents) == "A"
        parts.wait()
        assert begun == ["a", "b"]
        assert next(contents) == "B"
        with pytest.raises(KeyError):
            next(contents)


def test_a_job_is_plain_data(tmp_path):
    """What a worker unpickles needs neither torch nor matplotlib."""
    import pickle
    import subprocess
    import sys

    item = explanation(RAW)
    job = image_job([replace(item, target="b")], tmp_path, frozenset(["figure"]))
    file = tmp_path / "job.pickle"
    file.write_bytes(pickle.dumps(job))
    code = (
        "import pickle, sys; from pathlib import Path\n"
        "from camlucida.figures.image_files import write_image\n"
        f"write_image(pickle.loads(Path({str(file)!r}).read_bytes()))\n"
        "sys.exit(bool({'torch', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
