"""What reading and writing DICOM objects needs beside pydicom (extra ``dicom``)."""

from __future__ import annotations

from importlib import import_module

from camlucida.core.errors import UsageError


def check_highdicom() -> None:
    """Say what to install where highdicom is missing.

    Raises:
        UsageError: it is.
    """
    _check("highdicom", "DICOM objects are written by highdicom")


def check_pynetdicom() -> None:
    """Say what to install where pynetdicom is missing.

    Raises:
        UsageError: it is.
    """
    _check("pynetdicom", "DICOM nodes are reached by pynetdicom")


def _check(package: str, what: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        raise UsageError(what, "pip install 'camlucida[dicom]'") from error
