import fcntl
import os
import shutil
import subprocess

import pytest

from tests.support.paths import REPOSITORY

WEB_UI = REPOSITORY / "web-ui"


@pytest.fixture(scope="session")
def web_ui(tmp_path_factory):
    """The folder of the TypeScript sources, with its packages installed."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Node: the built scripts cannot be checked")
        pytest.skip("Node is not installed")
    lock = tmp_path_factory.getbasetemp().parent / "npm.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        stamp = WEB_UI / "node_modules" / ".installed"
        package = WEB_UI / "package.json"
        if not stamp.exists() or stamp.stat().st_mtime < package.stat().st_mtime:
            install = ["npm", "install", "--no-package-lock", "--silent"]
            subprocess.run(install, cwd=WEB_UI, check=True)
            stamp.touch()
    return WEB_UI
