"""The viewer in a notebook."""

import base64
import os

import nbformat
import pytest
from nbclient import NotebookClient

import camlucida as cl
from camlucida.core.errors import UsageError
from camlucida.report.viewer import widget
from tests.support.browser import chromium
from tests.support.paths import REPOSITORY
from tests.web_ui.test_page import explanations

CELL = """
import camlucida as cl
from tests.web_ui.test_page import explanations
cl.view(explanations())
"""


def test_a_notebook_shows_the_widget_and_a_picture():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    folders = [str(REPOSITORY / "src"), str(REPOSITORY)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3")
    client.execute(env=environment)
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "execute_result"
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")


def test_the_widget_mounts_the_viewer():
    items = explanations()
    shown = cl.view([*items, *explanations("other film")])
    assert [case["title"] for case in shown.cases] == ["film", "other film"]
    module = base64.b64encode(shown._esm.encode()).decode()
    with chromium() as browser:
        page = browser.new_page()
        page.evaluate(
            """async ([module, values]) => {
              const { default: widget } = await import(`data:text/javascript;base64,${module}`);
              widget.render({ model: { get: (name) => values[name] }, el: document.body });
            }""",
            [module, {"cases": shown.cases, "words": shown.words, "height": 500}],
        )
        page.get_by_role("option", name="nodule 0.800").wait_for()
        assert page.get_by_role("option", name="other film").count() == 1


def test_one_explanation_shows_itself():
    (case,) = explanations()[0].show().cases
    assert [item["target"] for item in case["data"]["maps"]] == ["nodule"]


def test_without_anywidget_the_overlay_is_shown(monkeypatch):
    def missing():
        raise ImportError("anywidget")

    monkeypatch.setattr(widget, "_widget_class", missing)
    assert cl.view(explanations()[0]).mode == "RGB"


def test_nothing_to_view_is_one_line():
    with pytest.raises(UsageError, match="no explanation to view"):
        cl.view([])
