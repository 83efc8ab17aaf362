"""Only the tables that the requested sections need are computed, and a section is then the same."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from camlucida.report import gather as gathering
from camlucida.report.build import build_report
from camlucida.report.document import Document
from camlucida.report.gather import gather
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.sections import SECTIONS
from camlucida.report.writers.markdown import markdown
from tests.support.runs_on_disk import segmentation_run

ENGLISH = load_texts("en")


@pytest.fixture(scope="module")
def runs(small_run, tmp_path_factory):
    return {"labels": small_run, "masks": segmentation_run(tmp_path_factory.mktemp("masks") / "m")}


def words(section) -> str:
    """A section, rendered alone."""
    sections = () if section is None else (section,)
    return markdown(render_document(Document("x", sections), ENGLISH))


@pytest.mark.usefixtures("unsaved")
@pytest.mark.parametrize("kind", ["labels", "masks"])
def test_a_section_reported_alone_is_that_of_the_whole_report(runs, kind, tmp_path):
    whole = gather((runs[kind],), tmp_path)
    gathered = {}
    for name, entry in SECTIONS.items():
        needs = frozenset(entry.needs)  # several sections need the same
        alone = gathered.setdefault(needs, None) or gather((runs[kind],), tmp_path, parts=needs)
        gathered[needs] = alone
        assert words(entry.make(alone)) == words(entry.make(whole)), name


def test_no_map_is_measured_for_the_section_on_the_data(small_run, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("a table that is not needed")

    monkeypatch.setattr(gathering, "attribution_table", refuse)
    monkeypatch.setattr(gathering, "compare", refuse)
    monkeypatch.setattr(gathering, "read_evaluations", refuse)
    document = build_report([small_run], tmp_path, ["data", "provenance"])
    assert [section.name for section in document.sections] == ["data", "provenance"]
    assert document.failures == ()


def test_a_full_disk_is_no_fault_of_a_section(small_run, tmp_path, monkeypatch):
    """It ends the report, with the folder's name and the mend; a section cannot know them."""

    def full(report):
        raise OSError(errno.ENOSPC, "No space left on device")

    sections = {"data": replace(SECTIONS["data"], make=full)}
    monkeypatch.setattr("camlucida.report.build.SECTIONS", sections)
    with pytest.raises(OSError, match="No space left"):
        build_report([small_run], tmp_path, ["data"])
