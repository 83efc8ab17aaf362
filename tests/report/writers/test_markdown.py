"""Markdown, read again by a parser of CommonMark with tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from camlucida.core.messages import clean
from camlucida.report.render import render_document
from camlucida.report.writers.markdown import escape, write_markdown
from tests.support.documents import NASTY, document, texts

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def text(tokens):
    """What a reader sees of inline tokens."""
    return "".join(child.content for token in tokens for child in token.children or [])


@given(st.text(max_size=40).map(clean).filter(bool))
def test_any_text_is_shown_as_it_is(words):
    tokens = PARSER.parse(escape(words))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert all(child.type in ("text", "text_special") for child in tokens[1].children)
    assert text(tokens) == words


@pytest.mark.parametrize(
    "start",
    ["- a", "+ a", "1. a", "12) a", "# a", "> a", "---", "===", "| a |", "```", "~~~", "* a"],
)
def test_nothing_begins_a_block(start):
    assert [token.type for token in PARSER.parse(escape(start))] == [
        "paragraph_open",
        "inline",
        "paragraph_close",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_reads_as_markdown(tmp_path, language):
    path = write_markdown(render_document(document(tmp_path), texts(language)), tmp_path)
    tokens = PARSER.parse(path.read_text("utf-8"))
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1
    assert kinds.count("td_open") == 4
    assert text(tokens).count(NASTY) == 5
    (image,) = [
        child for token in tokens for child in token.children or [] if child.type == "image"
    ]
    assert (tmp_path / image.attrs["src"]).is_file()
    assert "0.800 [0.700, 0.900]" in text([image])
