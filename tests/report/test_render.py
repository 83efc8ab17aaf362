"""A document in words, numbered."""

from camlucida.report.document import (
    Cell,
    Code,
    Details,
    Document,
    Estimate,
    Facts,
    Gallery,
    Link,
    Links,
    Listing,
    Message,
    Notice,
    Paragraph,
    Picture,
    Points,
    References,
    Section,
    Subsection,
    Table,
    phrase,
)
from camlucida.report.render import render_document
from camlucida.report.rendered import (
    Cited,
    RenderedFigure,
    RenderedReferences,
    RenderedTable,
    plain,
)
from camlucida.report.writers.html import html
from camlucida.report.writers.markdown import markdown
from tests.support.documents import document, one, texts

TITLE = Message("page.title", {"names": ["x"]})


def table(name="t", rows=((1, "a"),)):
    return Table(name, Message("cases.table"), (Message("cases.label"), Message("cases.auc")), rows)


def rendered_sections(*blocks, language="en"):
    return render_document(Document(TITLE, (Section("cases", blocks),)), texts(language)).sections


def test_citations_are_numbered_in_order_of_appearance_and_listed_once(tmp_path):
    report = render_document(document(tmp_path), texts())
    first = report.sections[0].blocks[0].line
    assert [piece.number for piece in first if isinstance(piece, Cited)] == [1, 2, 1]
    assert "[1]" in plain(first)
    (works,) = report.sections[1].blocks
    assert [work.split()[0] for work in works.works] == ["Selvaraju", "Adebayo"]


def test_works_are_listed_at_the_end_where_the_document_has_no_place_for_them():
    sections = rendered_sections(Paragraph((one(),)))
    assert [section.title for section in sections] == ["Cases", "References"]
    assert isinstance(sections[1].blocks[0], RenderedReferences)


def test_what_is_empty_is_left_out():
    nothing = (
        Section("cases", (table(rows=()), Points(()), Paragraph(()))),
        Section("references", (References(),)),
    )
    assert render_document(Document(TITLE, nothing), texts()).sections == ()


def test_tables_and_figures_are_numbered_apart_with_anchors_of_their_own():
    blocks = rendered_sections(
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
    (block,) = rendered_sections(table(rows=((1, "a"), ("", 2), (float("nan"), 3))))[0].blocks
    assert isinstance(block, RenderedTable)
    assert block.numeric == (True, False)
    assert block.notes == ()
    assert plain(block.rows[2][0]) == "–"
    (block,) = rendered_sections(table(rows=(("a", Estimate(0.5)),)))[0].blocks
    assert "no interval" in plain(block.notes[0])


def test_a_section_that_cannot_be_rendered_costs_that_section_alone():
    lost = Section("cases", (table(), Paragraph((one(),)), table("bad", rows=((1,),))))
    kept = Section("data", (table("kept"),))
    report = render_document(Document(TITLE, (lost, kept)), texts())
    (failure,) = report.failures
    assert failure.startswith("section cases: table bad: a row has another number of cells")
    first, second = report.sections
    assert "could not be made" in plain(first.blocks[0].line)
    assert second.blocks[0].number == 1  # what the lost section counted does not count


def test_a_missing_text_costs_its_section():
    lost = Section("cases", (Paragraph((Message("cases.one", {"label": "x"}),)),))
    report = render_document(Document(TITLE, (lost,)), texts())
    assert len(report.failures) == 1


def test_blocks_of_pages():
    blocks = (
        Facts((("Command", Code("a b")), ("None", None))),
        Notice(("Mind this.",)),
        Links("Pages", (Link("a b.html", "A"),)),
        Gallery((Picture.of_file("x.png", "An x."),)),
        Details("More", (Paragraph((phrase("See ", Link("rows.csv"), "."),)), table(rows=()))),
        Details("Empty", (Points(()),)),
        Subsection("Case 1", (Listing("one\ntwo"),)),
    )
    section = Section("any", blocks, title="Any <title>")
    report = render_document(Document("A page", (section,), intro=(Notice(("First.",)),)))
    assert report.failures == ()
    assert report.sections[0].title == "Any <title>"
    kinds = [type(block).__name__ for block in report.sections[0].blocks]
    assert kinds == [
        "RenderedFacts",
        "RenderedNotice",
        "RenderedLinks",
        "RenderedGallery",
        "RenderedDetails",
        "RenderedSubsection",
    ]
    assert plain(report.sections[0].blocks[0].rows[1][1]) == "–"
    assert plain(report.sections[0].blocks[4].blocks[0].line) == "See rows.csv."
    assert report.sections[0].blocks[3].figures[0].number == 0
    text = markdown(report)
    assert "[rows.csv](rows.csv)" in text
    assert "    one\n    two" in text
    page = html(report)
    assert 'href="a%20b.html"' in page
    assert "Any &lt;title&gt;" in page
    assert '<img loading="lazy" src="x.png"' in page


def test_cells_have_notes_and_formats():
    rows = ((Cell(0.1234, spec="+.2f"), Cell("a", note="grey")), (None, float("nan")))
    (block,) = rendered_sections(Table("t", "T", (Cell("AUC", note="chance 0.5"), "x"), rows))[
        0
    ].blocks
    assert [plain(cell) for cell in block.rows[0]] == ["+0.12", "a (grey)"]
    assert [plain(cell) for cell in block.rows[1]] == ["–", "–"]
    assert plain(block.head[0]) == "AUC (chance 0.5)"
    assert block.numeric == (True, False)


def test_sentences_follow_each_other_as_the_language_has_it():
    sentences = (Message("cases.table"), Message("cases.table"))
    assert plain(rendered_sections(Paragraph(sentences))[0].blocks[0].line) == "Labels. Labels."
    assert (
        plain(rendered_sections(Paragraph(sentences), language="zh")[0].blocks[0].line)
        == "各标签。各标签。"
    )


def test_synthetic_scans_are_announced(tmp_path):
    notices = render_document(document(tmp_path), texts()).notices
    assert notices[0].startswith("Research use only")
    assert "SYNTHETIC" in notices[1]
    assert len(render_document(Document(TITLE, ()), texts()).notices) == 1
