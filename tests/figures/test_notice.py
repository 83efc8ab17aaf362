"""The stamp on figures of a model that did not make the stored predictions."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from camlucida.figures.files import save_figure
from camlucida.figures.notice import notice_line, stamped

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
