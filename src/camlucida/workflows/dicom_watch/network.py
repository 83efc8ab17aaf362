"""DICOM over the network, by pynetdicom: images in, objects out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from pydicom import dcmread
from pydicom.uid import UID

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import slug, write_bytes
from camlucida.core.messages import Message, declare
from camlucida.io.dicom.extra import check_pynetdicom
from camlucida.io.image import quiet
from camlucida.workflows.dicom_watch.room import Room

declare(
    "dicom_watch",
    {
        "large": "an image of {size:,} bytes is not taken; the limit is {largest:,}",
        "unwritten": "an image that was sent cannot be written to {folder}: {reason}",
    },
)

TITLE = "CAMLUCIDA"
"""The AE title under which images are taken and objects are sent."""

LARGEST = 2**29
"""Bytes of an image that is taken."""

SUCCESS, NO_ROOM, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000


class SendError(CamlucidaError):
    """Objects cannot be sent."""

    code = "send"


class Node(NamedTuple):
    """A DICOM node.

    Attributes:
        title: AE title.
        host: name or address.
        port: number.
    """

    title: str
    host: str
    port: int

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.title}@{self.host}:{self.port}"


def parse_node(text: str) -> Node:
    """A node as it is written: ``TITLE@HOST:PORT``.

    Args:
        text: of the command line.

    Raises:
        UsageError: it is written otherwise.

    >>> parse_node("ARCHIVE@10.0.0.5:104")
    Node(title='ARCHIVE', host='10.0.0.5', port=104)
    """
    match = re.fullmatch(r"([ -?A-~]{1,16})@([^@\s]+):(\d{1,5})", text)
    if match is None or not 0 < int(match[3]) < 65536:
        raise UsageError(f"{text!r} is no DICOM node", "write TITLE@HOST:PORT")
    return Node(match[1].strip(), match[2], int(match[3]))


def check_host(host: str, callers: Sequence[str]) -> None:
    """Refuse an address that others reach where nothing says who may send.

    Args:
        host: address to listen on.
        callers: AE titles that may send; empty: any.

    Raises:
        UsageError: DICOM asks nobody for a password, so a list of senders is the least.

    >>> check_host("127.0.0.1", ())
    """
    try:
        is_own = ip_address(host).is_loopback
    except ValueError:
        is_own = host == "localhost"
    if not is_own and not callers:
        raise UsageError(
            f"--host {host} can be reached by other machines, and any of them could send",
            "name who may: --caller TITLE",
        )


@contextmanager
def receiving(
    folder: Path,
    port: int,
    arrived: Callable[[Path], object],
    host: str = "127.0.0.1",
    callers: Sequence[str] = (),
    room: Room | None = None,
    refused: Callable[[object], object] = lambda reason: None,
) -> Iterator[int]:
    """Take images that are sent to a port (C-STORE), as long as the context lasts.

    Args:
        folder: of the files, each written whole or not at all.
        port: to listen on; 0 takes a free one.
        arrived: called, in another thread, with each file that is complete.
        host: address to listen on.
        callers: AE titles that may send; empty: any.
        room: decides when no more is taken, which the status of the answer states.
        refused: called, in another thread, with the reason for which an image is not taken.

    Yields:
        The port.

    Raises:
        UsageError: the port cannot be had, pynetdicom is missing, or others could send.
    """
    check_pynetdicom()
    check_host(host, callers)
    from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
    from pynetdicom.presentation import AllStoragePresentationContexts

    entity = AE(TITLE)
    entity.require_calling_aet = list(callers)
    entity.maximum_pdu_size = 0
    syntaxes = [UID(str(context.abstract_syntax)) for context in AllStoragePresentationContexts]
    for sop_class in syntaxes:
        if "Image Storage" in sop_class.name:
            entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)
    entity.add_supported_context("1.2.840.10008.1.1")  # verification: C-ECHO

    def store(event: Any) -> int:
        return _stored(event, folder, arrived, room, refused)

    folder.mkdir(parents=True, exist_ok=True)
    try:
        handlers: list[Any] = [(evt.EVT_C_STORE, store)]
        server: Any = entity.start_server((host, port), block=False, evt_handlers=handlers)
    except OSError as error:
        what = f"port {port} of {host} cannot be had: {error.strerror}"
        raise UsageError(what, "give another port") from error
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()


def _stored(
    event: Any,
    folder: Path,
    arrived: Callable[[Path], object],
    room: Room | None,
    refused: Callable[[object], object],
) -> int:
    """Write what was sent; the status tells the sender whether it is kept."""
    try:
        content = event.encoded_dataset()
        refusal = _refusal(len(content), room)
        if refusal is not None:
            refused(refusal)
            return NO_ROOM
        path = folder / f"{slug(str(event.request.AffectedSOPInstanceUID))}.dcm"
        write_bytes(path, content)
    except OSError as error:
        values = {"folder": str(folder), "reason": str(error.strerror)}
        refused(Message("dicom_watch.unwritten", values))
        return NO_ROOM
    except Exception:  # noqa: BLE001, whatever a sender makes of a message
        return NOT_UNDERSTOOD
    if room is not None:
        room.add(path)
    arrived(path)
    return SUCCESS


def _refusal(size: int, room: Room | None) -> Message | None:
    """Why an image of so many bytes is not taken; None where it is."""
    if size > LARGEST:
        return Message("dicom_watch.large", {"size": size, "largest": LARGEST})
    return None if room is None else room.refusal(size)


def send(files: Sequence[Path], node: Node) -> None:
    """Send objects to a node (C-STORE).

    Args:
        files: DICOM files.
        node: that takes them.

    Raises:
        SendError: the node cannot be reached, or refuses an object.
        UsageError: pynetdicom is missing.
    """
    check_pynetdicom()
    from pynetdicom import AE

    entity = AE(TITLE)
    with quiet("pydicom", "pynetdicom"):
        objects = [dcmread(path) for path in files]
        syntaxes = {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in objects}
        for sop_class, syntax in sorted(syntaxes):
            entity.add_requested_context(sop_class, syntax)
        association = entity.associate(node.host, node.port, ae_title=node.title)
        if not association.is_established:
            raise SendError(f"{node} cannot be reached, or refuses", "check title, host and port")
        try:
            for path, made in zip(files, objects):
                _send_one(association, path, made, node)
        finally:
            association.release()


def _send_one(association: Any, path: Path, made: Any, node: Node) -> None:
    try:
        status = association.send_c_store(made)
    except (ValueError, RuntimeError) as error:
        raise SendError(
            f"{node} takes no object of the kind of {path.name}", "allow it there"
        ) from error
    if not status or (status.Status != SUCCESS and status.Status & 0xF000 != 0xB000):
        number = f"status {status.Status:04X}" if status else "no answer"
        raise SendError(f"{node} did not take {path.name}: {number}", "see its log")
