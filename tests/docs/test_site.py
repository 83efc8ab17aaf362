"""The site builds without a warning, names every page, and fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.paths import REPOSITORY

FETCHED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="(https?:[^"]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a strict build."""
    pytest.importorskip("mkdocs", reason="the site needs pip install '.[docs]'")
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
