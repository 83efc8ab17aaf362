"""Whose image a DICOM file is: a keyed hash that groups files, never the patient's identifier."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from pydicom import Dataset, dcmread

from camlucida.core.files import write_bytes
from camlucida.io.dicom.reader import READER
from camlucida.io.image import quiet
from camlucida.io.storage import fetch

KEY_BYTES = 32
DIGITS = 16
"""Of a hash, hexadecimal: two of a million patients share one with a chance of 3e-8."""


def patient_hash(path: Path) -> str:
    """A name for the patient of a DICOM file: the same for all files of one patient.

    It is an HMAC of PatientID and IssuerOfPatientID under a secret key of this user
    (:func:`secret_key`), so it cannot be turned back, nor compared with another computer's.

    Args:
        path: of any file.

    Returns:
        ``dicom-`` and 16 digits; "" for another kind of file, a damaged one, or no PatientID.

    >>> patient_hash(Path("no.dcm"))
    ''
    """
    tags = ("PatientID", "IssuerOfPatientID")
    header = _header(path, tags)
    if header is None:
        return ""
    try:
        parts = [str(header.get(tag) or "").strip() for tag in tags]
    except Exception:  # noqa: BLE001, a value is read when it is used
        return ""
    if not parts[0]:
        return ""
    digest = hmac.new(secret_key(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()
    return f"dicom-{digest[:DIGITS]}"


def case_name(identity: str) -> str:
    """A name of a case that tells nothing, the same each time for this user.

    Args:
        identity: what the case is known by, such as its file name.

    >>> case_name("doe_jane") == case_name("doe_jane"), len(case_name("doe_jane"))
    (True, 21)
    """
    return keyed_name("case", identity)


def keyed_name(kind: str, identity: str) -> str:
    """A name that tells nothing, the same each time for this user.

    Args:
        kind: stands before it: "case", "patient".
        identity: what a file, a table or a header calls it.

    >>> keyed_name("patient", "Doe, Jane") == keyed_name("patient", "Doe, Jane")
    True
    """
    text = identity.encode(errors="surrogateescape")
    digest = hmac.new(secret_key(), text, hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:DIGITS]}"


ATTRIBUTES = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate")
"""What is shown of a patient, where it is wanted."""


def patient_attributes(path: Path) -> dict[str, str]:
    """The patient's attributes in a DICOM file, for a user who wants to see them.

    Args:
        path: of any file.

    Returns:
        Keyword → text, of :data:`ATTRIBUTES` those that the file has; none of another kind of file
        or a damaged one.

    >>> patient_attributes(Path("no.dcm"))
    {}
    """
    header = _header(path, ATTRIBUTES)
    if header is None:
        return {}
    try:
        texts = {name: str(header.get(name) or "").strip()[:200] for name in ATTRIBUTES}
    except Exception:  # noqa: BLE001, a value is read when it is used
        return {}
    return {name: text for name, text in texts.items() if text}


def _header(path: Path, tags: Sequence[str]) -> Dataset | None:
    """These elements of a DICOM file; None of another kind of file or a damaged one."""
    try:
        with fetch(path).open("rb") as file:
            head = file.read(1024)
        if not READER.matches(head):
            return None
        with quiet("pydicom"):
            return dcmread(path, stop_before_pixels=True, specific_tags=list(tags), force=True)
    # Whatever a damaged header raises: the image is read, and refused, elsewhere.
    except Exception:  # noqa: BLE001
        return None


def key_folder() -> Path:
    """Where this user's key is kept, and what its names stand for."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home, "camlucida")


@cache
def secret_key() -> bytes:
    """The key of this user, made at random when it is first needed.

    It is kept in ``$XDG_DATA_HOME/camlucida/patients.key``, readable by the user alone; where
    that cannot be written, it lasts as long as the process.
    """
    path = key_folder() / "patients.key"
    try:
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    except OSError:
        pass
    key = secrets.token_bytes(KEY_BYTES)
    made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        write_bytes(made, key, 0o600)
        try:
            if not path.exists():
                # Of processes that make one at the same time, the first counts for all.
                with suppress(FileExistsError):
                    os.link(made, path)
                return path.read_bytes()
            made.replace(path)  # a damaged one
        finally:
            made.unlink(missing_ok=True)
    except OSError:
        pass
    return key
