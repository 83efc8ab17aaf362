"""The programs of dcmtk. pynetdicom brings programs of the same names into its environment."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def dcmtk(name: str) -> str:
    """Where a program of dcmtk is; without it the test is skipped."""
    own = Path(sys.executable).parent
    folders = [each for each in os.get_exec_path() if Path(each) != own]
    program = shutil.which(name, path=os.pathsep.join(folders))
    if program is None:
        pytest.skip("dcmtk is not installed (scripts/system_packages.sh)")
    return program
