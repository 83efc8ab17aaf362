"""Figures as files: every format, the same bytes twice, nothing else left behind."""

import pytest
from matplotlib.figure import Figure

from camlucida.figures.files import save_figure


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1], [0, 1])
    return figure


def test_each_format_is_what_its_name_says_and_does_not_change(tmp_path):
    first = save_figure(drawn(), tmp_path / "v1.2 plot", ("png", "pdf", "svg"))
    assert [path.name for path in first] == ["v1.2 plot.png", "v1.2 plot.pdf", "v1.2 plot.svg"]
    starts = [path.read_bytes()[:5] for path in first]
    assert starts[0] == b"\x89PNG\r"
    assert starts[1] == b"%PDF-"
    assert b"<?xml" in first[2].read_bytes()[:10]
    again = save_figure(drawn(), tmp_path / "again", ("png", "pdf", "svg"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.filterwarnings("error")
def test_texts_are_written_as_they_stand(tmp_path):
    figure = drawn()
    axes = figure.axes[0]
    axes.set_title("a$b_$c 年龄")
    axes.set_yticks([0, 1], ["x$y_$z", "w"])
    axes.set_xscale("log")
    assert len(save_figure(figure, tmp_path / "a", ("png", "pdf"))) == 2
    assert not axes.title.get_parse_math()
    assert all(label.get_parse_math() for label in axes.get_xticklabels())  # 10² is a formula
