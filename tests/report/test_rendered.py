"""A document in words, numbered."""

import pytest

from camlucida.report.document import (
    Document,
    Estimate,
    Message,
    Paragraph,
    Picture,
    Points,
    References,
    Section,
    Table,
)
from camlucida.report.rendered import (
    Cited,
    RenderedFigure,
    RenderedReferences,
    RenderedTable,
    plain,
    render_document,
)
from tests.support.documents import document, one, texts

TITLE = Message("page.title", {"names": ["x"]})


def table(name="t", rows=((1, "a"),)):
    return Table(name, Message("cases.table"), (Message("cases.label"), Message("cases.auc")), rows)


def said(*blocks, language="en"):
    return render_document(Document(TITLE, (Section("cases", blocks),)), texts(language)).sections


def test_citations_are_numbered_in_order_of_appearance_and_listed_once(tmp_path):
    report = render_document(document(tmp_path), texts())
    first = report.sections[0].blocks[0].line
    assert [piece.number for piece in first if isinstance(piece, Cited)] == [1, 2, 1]
    assert "[1]" in plain(first)
    (works,) = report.sections[1].blocks
    assert [work.split()[0] for work in works.works] == ["Selvaraju", "Adebayo"]


def test_works_are_listed_at_the_end_where_the_document_has_no_place_for_them():
    sections = said(Paragraph((one(),)))
    assert [section.title for section in sections] == ["Cases", "References"]
    assert isinstance(sections[1].blocks[0], RenderedReferences)


def test_what_is_empty_is_left_out():
    nothing = (
        Section("cases", (table(rows=()), Points(()), Paragraph(()))),
        Section("references", (References(),)),
    )
    assert render_document(Document(TITLE, nothing), texts()).sections == ()


def test_tables_and_figures_are_numbered_apart_with_anchors_of_their_own():
    blocks = said(
        table(),
        Picture("figures/a b", one("x")),
        table(rows=()),
        table(),
        Picture("c/a b", one("x")),
    )[0].blocks
    assert [(block.number, block.anchor) for block in blocks] == [
        (1, "table-t"),
        (1, "figure-a_b"),
        (2, "table-t_2"),
        (2, "figure-a_b_2"),
    ]
    assert isinstance(blocks[1], RenderedFigure)


def test_columns_of_numbers_and_the_note_on_intervals():
    (block,) = said(table(rows=((1, "a"), ("", 2), (float("nan"), 3))))[0].blocks
    assert isinstance(block, RenderedTable)
    assert block.numeric == (True, False)
    assert block.note == ""
    assert plain(block.rows[2][0]) == "–"
    (block,) = said(table(rows=(("a", Estimate(0.5)),)))[0].blocks
    assert "no interval" in block.note


def test_a_row_that_does_not_fit_its_head_is_a_fault():
    with pytest.raises(ValueError, match="another number of cells"):
        said(table(rows=((1,),)))


def test_sentences_follow_each_other_as_the_language_has_it():
    sentences = (Message("cases.table"), Message("cases.table"))
    assert plain(said(Paragraph(sentences))[0].blocks[0].line) == "Labels. Labels."
    assert plain(said(Paragraph(sentences), language="zh")[0].blocks[0].line) == "各标签。各标签。"


def test_synthetic_scans_are_announced(tmp_path):
    notices = render_document(document(tmp_path), texts()).notices
    assert notices[0].startswith("Research use only")
    assert "SYNTHETIC" in notices[1]
    assert len(render_document(Document(TITLE, ()), texts()).notices) == 1
