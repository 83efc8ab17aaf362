"""Between the markers, and nowhere else."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.report.writers.insert import insert_section, root_of, section_name

BLOCK = "% camlucida:begin a\nnew\n% camlucida:end a\n"


def insert(tmp_path, before, name="a", body="new\n"):
    tex = tmp_path / "a.tex"
    data = before if isinstance(before, bytes) else before.encode()
    tex.write_bytes(data)
    assert insert_section(tex, name, body)
    after = tex.read_bytes()
    assert not insert_section(tex, name, body)
    assert tex.read_bytes() == after
    return after if isinstance(before, bytes) else after.decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", BLOCK),
        ("text", f"text\n{BLOCK}"),
        ("text\n", f"text\n{BLOCK}"),
        ("x\n\\end{document}\n", f"x\n{BLOCK}\\end{{document}}\n"),
        ("x\n  \\end{document} bye", f"x\n{BLOCK}  \\end{{document}} bye"),
        ("x \\end {document}", f"x \n{BLOCK}\\end {{document}}"),
        (
            "% \\end{document}\n\\% \\end{document}",
            f"% \\end{{document}}\n\\% \n{BLOCK}\\end{{document}}",
        ),
        (
            "\\begin{verbatim}\n\\end{document}\n\\end{verbatim}\n\\end{document}",
            f"\\begin{{verbatim}}\n\\end{{document}}\n\\end{{verbatim}}\n{BLOCK}\\end{{document}}",
        ),
        ("\\begin{verbatim} in a macro\n", f"\\begin{{verbatim}} in a macro\n{BLOCK}"),
        (
            "%camlucida:begin a\nold\nlines\n  %  camlucida:end a",
            "%camlucida:begin a\nnew\n  %  camlucida:end a",
        ),
        (
            "% camlucida:begin b\nold\n% camlucida:end b\n",
            f"% camlucida:begin b\nold\n% camlucida:end b\n{BLOCK}",
        ),
        ("% camlucida:begin a\n% camlucida:end a\nend", f"{BLOCK}end"),
    ],
)
def test_where_it_goes(tmp_path, before, after):
    assert insert(tmp_path, before) == after


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_are_the_files(tmp_path, end):
    before = end.join(["a", "\\end{document}", ""])
    after = insert(tmp_path, before.encode(), body="x\r\ny\nz\n").decode()
    assert after == end.join(
        ["a", "% camlucida:begin a", "x", "y", "z", "% camlucida:end a", "\\end{document}", ""]
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("% camlucida:begin a\nx", r"a begins in line 1 and has no end"),
        ("x\n% camlucida:end a\n", r"line 2 ends a, which did not begin"),
        (
            "% camlucida:begin a\n% camlucida:begin b\n",
            r"line 2 begins b inside a, which began in line 1",
        ),
        (
            "% camlucida:begin a\n% camlucida:end b\n",
            r"line 2 ends b inside a, which began in line 1",
        ),
        (
            "% camlucida:begin a\n% camlucida:end a\n% camlucida:begin a\n",
            r"a begins in line 1 and again in line 3",
        ),
        ("% camlucida:begin b\nx", r"b begins in line 1 and has no end"),
    ],
)
def test_broken_markers_are_refused_and_nothing_is_written(tmp_path, text, lines):
    tex = tmp_path / "a.tex"
    tex.write_text(text)
    with pytest.raises(UsageError, match=lines):
        insert_section(tex, "a", "new")
    assert tex.read_text() == text
    assert os.listdir(tmp_path) == ["a.tex"]


def test_markers_in_a_verbatim_text_are_no_markers(tmp_path):
    text = "\\begin{verbatim}\n% camlucida:begin a\n\\end{verbatim}\n"
    assert insert(tmp_path, text) == text + BLOCK


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("é\n".encode(), "utf-8"),
        (b"plain\n", "utf-8"),
        ("\\usepackage[latin1]{inputenc} é\n".encode("latin-1"), "latin-1"),
        ("\\usepackage[latin1]{inputenc}\n".encode("latin-1"), "latin-1"),
        ("\\usepackage[utf8]{inputenc} é\n".encode(), "utf-8"),
    ],
)
def test_encoding_is_the_files(tmp_path, data, encoding):
    assert "ü\n".encode(encoding) in insert(tmp_path, data, body="ü\n")


def test_an_encoding_is_not_guessed(tmp_path):
    before = "é 1\n".encode("latin-1")
    assert insert(tmp_path, before, body="ascii").startswith(before)
    tex = tmp_path / "b.tex"
    tex.write_bytes(before)
    with pytest.raises(UsageError, match="save it as UTF-8"):
        insert_section(tex, "a", "胸")
    assert tex.read_bytes() == before
    tex.write_bytes("x".encode("utf-16"))
    with pytest.raises(UsageError, match="no text that LaTeX reads"):
        insert_section(tex, "a", "x")


def test_mode_and_links_are_kept(tmp_path):
    real, link = tmp_path / "real.tex", tmp_path / "link.tex"
    real.write_text("x\n")
    real.chmod(0o600)
    link.symlink_to(real)
    insert_section(link, "a", "new")
    assert link.is_symlink()
    assert real.read_text() == f"x\n{BLOCK}"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_there_is_made_but_no_folder(tmp_path):
    assert insert_section(tmp_path / "new.tex", "a", "new")
    assert (tmp_path / "new.tex").read_text() == BLOCK
    for wrong in (tmp_path, tmp_path / "no" / "a.tex"):
        with pytest.raises(UsageError, match="cannot be a LaTeX file"):
            insert_section(wrong, "a", "new")


@pytest.mark.parametrize("name", ["", "a b", "é", "-a", "a%"])
def test_names_that_markers_cannot_have(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a section"):
        insert_section(tmp_path / "a.tex", name, "x")


def test_a_body_with_a_marker_is_a_fault(tmp_path):
    with pytest.raises(ValueError, match="marker"):
        insert_section(tmp_path / "a.tex", "a", "x\n% camlucida:end a\n")


LINES = st.sampled_from(
    [
        "",
        "text",
        "\\section{x}",
        "  % note",
        "\\end{document}",
        "50\\% of \\end{document}",
        "é",
        "\\verb|%|",
        "%",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
HOSTS = st.lists(st.tuples(LINES, ENDS)).map(
    lambda pairs: "".join(line + end for line, end in pairs)
)
BODIES = st.lists(
    st.sampled_from(["", "ü", "\\caption{a}", "% x", "\\end{document}", "胸"]), max_size=4
).map("\n".join)


@settings(max_examples=50)
@given(
    before=HOSTS, after=HOSTS, first=BODIES, second=BODIES, names=st.permutations(["a", "b", "c-1"])
)
def test_idempotent_and_the_rest_untouched(tmp_path_factory, before, after, first, second, names):
    tex = tmp_path_factory.getbasetemp() / "property.tex"
    start, end = (
        f"% camlucida:begin {names[0]}\n".encode(),
        f"% camlucida:end {names[0]}\n".encode(),
    )
    tex.write_bytes(before.encode() + b"\n" + start + b"old\n" + end + after.encode())
    insert_section(tex, names[0], first)
    once = tex.read_bytes()
    assert not insert_section(tex, names[0], first)
    assert once.startswith(before.encode() + b"\n" + start)
    assert once.endswith(end + after.encode())
    insert_section(tex, names[1], second)
    insert_section(tex, names[0], second)
    insert_section(tex, names[0], first)
    assert not insert_section(tex, names[1], second)
    both = tex.read_bytes()
    assert both.count(b"camlucida:begin") == both.count(b"camlucida:end") == 2
    at = both.index(f"% camlucida:begin {names[1]}".encode())
    stop = both.index(f"% camlucida:end {names[1]}".encode())
    stop += len(both[stop:].splitlines(keepends=True)[0])
    rest = both[:at] + both[stop:]
    assert once in [
        rest,
        *(rest[: at - n] + rest[at:] for n in (1, 2)),
    ]  # a missing line end is added before it


def test_root_of(tmp_path):
    paper = tmp_path / "paper"
    (paper / "sections" / "deep").mkdir(parents=True)
    part = paper / "sections" / "deep" / "a.tex"
    assert root_of(part) == part.parent
    (paper / "main.tex").write_text("\\documentclass{article}")
    assert root_of(part) == paper
    part.write_text("\\documentclass{standalone}")
    assert root_of(part) == part.parent


def test_section_names():
    assert section_name(["nih 2", "b"]) == "nih_2-b"
    assert section_name(["胸片"]).startswith("report-")
    assert section_name(["胸片"]) != section_name(["乳腺"])
