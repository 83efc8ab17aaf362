"""What a part of the demonstration takes for done, and what it takes from a report."""

import pytest

from camlucida.workflows.demo.parts import Part
from camlucida.workflows.demo.run import _run_part, _succeeded, _summary


@pytest.mark.parametrize(
    ("command", "code", "errors", "done"),
    [
        ("run", 0, [], True),
        ("explain-segmentation", 1, ["a.png: no region"], True),
        ("explain-segmentation", 1, [], False),  # a traceback
        ("report", 1, ["section data: broken"], False),
        ("run", 2, ["wrong"], False),
    ],
)
def test_only_items_may_fail(command, code, errors, done):
    assert _succeeded(command, code, errors) == done


def test_a_part_stops_at_the_command_that_fails(tmp_path):
    commands = (("show", "nothing_here"), ("methods",))
    done = _run_part(
        tmp_path, Part("part", "", "", lambda folder: folder, commands, {}, "*.png"), "auto"
    )
    assert done.commands == ("camlucida show nothing_here",)
    assert "nothing_here" in done.failure
    assert not done.notes
    assert done.failure in (tmp_path / "part" / "log.txt").read_text("utf-8")


def test_the_summary_is_the_first_section_as_it_reads(tmp_path):
    report = tmp_path / "report.md"
    report.write_text(
        "# T\n\n## Summary\n\nOf honest\\_densenet:\n\n- AUC 0.9 \\[0.8, 1.0\\].\n\n## Data\n\nx\n",
        "utf-8",
    )
    assert _summary(report) == ("Of honest_densenet:", "AUC 0.9 [0.8, 1.0].")
    assert _summary(tmp_path / "none.md") == ()
