"""``camlucida watch`` at a port, with dcmtk at both ends: a real film in, its objects out."""

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from threading import Timer

import pytest
from pydicom import dcmread

from tests.support.dcmtk import dcmtk
from tests.support.models_on_disk import write_model
from tests.support.paths import REPOSITORY

pytest.importorskip("highdicom")
pytest.importorskip("pynetdicom")

SECONDS = 120
"""After which a process that says nothing fails the test."""


@contextmanager
def process(words, **options):
    """A process that is ended with the context, and killed if it lasts too long."""
    started = subprocess.Popen([*map(str, words)], text=True, **options)
    watchdog = Timer(SECONDS, started.kill)
    watchdog.start()
    with started:
        try:
            yield started
        finally:
            started.kill()
            watchdog.cancel()


@pytest.fixture
def archive(tmp_path):
    """Port and folder of dcmtk's storescp."""
    storescp, echoscu = dcmtk("storescp"), dcmtk("echoscu")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "archive"
    folder.mkdir()
    with process([storescp, "-aet", "ARCHIVE", "-od", folder, port]):
        end = time.monotonic() + SECONDS
        while subprocess.run([echoscu, "127.0.0.1", str(port)], capture_output=True).returncode:
            assert time.monotonic() < end
        yield port, folder


def test_objects_of_a_film_that_is_sent_come_back(tmp_path, shared_data, archive):
    port, folder = archive
    film = shared_data / "dicom/rsna_cxr.dcm"
    write_model(tmp_path)
    words = [sys.executable, "-m", "tests.support.camlucida", "watch", "--dicom-in", 0]
    words += ["--model", tmp_path / "card.toml", "--target", "Nodule", "--contours"]
    words += ["--send-to", f"ARCHIVE@127.0.0.1:{port}", "--out", tmp_path / "out"]
    with process(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        opened = re.search(r"CAMLUCIDA@127\.0\.0\.1:(\d+)", watch.stdout.readline())
        assert opened, watch.stderr.read()
        assert "Ctrl+C ends it" in watch.stdout.readline()
        # The film is compressed: JPEG is proposed, and taken.
        send = [dcmtk("storescu"), "-xy", "-aec", "CAMLUCIDA", "127.0.0.1", opened[1], film]
        subprocess.run(send, check=True)
        logged = watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.wait() == 0, watch.stderr.read()
        assert "ended" in watch.stderr.read()
    assert re.search(rf"case-\w+: 4 objects in .*, sent to ARCHIVE@127\.0\.0\.1:{port}$", logged)
    objects = [dcmread(path) for path in folder.iterdir()]
    assert sorted(each.Modality for each in objects) == ["OT", "PR", "SEG", "SR"]
    assert {each.StudyInstanceUID for each in objects} == {dcmread(film).StudyInstanceUID}
