"""``camlucida report`` as it is typed."""

import shutil
from dataclasses import replace

import pytest

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure
from camlucida.report.build import build_report
from camlucida.report.sections import SECTIONS, SectionEntry
from camlucida.runs import Run
from tests.cli.test_cli import run


@pytest.fixture
def command(capsys):
    """(exit code, output, errors) of a command."""

    def called(*arguments):
        code = run(*arguments)
        return code, *capsys.readouterr()

    return called


FEW = ("--sections", "data,references", "--sections", "provenance")


@pytest.fixture
def folder(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "r")
    return tmp_path / "r"


def test_a_report_of_a_run_stands_in_the_run(folder, command):
    code, out, err = command("report", str(folder), *FEW)
    assert (code, err) == (0, "")
    assert out == f"{folder / 'report' / 'report.html'}\n"
    html = (folder / "report" / "report.html").read_text("utf-8")
    assert html.index('id="data"') < html.index('id="provenance"')
    assert Run.open(folder).counts["done"] == 5


def test_lists_may_have_blanks_and_a_run_after_them(folder, command):
    code, out, err = command(
        "report", "--sections", "data", "provenance", "--format", "md", "tex", str(folder)
    )
    assert (code, err) == (0, "")
    assert out.split() == [str(folder / "report" / name) for name in ("report.md", "report.tex")]
    text = (folder / "report" / "report.md").read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Data",
        "## Provenance",
    ]


def test_formats_languages_and_a_section(folder, tmp_path, command):
    article = tmp_path / "article.tex"
    article.write_text("\\documentclass{article}\n\\begin{document}\nx\n\\end{document}\n")
    options = (
        "--format",
        "html,md",
        "--format",
        "tex",
        "--language",
        "zh",
        "--out",
        str(tmp_path / "out"),
        "--tex",
        str(article),
    )
    code, out, _ = command("report", str(folder), *FEW, *options)
    assert code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report_zh.html",
        "report_zh.md",
        "report_zh.tex",
    }
    assert "article.tex: section cohort written" in out
    first = article.read_bytes()
    assert first.startswith(
        b"\\documentclass{article}\n\\begin{document}\nx\n% camlucida:begin cohort\n"
    )
    code, out, _ = command("report", str(folder), *FEW, *options)
    assert "section cohort is as it was" in out
    assert article.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "docx"), "unknown format 'docx'"),
        (("--format", "html,,md"), "an empty word"),
        (("--sections", "dat"), "did you mean data?"),
        (("--language", "fr"), "unknown language 'fr'"),
        (("--tex", "no/such/a.tex"), "cannot be a LaTeX file"),
    ],
)
def test_wrong_requests_are_one_line(folder, tmp_path, command, arguments, words):
    code, _, err = command(
        "report", str(folder), "--out", str(tmp_path / "out"), "--sections", "data", *arguments
    )
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_is_refused(tmp_path, command):
    code, _, err = command("report", str(tmp_path))
    assert code == 2
    assert "is not the folder of a run" in err


def test_a_section_that_fails_is_reported_and_the_rest_is_written(
    folder, tmp_path, command, monkeypatch
):
    def fail(data):
        raise CamlucidaError("the disk <is> gone")

    monkeypatch.setitem(SECTIONS._items, "data", SectionEntry("data", "Data", fail))
    code, _, err = command("report", str(folder), *FEW, "--out", str(tmp_path / "out"))
    assert code == 1
    assert err == "error: section data: the disk <is> gone\n"
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "This section could not be made: the disk &lt;is&gt; gone" in html
    assert 'id="provenance"' in html


def test_a_report_needs_something_done(small_run, tmp_path):
    with pytest.raises(UsageError, match="no run"):
        build_report([], tmp_path)
    with pytest.raises(UsageError, match=r"nothing is done .* yet"):
        build_report([Run(small_run.folder, small_run.about, ())], tmp_path)
    reason = Failure("a.png", "no_evidence", "a.png: no attention", "choose gradcam")
    failed = [replace(entry, state="failed", failure=reason) for entry in small_run.entries]
    with pytest.raises(UsageError, match=r"nothing is done in .*: a.png: no attention") as error:
        build_report([Run(small_run.folder, small_run.about, tuple(failed))], tmp_path)
    assert error.value.fix == "choose gradcam"
