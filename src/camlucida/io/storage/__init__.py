"""Object storage: files behind addresses such as ``s3://bucket/films/a.png``, through fsspec."""

from camlucida.io.storage.address import (
    address_of,
    copy_path,
    is_address,
    joined,
    local_file,
    normal,
)
from camlucida.io.storage.copies import expected, fetch, fetched, list_images
from camlucida.io.storage.store import open_store, storing

__all__ = [
    "address_of",
    "copy_path",
    "expected",
    "fetch",
    "fetched",
    "is_address",
    "joined",
    "list_images",
    "local_file",
    "normal",
    "open_store",
    "storing",
]
