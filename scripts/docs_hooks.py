"""What MkDocs needs beside Markdown: formulas without a script, and links that leave the site."""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r"^\$\$(.+)\$\$$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn formulas into MathML, and links to files outside docs/ into their paths."""
    markdown = FORMULA.sub(lambda match: convert(match[1], display="block"), markdown)
    folder = dirname(page.file.src_uri)

    def inside_site(match: re.Match[str]) -> str:
        target = normpath(join("docs", folder, match[2].partition("#")[0]))
        return match[0] if target.startswith("docs/") else f"{match[1]} (`{target}`)"

    return LINK.sub(inside_site, markdown)
