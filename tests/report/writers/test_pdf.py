"""PDF by WeasyPrint, or one line on what is missing."""

import builtins
import sys

import pytest

from camlucida.core.errors import UsageError
from camlucida.report.render import render_document
from camlucida.report.writers.pdf import write_pdf
from tests.support.documents import document, pdf_text, texts


@pytest.fixture
def weasyprint():
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        pytest.skip(f"WeasyPrint or its system library Pango is not installed: {error}")
    return weasyprint


@pytest.mark.usefixtures("fine_figures")
@pytest.mark.parametrize(
    ("language", "words"), [("en", "0.800 [0.700, 0.900], chance 0.500"), ("zh", "随机水平为0.500")]
)
def test_the_pdf_says_what_the_page_says(tmp_path, weasyprint, language, words):
    made = document(tmp_path)
    path = write_pdf(render_document(made, texts(language)), tmp_path)
    first = path.read_bytes()
    assert first.startswith(b"%PDF")
    text = " ".join(pdf_text(path).split())
    assert words in text
    assert "SYNTHETIC" in text
    assert "胸水" in text
    assert "2/2" in text.replace(" ", "")
    assert write_pdf(render_document(made, texts(language)), tmp_path).read_bytes() == first


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError, match=r'pip install "camlucida\[report\]"'):
        write_pdf(render_document(document(tmp_path), texts()), tmp_path)


def test_a_missing_system_library_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match="apt-get install libpango"):
        write_pdf(render_document(document(tmp_path), texts()), tmp_path)
