"""The driver of a store, and what it refuses, as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io.storage.address import normal

DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}
"""Scheme → the package that holds its driver."""

TOKENS = ("ETag", "etag", "md5Hash", "crc32c", "LastModified", "last_modified", "updated", "mtime")
"""Entries by which drivers tell that an object has changed; the first that is there counts."""


def open_store(item: str) -> Any:
    """The fsspec file system of an address.

    Args:
        item: the address.

    Raises:
        UsageError: fsspec or the driver is not installed, or no driver knows the scheme.
    """
    address = normal(item)
    scheme = address.partition("://")[0]
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{address} needs fsspec", "pip install 'camlucida[storage]'") from error
    try:
        return fsspec.filesystem(scheme)
    except ImportError as error:
        package = DRIVERS.get(scheme)
        fix = f"pip install {package}" if package else str(error)
        raise UsageError(f"the driver of {scheme}:// is not installed: {address}", fix) from error
    except ValueError as error:
        raise UsageError(
            f"no driver knows {scheme}://: {address}", "stores: s3://, gs://, az://, file://"
        ) from error


@contextmanager
def storing(item: str, verb: str, kind: type[CamlucidaError], fix: str = "") -> Iterator[None]:
    """Whatever a store refuses becomes one line.

    Args:
        item: the address, named in the message.
        verb: what is being done: "read", "written".
        kind: of the error that is raised.
        fix: what the user can do where the reason does not say it.

    Raises:
        CamlucidaError: of ``kind``.
    """
    try:
        yield
    except CamlucidaError:
        raise
    except Exception as error:
        reason, mend = _reason(error)
        raise kind(f"{normal(item)} cannot be {verb}: {reason}", fix or mend) from error


def _reason(error: Exception) -> tuple[str, str]:
    """Why a store refused, and what mends it."""
    name = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return "no such bucket, folder or object", "correct the address"
    if isinstance(error, PermissionError) or "Credential" in name or "Auth" in name:
        return (
            "access is refused, or there are no credentials",
            "give the driver credentials: for s3:// as for the AWS command line, for gs:// by "
            "GOOGLE_APPLICATION_CREDENTIALS",
        )
    text = " ".join(str(error).split())[:200]
    return (f"{name}: {text}" if text else name), "mend that, then give the command again"


def token(info: dict[str, Any]) -> str:
    """What changes when an object changes: its size, and a hash or a time.

    Args:
        info: of the driver.

    >>> token({"size": 3, "ETag": '"abc"'})
    '3 "abc"'
    """
    mark = next((info[name] for name in (*TOKENS, "created") if info.get(name)), "")
    return f"{info.get('size')} {mark}"
