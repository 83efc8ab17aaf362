"""Object storage: files behind addresses such as ``s3://bucket/films/a.png``, through fsspec."""

from camlucida.io.storage.address import (
    address_of,
    copy_path,
    is_address,
    joined,
    local_file,
    normal,
)
from camlucida.io.storage.at_once import Uploads, each_at_once
from camlucida.io.storage.copies import expected, fetch, fetched, list_images
from camlucida.io.storage.locks import alone
from camlucida.io.storage.store import open_store, storing

__all__ = [
    "Uploads",
    "address_of",
    "alone",
    "copy_path",
    "each_at_once",
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
