r"""A generated section in a LaTeX file of somebody's own: only what stands between two comment
lines is ever written.

% camlucida:begin NAME
…
% camlucida:end NAME
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.files import reading, slug, write_bytes

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_MARKER = re.compile(rb"[ \t]*%[ \t]*camlucida:(begin|end)[ \t]+(\S+)[ \t]*[\r\n]*")
_CODE = re.compile(rb"(?:[^\\%\r\n]|\\[^\r\n])*")
"""What stands before a comment."""

_VERBATIM = re.compile(
    rb"\\begin\{(verbatim\*?|Verbatim|lstlisting|minted|comment|filecontents\*?)\}"
)
_END = re.compile(rb"\\end[ \t]*\{document\}")
_DOCUMENT = re.compile(rb"\\documentclass\b")
_INPUTENC = re.compile(rb"\\usepackage\s*\[\s*([\w-]+)\s*\]\s*\{inputenc\}")
_CODECS = {"utf8x": "utf-8", "latin9": "iso8859-15", "ansinew": "cp1252", "applemac": "mac_roman"}


def insert_section(tex: Path, name: str, body: str) -> bool:
    r"""Put ``body`` between the markers of ``name`` in the file ``tex``; everything else stays as
    it is, byte for byte.

    Where the file has no such markers, they are added before ``\end{document}``, or at the end of
    a file without it; a file
    that is not there is made. Line ends and encoding are the file's. The same body again changes
    nothing.

    Returns:
        Whether the file changed.

    Raises:
        UsageError: broken markers (one without the other, nested, twice), by their lines; a name
            or a body that cannot stand
            there; the file is untouched.
    """
    if any(_MARKER.fullmatch(line) for line in _LINE.findall(body.encode())):
        raise ValueError("the section's own text has a marker")
    data = _checked(tex, name)
    changed = _with_section(data, name, body, tex)
    if changed == data:
        return False
    file = tex.resolve()
    write_bytes(file, changed, file.stat().st_mode & 0o7777 if file.exists() else 0o644)
    return True


def check_insertable(tex: Path, name: str) -> None:
    """Raise what :func:`insert_section` would raise of the file and its markers, before there is a
    body.
    """
    _blocks(list(_visible(_checked(tex, name))), tex)


def section_name(words: Sequence[str]) -> str:
    """A name that markers can have, made of ``words``.

    >>> section_name(["nih 2"]), section_name(["胸片"])
    ('nih_2', 'report-6e63065e')
    """
    name = slug("-".join(words))
    return name if NAME.fullmatch(name) else f"report-{sha256(name.encode()).hexdigest()[:8]}"


def root_of(tex: Path) -> Path:
    r"""The folder in which LaTeX is run, from which the paths of pictures start.

    The file's own if it has a ``\documentclass``; else the nearest of its own and the three above
    it in which a file has one;
    else its own.
    """
    parent = tex.absolute().parent
    with reading(tex, UsageError, "the LaTeX file"):
        if tex.is_file() and _DOCUMENT.search(tex.read_bytes()):
            return parent
        for folder in [parent, *list(parent.parents)[:3]]:
            if any(
                _DOCUMENT.search(path.read_bytes())
                for path in sorted(folder.glob("*.tex"))
                if path.is_file()
            ):
                return folder
    return parent


def _checked(tex: Path, name: str) -> bytes:
    """The content of the file; none if it is not there."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a section",
            "letters, digits, dots, hyphens and underscores of ASCII",
        )
    with reading(tex, UsageError, "the LaTeX file"):
        if not tex.parent.is_dir() or tex.is_dir():
            raise UsageError(
                f"{tex} cannot be a LaTeX file", "it is a folder, or its folder does not exist"
            )
        data = tex.read_bytes() if tex.exists() else b""
    if b"\0" in data:
        raise UsageError(f"{tex} is no text that LaTeX reads", "save it as UTF-8")
    return data


def _with_section(data: bytes, name: str, body: str, tex: Path) -> bytes:
    lines = list(_visible(data))
    blocks = _blocks(lines, tex)
    end = _line_end(data)
    written = re.split(r"\r\n|\r|\n", body.removesuffix("\n"))
    text = end.join(_encoded(line, data, tex) for line in [*written, ""])
    if name in blocks:
        start, stop = blocks[name]
        return data[:start] + text + data[stop:]
    at = _before_the_end(data, lines, list(blocks.values()))
    ahead = end if at and data[at - 1 : at] not in b"\r\n" else b""
    begin, finish = (f"% camlucida:{word} {name}".encode() + end for word in ("begin", "end"))
    return data[:at] + ahead + begin + text + finish + data[at:]


def _visible(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, offset, line) of the lines that TeX reads as code or comment: none of a verbatim
    text.
    """
    inside, offset = b"", 0
    for number, line in enumerate(_LINE.findall(data), 1):
        if inside:
            inside = b"" if b"\\end{" + inside + b"}" in line else inside
        else:
            yield number, offset, line
            begun = _VERBATIM.search(_code(line))
            end = b"\\end{" + begun[1] + b"}" if begun else b""
            if (
                begun and end not in line and end in data[offset:]
            ):  # without an end it is part of a macro
                inside = begun[1]
        offset += len(line)


def _code(line: bytes) -> bytes:
    code = _CODE.match(line)
    return code[0] if code else b""


def _blocks(lines: Sequence[tuple[int, int, bytes]], tex: Path) -> dict[str, tuple[int, int]]:
    """Name → offsets of what stands between its markers."""
    blocks: dict[str, tuple[int, int]] = {}
    first: dict[str, int] = {}
    opened: tuple[str, int, int] | None = None

    def broken(what: str) -> UsageError:
        return UsageError(
            f"{tex}: {what}",
            "mend its lines “% camlucida:begin NAME” and “% camlucida:end NAME”; "
            "nothing was written",
        )

    for number, offset, line in lines:
        marker = _MARKER.fullmatch(line)
        if marker is None:
            continue
        name = marker[2].decode("utf-8", "replace")
        if marker[1] == b"begin":
            if opened is not None:
                outer, start, _ = opened
                raise broken(
                    f"line {number} begins {name} inside {outer}, which began in line {start}"
                )
            if name in first:
                raise broken(f"{name} begins in line {first[name]} and again in line {number}")
            opened, first[name] = (name, number, offset + len(line)), number
        elif opened is None:
            raise broken(f"line {number} ends {name}, which did not begin")
        elif opened[0] != name:
            raise broken(
                f"line {number} ends {name} inside {opened[0]}, which began in line {opened[1]}"
            )
        else:
            blocks[name], opened = (opened[2], offset), None
    if opened is not None:
        raise broken(f"{opened[0]} begins in line {opened[1]} and has no end")
    return blocks


def _before_the_end(
    data: bytes, lines: Sequence[tuple[int, int, bytes]], blocks: Sequence[tuple[int, int]]
) -> int:
    r"""Where ``\end{document}`` stands outside all blocks: its line, if nothing stands before it
    there.
    """
    for _, offset, line in lines:
        end = _END.search(_code(line))
        if end and not any(start <= offset < stop for start, stop in blocks):
            return offset + (end.start() if line[: end.start()].strip() else 0)
    return len(data)


def _line_end(data: bytes) -> bytes:
    """The commonest of the file."""
    ends = [line[len(line.rstrip(b"\r\n")) :] for line in _LINE.findall(data)]
    return max((b"\n", b"\r\n", b"\r"), key=ends.count)


def _encoded(line: str, data: bytes, tex: Path) -> bytes:
    if line.isascii():
        return line.encode()
    encoding = _encoding(data)
    try:
        return line.encode(encoding)
    except UnicodeEncodeError as error:
        sign = line[error.start]
        raise UsageError(
            f"{tex} is not in UTF-8, and its encoding may not have {sign!r}", "save it as UTF-8"
        ) from error


def _encoding(data: bytes) -> str:
    """What the file declares, else UTF-8 if it is that, else ASCII: no other is guessed."""
    declared = _INPUTENC.search(data)
    name = declared[1].decode() if declared else "utf-8"
    try:
        codec = codecs.lookup(_CODECS.get(name, name)).name
        data.decode(codec)
    except (LookupError, UnicodeDecodeError):
        return "ascii"
    return codec
