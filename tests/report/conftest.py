"""What the small run says, and reports without pictures."""

from importlib import import_module

import pytest

from camlucida.report.data import ReportData
from camlucida.report.gather import gather


@pytest.fixture(scope="session")
def gathered(small_run, tmp_path_factory) -> ReportData:
    """Of the small run; not to be changed."""
    return gather((small_run,), tmp_path_factory.mktemp("gathered"))


@pytest.fixture
def unsaved(monkeypatch):
    """Figures are made, and not written."""
    for name in ("cases", "consistency", "method", "results"):
        # by name of the module: the package has functions of the same names
        section = import_module(f"camlucida.report.sections.{name}")
        monkeypatch.setattr(section, "save_figure", lambda *_: None)
