"""The bridge to FiftyOne with the real package and its database, in a process of its own.

FiftyOne wants an older Starlette than the workbench: its packages lie in a folder (fiftyone.txt),
which only that process sees.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

PACKAGES = Path(sys.prefix, "fiftyone")
"""Where the Makefile installs them."""


@pytest.fixture
def database(tmp_path):
    """Address of a MongoDB server of this test, on a free port."""
    mongod = PACKAGES / "fiftyone/db/bin/mongod"
    if not mongod.is_file():
        pytest.skip("FiftyOne's packages and database are not installed (make .venv/.fiftyone)")
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir()
    where = [mongod, "--dbpath", data]
    options = ["--port", "0", "--bind_ip", "127.0.0.1", "--nounixsocket", "--logpath", log]
    # It returns when the server is ready.
    subprocess.run([*where, *options, "--fork"], check=True, capture_output=True)
    try:
        (port,) = re.findall(r'"Waiting for connections","attr":{"port":(\d+)', log.read_text())
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        subprocess.run([*where, "--shutdown"], check=True, capture_output=True)


def test_the_bridge_makes_samples_and_a_dataset(database, tmp_path):
    settings = {
        "PYTHONPATH": os.pathsep.join(map(str, (PACKAGES, REPOSITORY / "src"))),
        "FIFTYONE_DATABASE_URI": database,
        "FIFTYONE_DO_NOT_TRACK": "true",
        "HOME": str(tmp_path),
    }
    # FiftyOne warns of the age of its database, and its packages of one another.
    words = ["-W", "default", "-p", "no:cacheprovider", "-p", "no:xdist", "--basetemp"]
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *words,
            tmp_path / "inner",
            "tests/integrations/fiftyone_bridge.py",
        ],
        cwd=REPOSITORY,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
