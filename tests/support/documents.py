"""A small document with one of everything, and texts that can say it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from camlucida.core.messages import Texts
from camlucida.figures.files import save_figure
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
from camlucida.report.locale import load_texts

NASTY = r'Effusion_50%&{x}\ $~^#<script>|"`--\'[1]µ²α×−é…胸水 *_a_* \end{document}'

WORDS = {
    "en": {
        "sections.cases": "Cases",
        "cases.one": "Grad-CAM [@selvaraju2017] of {label}: {auc}.",
        "cases.two": "Maps may mislead [@adebayo2018]; see [@selvaraju2017].",
        "cases.table": "Labels.",
        "cases.label": "Label",
        "cases.auc": "AUC",
    },
    "zh": {
        "sections.cases": "病例",
        "cases.one": "{label}的Grad-CAM [@selvaraju2017]：{auc}。",
        "cases.two": "热图可能误导 [@adebayo2018]；参见 [@selvaraju2017]。",
        "cases.table": "各标签。",
        "cases.label": "标签",
        "cases.auc": "曲线下面积",
    },
}


def texts(language: str = "en") -> Texts:
    loaded = load_texts(language)
    return Texts(language, {**loaded.catalogue, **WORDS[language]})


def one(label: str = NASTY) -> Message:
    return Message("cases.one", {"label": label, "auc": Estimate(0.8, 0.7, 0.9, 0.5)})


def document(folder: Path, rows: int = 2) -> Document:
    """Everything that a document can hold; its picture is written below ``folder``."""
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1], [0, 1])
    save_figure(figure, folder / "figures" / "case.1_Pleural_Effusion")
    table = Table(
        "labels",
        Message("cases.table"),
        (Message("cases.label"), Message("cases.auc")),
        tuple((NASTY, Estimate(-0.25)) for _ in range(rows)),
    )
    blocks = (
        Paragraph((one(), Message("cases.two"))),
        Picture("figures/case.1_Pleural_Effusion", one("x")),
        table,
        Points((one(),)),
    )
    title = Message("page.title", {"names": [NASTY, "b"]})
    return Document(
        title, (Section("cases", blocks), Section("references", (References(),))), synthetic=True
    )


def english_in(text: str) -> list[str]:
    """What reads as an English sentence in a Chinese report: four words in a row, but for
    quotations, commands, references.
    """
    text = re.sub("\n## 参考文献.*?(?=\n## )", "", text, flags=re.DOTALL)
    text = re.sub("“[^”]*”", "", re.sub(r"\n\| 命令 \|[^\n]*", "", text))
    return re.findall(r"(?:[A-Za-z’']{2,}[ ,;:]+){3,}[A-Za-z]{2,}", text)


def pdf_text(path: Path) -> str:
    """What a reader of a PDF can select; the test is skipped without poppler."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed: scripts/system_packages.sh")
    return subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True
    ).stdout.decode()


def compiled(tex: Path) -> str:
    """The text of what pdfLaTeX makes of a file; the test is skipped without it, fails with the
    log.
    """
    for needed in ("booktabs.sty", "CJKutf8.sty", "gbsnu4e.pfb"):
        if (
            shutil.which("kpsewhich") is None
            or not subprocess.run(["kpsewhich", needed], capture_output=True, check=False).stdout
        ):
            pytest.skip(f"LaTeX with {needed} is not installed: scripts/system_packages.sh")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", tex.name]
    done = subprocess.run(command, cwd=tex.parent, capture_output=True, check=False)
    log = done.stdout.decode("latin-1")
    assert done.returncode == 0, log[-3000:]
    assert "Missing character" not in tex.with_suffix(".log").read_text("latin-1")
    return pdf_text(tex.with_suffix(".pdf"))
