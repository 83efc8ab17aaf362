"""Images that arrive by folder or port are explained once; objects go back over the network."""

import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import dcmread

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.io.dicom.patients import case_name
from camlucida.models import load_model
from camlucida.workflows.dicom_export import ExportRequest
from camlucida.workflows.dicom_watch import (
    FolderPoll,
    Node,
    Room,
    Watch,
    parse_node,
    receiving,
    send,
)
from camlucida.workflows.dicom_watch.job import WatchedImage
from camlucida.workflows.dicom_watch.network import SendError, check_host
from camlucida.workflows.dicom_watch.room import RESERVE
from tests.support.command_line import run_once
from tests.support.dcmtk import dcmtk
from tests.support.dicom_exports import STUDY, write_film
from tests.support.leaks import NAME, PLANTED, words_in
from tests.support.models_on_disk import write_model

pytest.importorskip("highdicom")
pytest.importorskip("pynetdicom")

SECONDS = 30
"""After which a message that does not come fails its test."""


def film(path, seed=1, **elements):
    pixels = np.random.default_rng(seed).integers(0, 4096, (48, 64)).astype(np.uint16)
    return write_film(path, pixels, BurnedInAnnotation="NO", **elements)


@contextmanager
def archive():
    """A node that takes every kind of object; yields itself and what it took."""
    from pynetdicom import AE, AllStoragePresentationContexts, evt

    taken = []

    def store(event):
        taken.append((event.dataset.Modality, str(event.dataset.StudyInstanceUID)))
        return 0

    entity = AE("ARCHIVE")
    entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    try:
        yield Node("ARCHIVE", "127.0.0.1", server.server_address[1]), taken
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_model(tmp_path_factory.mktemp("model")))


def test_an_image_that_is_sent_is_explained_and_its_objects_are_sent_back(tmp_path, model):
    queue = SimpleQueue()
    source = film(tmp_path / "film.dcm")
    request = ExportRequest(contours=True, fractional=True)
    with archive() as (node, taken), receiving(tmp_path / "inbox", 0, queue.put) as port:
        send([source], Node("CAMLUCIDA", "127.0.0.1", port))
        path = queue.get(timeout=SECONDS)
        assert dcmread(path).PixelData == dcmread(source).PixelData
        result = Watch(model, tmp_path / "out", request, node, ["Nodule"]).process(path)
    assert not result.failures
    assert result.sent
    assert {study for _, study in taken} == {STUDY}
    assert len(taken) == len(result.objects)
    assert {"OT", "SR"} <= {modality for modality, _ in taken} <= {"OT", "SEG", "SR", "PR"}


def test_what_is_done_is_not_done_again_but_what_was_not_sent_is(tmp_path, model):
    source = film(tmp_path / "film.dcm")
    nowhere = Node("ARCHIVE", "127.0.0.1", 1)
    first = Watch(model, tmp_path / "out", ExportRequest(), nowhere).process(source)
    assert "ARCHIVE@127.0.0.1:1 cannot be reached" in str(first.failures[0])
    (folder,) = (tmp_path / "out").iterdir()
    before = {path: path.read_bytes() for path in (folder / "dicom").iterdir()}
    with archive() as (node, taken):
        watch = Watch(model, tmp_path / "out", ExportRequest(), node)
        again = watch.process(source)
        assert watch.process(source).sent is False
    assert again.sent
    assert len(taken) == len(again.objects)
    assert before == {path: path.read_bytes() for path in (folder / "dicom").iterdir()}


def test_own_objects_and_broken_files_cost_nothing_else(tmp_path, model):
    own = film(tmp_path / "own.dcm", Manufacturer="camlucida")
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(bytes(128) + b"DICM" + bytes(40))
    watch = Watch(model, tmp_path / "out", ExportRequest())
    assert "not explained again" in str(watch.process(own).notes[0])
    assert not watch.process(own).objects
    (failure,) = watch.process(broken).failures
    assert str(failure).startswith(f"{case_name('broken')}_")
    (failure,) = replace(watch, keep_names=True).process(broken).failures
    assert "broken.dcm" in str(failure)


def test_a_short_name_of_a_file_changes_no_other_word(tmp_path, model):
    watch = Watch(model, tmp_path / "out", ExportRequest())
    failure = Failure("in/1.dcm", "image", "1.dcm has 16 bits, and 1 of 12 frames")
    result = WatchedImage("case-2", tmp_path, failures=[failure])
    (logged,) = watch._logged(Path("in/1.dcm"), result).failures
    assert "has 16 bits" in logged.what
    assert "of 12 frames" in logged.what
    assert "1.dcm" not in logged.what


def test_the_log_names_nobody_unless_names_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.cli.watch.PAUSE", 0)
    write_model(tmp_path)
    (tmp_path / "in").mkdir()
    film(tmp_path / f"in/{NAME}.dcm")
    film(tmp_path / f"in/{NAME}_own.dcm", Manufacturer="camlucida")
    (tmp_path / f"in/{NAME}_broken.dcm").write_bytes(
        (tmp_path / f"in/{NAME}.dcm").read_bytes()[:-500]
    )
    words = ("--dicom-in", "in", "--model", "card.toml", "--once")
    done = run_once(tmp_path, "watch", *words, "--out", "out")
    assert words_in(done.out + done.err, (*PLANTED, NAME)) == []
    assert done.err.splitlines()[-1] == "error: 1 fault"
    kept = run_once(tmp_path, "watch", *words, "--out", "kept", "--keep-names")
    assert f"{NAME}_own.dcm: written by camlucida" in kept.err


def test_no_more_is_taken_than_the_quota_allows(tmp_path, monkeypatch):
    (tmp_path / "inbox").mkdir()
    source = film(tmp_path / "film.dcm")
    room = Room(tmp_path / "inbox", source.stat().st_size * 3 // 2)
    queue, refused = SimpleQueue(), SimpleQueue()
    with receiving(room.folder, 0, queue.put, room=room, refused=refused.put) as port:
        node = Node("CAMLUCIDA", "127.0.0.1", port)
        send([source], node)
        queue.get(timeout=SECONDS)
        film(source, SOPInstanceUID="1.2.3.4")
        with pytest.raises(SendError, match="status A700"):
            send([source], node)
    assert "--quota allows" in str(refused.get(timeout=SECONDS))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=RESERVE))
    assert "is full" in str(Room(tmp_path).refusal(1))


def test_a_quota_that_is_used_up_ends_the_watch_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.cli.watch.PAUSE", 0)
    write_model(tmp_path)
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    film(tmp_path / "in/film.dcm")
    (tmp_path / "out/earlier").write_bytes(bytes(1_100_000))
    words = ("--model", "card.toml", "--once", "--quota", "0.001")
    done = run_once(tmp_path, "watch", "--dicom-in", "in", *words, "--out", "out")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "out holds 1,100,000 bytes, and --quota allows 1,000,000" in done.err


def test_a_growing_file_waits_and_a_hidden_one_is_left_out(tmp_path):
    poll = FolderPoll(tmp_path)
    path = film(tmp_path / "film.dcm")
    (tmp_path / ".part").write_bytes(path.read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    assert poll.new_files() == []
    assert poll.new_files() == [path]
    assert poll.new_files() == []
    film(path, seed=2, PatientComments="longer than before")
    assert poll.new_files() == []
    assert poll.new_files() == [path]


def test_storescu_of_dcmtk_reaches_the_port(tmp_path):
    storescu, echoscu = dcmtk("storescu"), dcmtk("echoscu")
    queue = SimpleQueue()
    source = film(tmp_path / "film.dcm")
    with receiving(tmp_path / "inbox", 0, queue.put, callers=["MODALITY"]) as port:
        words = ["-aec", "CAMLUCIDA", "127.0.0.1", str(port)]
        subprocess.run([storescu, "-aet", "MODALITY", *words, source], check=True)
        path = queue.get(timeout=SECONDS)
        stranger = subprocess.run(
            [storescu, "-aet", "STRANGER", *words, source], capture_output=True
        )
        assert subprocess.run([echoscu, "-aet", "MODALITY", *words]).returncode == 0
    assert stranger.returncode != 0
    assert queue.empty()
    assert dcmread(path).SOPInstanceUID == dcmread(source).SOPInstanceUID


def test_objects_come_back_from_a_node_that_refuses_their_kind_with_one_line(tmp_path):
    source = film(tmp_path / "film.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    queue = SimpleQueue()
    with (
        receiving(tmp_path / "inbox", 0, queue.put) as port,
        pytest.raises(SendError, match=r"film\.dcm|cannot be reached, or refuses"),
    ):
        send([source], Node("CAMLUCIDA", "127.0.0.1", port))
    assert queue.empty()


def test_others_may_send_only_by_name():
    check_host("10.0.0.5", ["MODALITY"])
    check_host("localhost", ())
    for host in ("0.0.0.0", "10.0.0.5", "::", "pacs.example"):
        with pytest.raises(UsageError, match=r"any of them could send.*--caller TITLE"):
            check_host(host, ())


@pytest.mark.parametrize(
    "text", ["ARCHIVE", "A@b", "A@b:0", "A@b:70000", "@b:1", "A" * 17 + "@b:1"]
)
def test_a_node_is_written_in_one_way(text):
    with pytest.raises(UsageError, match="write TITLE@HOST:PORT"):
        parse_node(text)


def test_the_command_explains_what_a_folder_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.cli.watch.PAUSE", 0)
    write_model(tmp_path)
    (tmp_path / "in").mkdir()
    film(tmp_path / "in/film.dcm")
    words = ("--model", "card.toml", "--target", "Nodule", "--once", "--out", "out")
    done = run_once(tmp_path, "watch", "--dicom-in", "in", *words)
    assert done.code == 0, done.err
    assert f"{case_name('film')}_" in done.out
    assert list((tmp_path / "out").glob(f"{case_name('film')}_*/dicom/film_report.dcm"))
    absent = run_once(tmp_path, "watch", "--dicom-in", "absent", *words)
    assert (absent.code, "absent is no folder" in absent.err) == (2, True)
    port = run_once(tmp_path, "watch", "--dicom-in", "11112", *words)
    assert (port.code, "--once needs a folder" in port.err) == (2, True)
