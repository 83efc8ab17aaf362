"""``--colormap`` on every command that draws maps."""

import pytest
import typer

from camlucida.cli import main
from camlucida.cli.common import app
from camlucida.figures.style import style

DRAWING = (
    *("explain", "report", "compare", "ensemble", "change", "evaluate", "demo", "benchmark"),
    *("case", "report-pack", "evaluate-regression", "explain-segmentation"),
)


@pytest.mark.parametrize("name", DRAWING)
def test_every_command_that_draws_maps_takes_a_colormap(name):
    command = typer.main.get_command(app).commands[name]
    assert "--colormap" in {word for option in command.params for word in option.opts}


def test_an_unknown_colormap_is_refused_before_any_work(tmp_path, capsys):
    arguments = ["compare", str(tmp_path), "--colormap", "infernal"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "unknown colormap 'infernal'" in capsys.readouterr().err
    assert style().colormap is None


def test_the_colormap_ends_with_the_command(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["compare", str(tmp_path / "none"), "--colormap", "jet"])
    assert style().colormap is None
