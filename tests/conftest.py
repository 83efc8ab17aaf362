"""Fixtures shared by the whole suite."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

# Each test process has a core of its own.
torch.set_num_threads(1)

# The same examples on every run and machine; no deadline, for a shared core may pause.
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of sample images kept beside the repository; the test is skipped where it is absent."""
    folder = Path(__file__).parents[1] / "../shared/data"
    if not folder.is_dir():
        pytest.skip("the sample images (../shared/data) are not here")
    return folder.resolve()
