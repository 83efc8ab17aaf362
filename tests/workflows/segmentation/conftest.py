"""The project that the segmentation workflow explains."""

from pathlib import Path

import pytest

from tests.support.segmentation_project import write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("camlucida.workflows.segmentation.job.write_pictures", lambda *given: [])
