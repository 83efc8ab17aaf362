"""A real archive: Orthanc sends an image, gets the objects, and gives them back as they were."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from pydicom import dcmread

from camlucida.models import load_model
from camlucida.workflows.dicom_export import ExportRequest
from camlucida.workflows.dicom_watch import Node, Watch, receiving, send
from tests.support.command_line import run_once
from tests.support.dicom_exports import STUDY, write_film
from tests.support.models_on_disk import write_model
from tests.support.volumes import write_series, write_volume_model

pytest.importorskip("highdicom")
pytest.importorskip("pynetdicom")

SECONDS = 30

DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""Of the Debian package orthanc-dicomweb."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Orthanc:
    """The server's own interface."""

    def __init__(self, http, dicom):
        self.http = http
        self.node = Node("ORTHANC", "127.0.0.1", dicom)

    def ask(self, path, body=None, **headers):
        data = body if body is None or isinstance(body, bytes) else str(body).encode()
        address = f"http://127.0.0.1:{self.http}{path}"
        request = urllib.request.Request(address, data, headers)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read()

    def stow(self, files):
        """Store DICOM files by STOW-RS."""
        head = b"--part\r\nContent-Type: application/dicom\r\n\r\n"
        parts = [head + file.read_bytes() + b"\r\n" for file in files]
        kind = 'multipart/related; type="application/dicom"; boundary=part'
        body = b"".join([*parts, b"--part--\r\n"])
        return self.ask("/dicom-web/studies", body, **{"Content-Type": kind})

    def qido(self, path):
        """Answers of QIDO-RS."""
        return json.loads(self.ask(f"/dicom-web/{path}", Accept="application/dicom+json"))

    def wait(self):
        end = time.monotonic() + SECONDS
        while True:
            try:
                return self.ask("/system")
            except OSError:
                if time.monotonic() > end:
                    raise


@pytest.fixture
def orthanc(tmp_path):
    if shutil.which("Orthanc") is None:
        pytest.skip("Orthanc is not installed (apt-get install orthanc)")
    http, dicom, watch = (free_port() for _ in range(3))
    config = tmp_path / "orthanc.json"
    about = {
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(DICOMWEB)] if DICOMWEB.exists() else [],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomModalities": {"camlucida": ["CAMLUCIDA", "127.0.0.1", watch]},
    }
    config.write_text(json.dumps(about))
    server = subprocess.Popen(
        ["Orthanc", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        archive = Orthanc(http, dicom)
        archive.wait()
        yield archive, watch
    finally:
        server.terminate()
        server.wait(SECONDS)


def test_an_archive_sends_an_image_and_keeps_the_objects(tmp_path, orthanc):
    archive, port = orthanc
    model = load_model(write_model(tmp_path))
    pixels = np.random.default_rng(1).integers(0, 4096, (48, 64)).astype(np.uint16)
    send([write_film(tmp_path / "film.dcm", pixels)], archive.node)
    (study,) = json.loads(archive.ask("/studies"))
    queue = SimpleQueue()
    with receiving(tmp_path / "inbox", port, queue.put):
        archive.ask("/modalities/camlucida/store", study)
        path = queue.get(timeout=SECONDS)
    request = ExportRequest(contours=True, fractional=True)
    watch = Watch(model, tmp_path / "out", request, archive.node, ["Nodule"])
    result = watch.process(path)
    assert result.sent, [*map(str, result.failures)]

    assert json.loads(archive.ask("/studies")) == [study]  # the objects belong to the same study
    about = json.loads(archive.ask(f"/studies/{study}"))
    assert about["MainDicomTags"]["StudyInstanceUID"] == STUDY
    assert len(about["Series"]) == 1 + len({dcmread(each).SeriesNumber for each in result.objects})
    for each in result.objects:
        made = dcmread(each)
        (found,) = json.loads(archive.ask("/tools/lookup", made.SOPInstanceUID))[:1] or [None]
        assert found is not None
        stored = tmp_path / "stored.dcm"
        stored.write_bytes(archive.ask(f"{found['Path']}/file"))
        assert dcmread(stored) == made


def test_objects_of_a_series_are_stored_and_found_by_dicomweb(tmp_path, orthanc):
    if not DICOMWEB.exists():
        pytest.skip("Orthanc has no DICOMweb (apt-get install orthanc-dicomweb)")
    archive, _ = orthanc
    write_volume_model(tmp_path)
    voxels = np.zeros((10, 12, 14), np.int16)
    voxels[3, 8, 5] = 1000
    about = {"StudyInstanceUID": STUDY, "FrameOfReferenceUID": "1.2.9.8", "SliceThickness": 3.0}
    slices = sorted(write_series(tmp_path / "ct", voxels, **about).iterdir())
    words = ("ct", "--model", "card.toml", "--out", "explained", "--write", "map")
    assert run_once(tmp_path, "explain", *words).code == 0
    done = run_once(tmp_path, "export", "dicom", "explained", "--out", "objects")
    assert done.code == 0, done.err
    objects = sorted((tmp_path / "objects").glob("*.dcm"))
    archive.stow([*slices, *objects])
    series = archive.qido(f"studies/{STUDY}/series?includefield=00200011")
    by_modality = {each["00080060"]["Value"][0]: each for each in series}
    assert {"CT", "SEG", "SR"} == set(by_modality)
    numbers = [by_modality[modality]["00200011"]["Value"] for modality in ("SEG", "SR")]
    assert numbers == [[9102], [9103]]
    for path in objects:
        made = dcmread(path)
        (instance,) = archive.qido(f"instances?SOPInstanceUID={made.SOPInstanceUID}")
        assert instance["00080016"]["Value"] == [made.SOPClassUID]
        (entry,) = json.loads(archive.ask("/tools/lookup", made.SOPInstanceUID))
        stored = tmp_path / "stored.dcm"
        stored.write_bytes(archive.ask(f"{entry['Path']}/file"))
        assert dcmread(stored) == made
