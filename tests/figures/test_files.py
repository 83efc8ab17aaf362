"""Figures as files: every format, the same bytes twice, nothing else left behind."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from pypdf import PdfReader

from camlucida.figures.files import figure_pdf, save_figure


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


def test_a_figure_for_print_has_300_pixels_an_inch_and_truetype_fonts(tmp_path):
    png, pdf = save_figure(drawn(), tmp_path / "a")
    with Image.open(png) as picture:
        assert picture.size == (600, 300)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    fonts = PdfReader(pdf).pages[0]["/Resources"]["/Font"].values()
    outlines = [font["/DescendantFonts"].get_object()[0].get_object() for font in fonts]
    assert {font["/Subtype"] for font in outlines} == {"/CIDFontType2"}  # TrueType, by glyph


@pytest.mark.filterwarnings("error")
def test_texts_are_written_as_they_stand(tmp_path):
    figure = drawn()
    axes = figure.axes[0]
    axes.set_title("a$b_$c 年龄")
    axes.set_yticks([0, 1], ["x$y_$z", "w"])
    axes.set_xscale("log")
    assert len(save_figure(figure, tmp_path / "a", ("png", "pdf"))) == 2
    assert not axes.title.get_parse_math()
    assert all(label.get_parse_math() for label in axes.get_xticklabels())  # 10² is a formula


def _pages(panels: int, noise: float) -> Figure:
    random = np.random.default_rng(0)
    figure = Figure(figsize=(8, 2 * panels), layout="constrained")
    smooth = np.linspace(0, 1, 600)[:, None] * np.linspace(0, 1, 800)
    for index in range(panels):
        axes = figure.add_subplot(panels, 1, index + 1)
        picture = smooth[..., None] * [1, 0.8, 0.6] + noise * random.random((600, 800, 3))
        axes.imshow(picture.clip(0, 1))
        axes.set_title(f"case {index}")
    return figure


def test_a_pdf_of_many_films_is_small_and_keeps_its_text_and_pictures():
    pdf = figure_pdf(_pages(4, 0.3))
    assert len(pdf) < 1_000_000
    (page,) = PdfReader(io.BytesIO(pdf)).pages
    assert "case 3" in page.extract_text()
    pictures = [each.image for each in page.images]
    assert len(pictures) == 4
    corners = [np.asarray(each)[-20:, -20:].mean((0, 1)) for each in pictures]
    assert np.allclose(corners, [255 * 0.98, 255 * 0.94, 255 * 0.74], atol=12)


def test_a_small_pdf_keeps_every_pixel():
    (page,) = PdfReader(io.BytesIO(figure_pdf(_pages(1, 0)))).pages
    (picture,) = page.images
    assert picture.indirect_reference.get_object()["/Filter"] == "/FlateDecode"
