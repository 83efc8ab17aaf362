"""Figures as files: every format, the same bytes twice, nothing else left behind."""

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
