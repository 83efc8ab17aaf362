"""The page: self-contained, escaped, with a text for every picture."""

import base64
import io
from html.parser import HTMLParser

import pytest
from PIL import Image

from camlucida.core.errors import CamlucidaError
from camlucida.report.document import Document, Message, Picture, Section
from camlucida.report.render import render_document
from camlucida.report.writers.html import PIXELS_AN_INCH, WIDEST, write_html, write_page
from tests.support.documents import NASTY, document, one, texts


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(("language", "tag"), [("en", "en"), ("zh", "zh-Hans")])
def test_the_page_needs_nothing_and_says_everything(tmp_path, language, tag):
    path = write_html(render_document(document(tmp_path), texts(language)), tmp_path)
    assert path.name == {"en": "report.html", "zh": "report_zh.html"}[language]
    html = path.read_text("utf-8")
    page = Page(html)
    assert ("html", {"lang": tag}) in page.tags
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in page.tags}
    for _, attributes in page.tags:
        for name in {"src", "href", "style", "srcset"} & set(attributes):
            assert attributes[name].startswith(("data:image/png;base64,", "#", "max-width: "))
    assert "Effusion_<wbr>50%&amp;{x}" in html  # a line may be broken there
    assert "url(" not in html
    assert "@import" not in html
    assert any(
        attributes.get("http-equiv") == "Content-Security-Policy" for _, attributes in page.tags
    )
    assert page.text.count(NASTY) == 6  # twice in titles; in a paragraph, two cells and a list
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"][1:] for name, attributes in page.tags if name == "a"]
    assert set(links) <= set(ids)
    (alt,) = [attributes["alt"] for name, attributes in page.tags if name == "img"]
    assert "0.800 [0.700, 0.900]" in alt


def test_pictures_are_reduced(tmp_path):
    Image.new("RGBA", (4000, 1000), "red").save(tmp_path / "wide.png")
    Image.new("L", (40, 30)).save(tmp_path / "small.png")
    section = Section("cases", (Picture("wide", one("a")), Picture("small", one("b"))))
    html = write_html(
        render_document(Document(Message("page.title", {"names": ["x"]}), (section,)), texts()),
        tmp_path,
    ).read_text("utf-8")
    sources = [
        attributes["src"].partition(",")[2] for name, attributes in Page(html).tags if name == "img"
    ]
    assert [Image.open(io.BytesIO(base64.b64decode(source))).size for source in sources] == [
        (WIDEST, 320),
        (40, 30),
    ]


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "gone.png").write_bytes(content)
    lost = Document(
        Message("page.title", {"names": ["x"]}), (Section("cases", (Picture("gone", one("a")),)),)
    )
    with pytest.raises(CamlucidaError, match=r"gone\.png cannot be read"):
        write_html(render_document(lost, texts()), tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_same_document_gives_the_same_bytes(tmp_path):
    made = document(tmp_path)
    assert (
        write_html(render_document(made, texts()), tmp_path).read_bytes()
        == write_html(render_document(made, texts()), tmp_path).read_bytes()
    )


def test_letters_of_narrow_and_wide_figures_have_one_size(tmp_path):
    for name, inches in (("narrow", 2), ("wide", 8)):
        Image.new("L", (300 * inches, 300)).save(tmp_path / f"{name}.png", dpi=(300, 300))
    Image.new("L", (40, 30)).save(tmp_path / "film.png")
    names = ("narrow", "wide", "film")
    section = Section("cases", tuple(Picture(name, one(name)) for name in names))
    page = Document(Message("page.title", {"names": ["x"]}), (section,))
    written = write_html(render_document(page, texts()), tmp_path)
    linked = write_page(page, tmp_path / "page.html", texts())
    for path in (written, linked):
        tags = Page(path.read_text("utf-8")).tags
        styles = [attributes.get("style") for name, attributes in tags if name == "img"]
        widths = [f"max-width: min(100%, {PIXELS_AN_INCH * inches}px)" for inches in (2, 8)]
        assert styles == [*widths, None]
