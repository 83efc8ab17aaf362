"""The stamp on figures of a model that did not make the stored predictions."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from camlucida.figures.files import save_figure
from camlucida.figures.notice import notice_line, stamped
from camlucida.figures.style import drawn_with
from camlucida.report.locale import load_texts

STAMP = "NOT THE MODEL OF THE STORED PREDICTIONS"


def test_every_figure_inside_is_stamped(tmp_path):
    plain, marked = Figure((4, 3)), Figure((4, 3))
    (png,) = save_figure(plain, tmp_path / "plain", ["png"])
    with stamped(True):
        assert notice_line(synthetic=True).startswith(f"{STAMP} · Research use only")
        with stamped(False):  # an inner block takes nothing away
            files = save_figure(marked, tmp_path / "marked", ["png", "svg"])
    assert notice_line(synthetic=False) == "Research use only"
    texts = [text.get_text() for text in marked.texts]
    assert texts == [STAMP] * 3
    assert not plain.texts
    blank, red = (np.asarray(Image.open(file)) for file in (png, files[0]))
    assert blank.min() == 255
    # The words fit into the figure: its outermost columns are white.
    assert red.min() < 255
    assert red[:, :5].min() == red[:, -5:].min() == 255


def test_the_stamp_runs_through_the_pictures_and_not_over_their_titles(tmp_path):
    figure = Figure((8, 6), layout="constrained")
    panels = figure.subplots(3, 2)
    for axes in panels.flat:
        axes.imshow(np.zeros((9, 16)))
        axes.set_title("predicted 1: right\nprobability 0.88")
    with stamped(True):
        save_figure(figure, tmp_path / "grid", ["png"], dpi=50)
    stamps = [text.get_window_extent() for text in figure.texts]
    titles = [axes.title.get_window_extent() for axes in panels.flat]
    assert len(stamps) == 3
    assert not any(title.count_overlaps(stamps) for title in titles)
    pictures = [axes.get_window_extent() for axes in panels.flat]
    assert all(picture.count_overlaps(stamps) == 1 for picture in pictures)


def test_the_stamp_fits_into_the_figure_in_chinese(tmp_path, caplog):
    figure = Figure((8, 3), layout="constrained")
    figure.subplots().imshow(np.zeros((9, 16)))
    with stamped(True), drawn_with(texts=load_texts("zh")):
        save_figure(figure, tmp_path / "grid", ["png"], dpi=50)
    (text,) = figure.texts
    box = text.get_window_extent()
    assert figure.bbox.x0 < box.x0 < box.x1 < figure.bbox.x1
    # Fonts with Chinese signs have no bold face, of which matplotlib would warn.
    assert not caplog.records
