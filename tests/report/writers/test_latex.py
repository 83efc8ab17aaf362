"""LaTeX: any text is escaped, and what is made compiles."""

import random
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.core.messages import clean
from camlucida.report.document import Document, Estimate, Message, Section, Table
from camlucida.report.render import render_document
from camlucida.report.writers.breaks import parts
from camlucida.report.writers.insert import insert_section
from camlucida.report.writers.latex import picture_prefix, section, write_latex
from camlucida.report.writers.latex_text import escape, has_chinese
from tests.support.documents import NASTY, compiled, document, texts

pytestmark = pytest.mark.usefixtures("drawn_figures")

HOST = r"""\documentclass%s{article}
\usepackage{graphicx}
%s
\begin{document}
\section{Host}
See Table~\ref{co:table-labels}.
\end{document}
"""


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a b", "a b"),
        (r"50%_a&b#c", r"50\%\_a\&b\#c"),
        (r"\x{y}", r"\textbackslash{}x\{y\}"),
        ("a--b", "a-{}-{}b"),
        ("±2 µm²", r"\ensuremath{\pm}2 \ensuremath{\mu}m\ensuremath{^{2}}"),
        ("−1", r"\ensuremath{-}1"),
        ("αΩ", r"\ensuremath{\alpha}\ensuremath{\Omega}"),
        ("é ǖ Ł", r"\'{e} \={\"{u}} \L{}"),
        ("胸水，A", r"胸水，\allowbreak{}A"),
        ("a（b）胸c，d", r"a\allowbreak{}（b）胸\allowbreak{}c，\allowbreak{}d"),
        ("1张", r"1\allowbreak{}张"),
        ("한😀", "[U+D55C][U+1F600]"),
        ("Pleural_Effusion_left", r"Pleural\_\allowbreak{}Effusion\_\allowbreak{}left"),
        ("0123456789abcdef0", r"01234567\allowbreak{}89abcdef\allowbreak{}0"),
        ("counterintuitively", "counterintuitively"),
    ],
)
def test_escape(text, latex):
    assert escape(text) == latex


@given(st.text(max_size=60).map(clean))
def test_what_is_left_of_any_text_is_ascii_or_chinese(text):
    latex = escape(text)
    assert all(sign.isascii() or has_chinese(sign) for sign in latex)
    assert not re.search(
        r"(?<!\\)[%&#_$~^]",
        re.sub(r"\\ensuremath\{[^}]*\}*|\\[~^=\"']", "", latex).replace("~", ""),
    )


@given(st.text(max_size=60).map(clean))
def test_a_line_may_break_between_parts_of_it(text):
    assert "".join(parts(text)) == "".join(text.split())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_compiles(tmp_path, language):
    path = write_latex(render_document(document(tmp_path, rows=60), texts(language)), tmp_path)
    assert "case.1_Pleural_Effusion.pdf" in path.read_text("utf-8")
    text = compiled(path)
    assert {"en": "SYNTHETIC: some", "zh": "随机水平为0.500"}[language] in text
    assert "0.800 [0.700, 0.900]" in text
    assert "胸水" in text
    assert "Selvaraju" in text


def test_all_kinds_of_signs_compile(tmp_path):
    """A sample of every block of Unicode, and all that have a command of their own."""
    drawn = random.Random(0)
    signs = [
        chr(drawn.randrange(start, start + 64))
        for start in range(0x20, 0x11000, 64)
        for _ in range(2)
    ]
    signs += [*"αβγδεζηθικλμνξοπρστυφχψωςΓΔΘΛΞΠΣΥΦΨΩΑ", *map(chr, range(0xA0, 0x180))]
    signs = [sign for sign in signs if unicodedata.category(sign) not in ("Cs", "Cn", "Cc")]
    rows = tuple(
        (" ".join(signs[i : i + 12]), "".join(signs[i : i + 12])) for i in range(0, len(signs), 12)
    )
    head = (Message("cases.label"), Message("cases.auc"))
    everything = Table("signs", Message("cases.table"), head, rows)
    made = Document(Message("page.title", {"names": ["x"]}), (Section("cases", (everything,)),))
    assert "[U+" in compiled(write_latex(render_document(made, texts()), tmp_path))


@pytest.mark.parametrize(
    ("language", "options", "preamble"),
    [
        ("en", "", r"\usepackage{CJKutf8}"),
        ("en", "[twocolumn]", r"\usepackage{booktabs,CJKutf8}"),
        ("zh", "", r"\usepackage{booktabs}\usepackage{CJKutf8}\usepackage{hyperref}"),
    ],
)
def test_a_section_in_an_article_compiles_and_is_the_same_again(
    tmp_path, language, options, preamble
):
    out, tex = tmp_path / "my ässets 胸" / "r_1", tmp_path / "article.tex"
    tex.write_text(HOST % (options, preamble), "utf-8")
    made = document(out)

    def insert():
        return insert_section(
            tex,
            "co",
            section(render_document(made, texts(language)), out, "co", picture_prefix(out, tex)),
        )

    assert insert()
    first = tex.read_bytes()
    assert not insert()
    assert tex.read_bytes() == first
    text = compiled(tex)
    assert "0.800 [0.700, 0.900]" in text
    assert "胸水" in text
    assert "Host" in text


def test_an_english_section_without_chinese_is_ascii(tmp_path):
    made = Document(Message("page.title", {"names": ["Müller ≥ 3"]}), ())
    assert section(render_document(made, texts()), tmp_path, "x", "").isascii()


def test_pictures_are_where_latex_is_run(tmp_path):
    (tmp_path / "paper" / "sections").mkdir(parents=True)
    (tmp_path / "paper" / "main.tex").write_text(
        r"\documentclass{article}\begin{document}\input{sections/a}\end{document}"
    )
    out = tmp_path / "paper" / "assets"
    body = section(
        render_document(document(out), texts()),
        out,
        "x",
        picture_prefix(out, tmp_path / "paper" / "sections" / "a.tex"),
    )
    assert "{assets/figures/case.1_Pleural_Effusion.pdf}" in body


def test_a_folder_that_latex_cannot_name_is_refused(tmp_path):
    with pytest.raises(UsageError, match="its name has '%'"):
        picture_prefix(tmp_path / "50%", tmp_path / "a.tex")


def test_long_tables_go_on_and_wide_ones_wrap(tmp_path):
    head = tuple(Message("cases.label") for _ in range(3))
    rows = tuple((f"model_{i}", "ab" * 60, Estimate(0.5)) for i in range(40))
    made = Document(
        Message("page.title", {"names": ["x"]}),
        (Section("cases", (Table("t", Message("cases.table"), head, rows),)),),
    )
    tex = write_latex(render_document(made, texts()), tmp_path).read_text("utf-8")
    assert tex.count(r"\caption{") == 1
    assert tex.count("continued") == tex.count(r"\begin{tabular}{p{") - 1 > 0
    assert "no interval" in tex
    assert max(map(len, tex.split())) < 400
    assert sys.getsizeof(tex) < 100_000


def test_labels_are_ascii_and_unique(tmp_path):
    tables = tuple(
        Table(name, Message("cases.table"), (Message("cases.label"),), ((NASTY,),))
        for name in ("a_性别", "a_年龄", "a")
    )
    made = Document(Message("page.title", {"names": ["x"]}), (Section("cases", tables),))
    labels = re.findall(
        r"\\label\{(.*?)\}", section(render_document(made, texts()), tmp_path, "x", "")
    )
    assert labels == ["x", "x:cases", "x:table-1", "x:table-2", "x:table-a"]
