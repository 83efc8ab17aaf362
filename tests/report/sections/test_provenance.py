"""Where a report comes from."""

from pathlib import Path

from camlucida import __version__
from camlucida.report.document import Code
from camlucida.report.gather import gather
from camlucida.report.locale import load_texts
from camlucida.report.sections.provenance import provenance


def test_runs_models_and_weights(small_run):
    texts = load_texts("en")
    statement, run, models = provenance(gather((small_run,), Path("x"))).blocks
    assert texts.render(statement.sentences[0]).startswith(
        f"Made by camlucida {__version__} from 1 run."
    )
    (facts,) = run.blocks
    cells = [value for _, value in facts.rows]
    assert Code(str(small_run.folder.root)) in cells
    assert Code("camlucida run cohort.toml") in cells
    assert "cpu" in cells
    assert ["camlucida 0", "torch 0"] in cells
    (model,) = models.rows
    assert model[0] == "card"
    assert model[-1] == Code(small_run.about["models"][0]["sha256"])
    cells = list(map(str, cells))
    assert not any("20" in cell and ":" in cell for cell in cells if "/" not in cell)  # no date
