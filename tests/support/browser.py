"""Debian's Chromium, for tests of pages."""

import os
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium():
    """A browser; without one the test is skipped, and in CI it fails."""
    from playwright.sync_api import sync_playwright

    if shutil.which(CHROMIUM) is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium: the pages cannot be checked")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
