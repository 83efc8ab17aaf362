"""The generated parts of the documentation are what the program says of itself today."""

import importlib

from tests.support.paths import REPOSITORY


def test_generated_pages_are_up_to_date(monkeypatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    pages = importlib.import_module("docs_tables").pages()
    assert len(pages) == 4
    for path, text in pages.items():
        assert path.read_text("utf-8") == text, "run: python scripts/docs_tables.py"
