"""The site builds without a warning, names every page, and fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

FETCHED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="(https?:[^"]+)""")


SOURCES = ("docs/**/*", "src/camlucida/**/*.py", "scripts/docs_*.py", "mkdocs.yml")
"""What the site is built of."""


def _is_built(site: Path) -> bool:
    """Whether `make docs` has built the site since its sources were last changed."""
    index = site / "search/search_index.json"  # written after the last page
    sources = (path for pattern in SOURCES for path in REPOSITORY.glob(pattern))
    newest = max(path.stat().st_mtime for path in sources)
    return index.is_file() and index.stat().st_mtime > newest


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a strict build: that of `make docs` where nothing has changed since."""
    pytest.importorskip("mkdocs", reason="the site needs pip install '.[docs]'")
    if _is_built(REPOSITORY / "site"):
        return REPOSITORY / "site"
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_navigation(site) -> None:
    start = (site / "index.html").read_text("utf-8")
    for path in (REPOSITORY / "docs").rglob("*.md"):
        page = path.relative_to(REPOSITORY / "docs").with_suffix(".html").as_posix()
        assert f'href="{page}"' in start or page == "index.html"


def test_pages_fetch_nothing(site) -> None:
    for page in site.rglob("*.html"):
        assert FETCHED.findall(page.read_text("utf-8")) == [], page


def test_the_generated_reference_has_signatures(site) -> None:
    text = (site / "reference/api/explaining.html").read_text("utf-8")
    assert 'id="camlucida.attribution.engine.explain"' in text
    assert ":class:" not in re.sub(r"<[^>]+>", "", text)
