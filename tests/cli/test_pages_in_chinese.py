"""Every command that writes a page, once, in Chinese: no English sentence is left.

It takes longer than other tests, as it runs every command; figures are made without being drawn.
"""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from camlucida.cli import main
from camlucida.figures import files, style
from tests.support.explanations import figure_text
from tests.support.models_on_disk import write_image, write_model
from tests.support.runs_on_disk import run_of, save
from tests.support.saliency_files import write_dataset
from tests.support.segmentation_project import write_project

LABELS = ("Edema", "Mass")
TABLE = "image,patient,Edema,Mass\n0,p,1,0\n1,q,0,1\n2,q,1,0\n3,r,0,1\n"
EXPLAIN = '[explain]\ntarget = ["Edema", "Mass"]\nmethod = ["gradcam", "layercam"]\n'
QUOTED = {"style", "script", "code", "pre", "title"}
"""Elements whose text is no sentence of the page; a title is its heading again, and the viewer's
words stand in Chinese beside its program."""
SENTENCE = re.compile(r"(?:[A-Za-z][A-Za-z'’-]*[,;:]? ){3,}[A-Za-z]+")
"""Four English words or more."""


class Words(HTMLParser):
    """The text of a page for people, and of its pictures; without works that are cited."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.quoted = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.lines += [f"\n{given[name]}\n" for name in ("alt", "aria-label") if given.get(name)]
        if tag in QUOTED or (given.get("id") or "").startswith("reference-"):
            self.quoted.append(tag)

    def handle_endtag(self, tag):
        if self.quoted and self.quoted[-1] == tag:
            self.quoted.pop()

    def handle_data(self, data):
        if not self.quoted:
            self.lines.append(data)


def sentences(page):
    """English sentences of a page, but for errors, which it quotes."""
    words = Words()
    words.feed(page.replace("<wbr>", ""))
    return SENTENCE.findall(re.sub("“[^”]*”", "", "".join(words.lines)))


def undeclared(page):
    """Codes of messages that stand in place of their text."""
    return re.findall(r"\b[a-z_]+_page\.[a-z_]+", page)


@pytest.fixture
def drawn(monkeypatch):
    """The text of every figure that is made; none is drawn."""
    texts = []

    def collect(figure):
        texts.append(figure_text(figure))

    def draw(canvas):
        collect(canvas.figure)
        canvas.get_renderer()

    def blank(figure, file, **_):
        file.write(b"<svg/>")

    monkeypatch.setattr(style, "installed_cjk_fonts", lambda: ("WenQuanYi Micro Hei",))
    monkeypatch.setattr(files, "_lay_out", collect)
    monkeypatch.setattr(Figure, "savefig", blank)
    monkeypatch.setattr(FigureCanvasAgg, "draw", draw)
    monkeypatch.setitem(files._WRITERS, "pdf", lambda figure, dpi: b"%PDF")
    return texts


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A run of a classifier by two methods, its masks, and the inputs of the other commands."""
    folder = tmp_path_factory.mktemp("world")
    run_of(folder / "study", "multilabel", LABELS, TABLE, EXPLAIN)
    mask = np.zeros((48, 64), bool)
    mask[8:24, 8:30] = True
    for name in ("0", "2"):
        save(folder / f"study/masks/Edema/{name}.png", mask)
    write_dataset(folder / "saliency", 500, 12)
    write_project(folder / "regions")
    for name, labels in (("a", LABELS), ("b", ("Mass", "edema", "Nodule"))):
        (folder / f"ensemble/{name}").mkdir(parents=True)
        write_model(folder / f"ensemble/{name}", labels=labels)
    classifiers = ""
    for name in ("a", "b"):
        card = f'model_type = "card"\nweights = "{name}/card.toml"\n'
        classifiers += f"[classifiers.{name}]\n{card}"
    (folder / "ensemble/config.toml").write_text(classifiers)
    boxes = "image,Label,x,y,w,h\n0.png,edema,4,4,20,12\n"
    (folder / "ensemble/boxes.csv").write_text(boxes)
    picture = write_image(folder / "pair/before.png")
    moved = np.roll(np.asarray(Image.open(picture)), (3, 5), (0, 1))
    Image.fromarray(moved).save(folder / "pair/after.png")
    random = np.random.default_rng(0)
    predictions = pd.DataFrame({"image": [f"{k}.png" for k in range(24)], "patient": range(24)})
    predictions["Edema"] = [k % 2 for k in range(24)]
    predictions["pred_Edema"] = random.uniform(0, 1, 24)
    predictions.to_csv(folder / "predictions.csv", index=False)
    return folder


COMMANDS = {
    "explain": "explain {study}/films --model {study}/card.toml --out {out}",
    "evaluate": (
        "evaluate {study}/films --model {study}/card.toml --masks {study}/masks "
        "--table {study}/labels.csv --metrics road,average_precision_lift,hit,sanity --out {out}"
    ),
    "report": "report {study}/run --out {out} --format html --format md",
    "compare": "compare {study}/run --by method --out {out}",
    "case": "case {study}/run 0 --label Edema --out {out}",
    "ensemble": (
        "ensemble {world}/ensemble/config.toml {study}/films "
        "--boxes {world}/ensemble/boxes.csv --out {out}"
    ),
    "change": "change {world}/pair/before.png {world}/pair/after.png --model {study}/card.toml "
    "--out {out}",
    "chexlocalize": (
        "evaluate-chexlocalize {world}/saliency/maps "
        "--truth {world}/saliency/gt_segmentations.json --out {out}"
    ),
    "segmentation": (
        "explain-segmentation --model_path {world}/regions/models_1 "
        "--model {world}/regions/card.toml --data_dir {world}/regions/Dataset "
        "--methods gradcam,layercam --target_layer encoder_last --output-dir {out}"
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_and_its_figures_hold_no_english_sentence(name, world, tmp_path, drawn):
    places = {"study": world / "study", "world": world, "out": tmp_path}
    words = COMMANDS[name].format(**places).split()
    with pytest.raises(SystemExit) as ended:
        main([*words, "--language", "zh"])
    assert ended.value.code == 0
    assert [SENTENCE.findall(text) for text in drawn if SENTENCE.findall(text)] == []
    pages = sorted(tmp_path.rglob("*.html"))
    assert pages or name == "case"
    for page in pages:
        text = page.read_text("utf-8")
        assert "仅供研究使用" in text
        assert (sentences(text), undeclared(text)) == ([], [])
