"""Each image that arrives: explained, exported, sent; once, also over a restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread

from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import CamlucidaError, ImageError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, write_json
from camlucida.core.messages import Message, declare
from camlucida.io.dicom_export.content import MANUFACTURER
from camlucida.io.image import quiet
from camlucida.io.read import file_bytes
from camlucida.models import LoadedModel
from camlucida.workflows.dicom_export import ExportRequest, export_dicom
from camlucida.workflows.dicom_watch.network import Node, send
from camlucida.workflows.explain import explain_to_folder

declare(
    "dicom_watch",
    {
        "own": "{file}: written by camlucida, not explained again",
        "done": "{file}: explained before",
    },
)

OBJECTS, SENT = "dicom", "sent.json"


@dataclass(frozen=True)
class WatchedImage:
    """What became of an image.

    Attributes:
        path: of its file.
        folder: of its explanations and objects.
        objects: files that were written.
        sent: whether they were sent.
        failures: why something is missing.
        notes: of the export.
    """

    path: Path
    folder: Path
    objects: list[Path] = field(default_factory=list)
    sent: bool = False
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


@dataclass(frozen=True)
class Watch:
    """What is done with each image.

    Attributes:
        model: loaded.
        out: folder; each image gets one in it, named by its file and content.
        request: of the export.
        node: to which objects are sent; None: they are only written.
        targets, methods, layers: as of ``explain``.
    """

    model: LoadedModel
    out: Path
    request: ExportRequest
    node: Node | None = None
    targets: Sequence[TargetLike] | None = None
    methods: Sequence[str] = ("gradcam",)
    layers: Sequence[str] | None = None

    def process(self, path: Path) -> WatchedImage:
        """Explain, export and send one image; nothing that was done before is done again.

        Args:
            path: of a file that is complete.

        Returns:
            What became of it; an image that cannot be used has failures, and nothing is raised.
        """
        try:
            content = file_bytes(path)
            digest = hashlib.sha256(content).hexdigest()[:8]
            result = WatchedImage(path, self.out / f"{slug(path.stem)}_{digest}")
            if _is_own(path):
                result.notes.append(Message("dicom_watch.own", {"file": path.name}))
                return result
            self._export(result)
            return self._sent(result)
        except CamlucidaError as error:
            failure = Failure.of(str(path), error, named=True)
            return WatchedImage(path, self.out, failures=[failure])

    def _export(self, result: WatchedImage) -> None:
        objects = result.folder / OBJECTS
        if (objects / "export.json").is_file():
            result.notes.append(Message("dicom_watch.done", {"file": result.path.name}))
            result.objects.extend(sorted(objects.glob("*.dcm")))
            return
        explained = explain_to_folder(
            self.model,
            [result.path],
            result.folder,
            targets=self.targets,
            methods=self.methods,
            layers=self.layers,
            batch_size=1,
        )
        if explained.interrupted:
            raise KeyboardInterrupt
        result.failures.extend(explained.failures)
        if not explained.records:
            if not explained.failures:
                raise ImageError(f"{result.path} has no map", "; ".join(map(str, explained.notes)))
            return
        exported = export_dicom(result.folder, objects, self.request)
        result.objects.extend(exported.files)
        result.failures.extend(exported.failures)
        # That objects name the patient is meant here: they go where the image came from.
        result.notes.extend(n for n in exported.notes if n.code != "dicom_export.identified")

    def _sent(self, result: WatchedImage) -> WatchedImage:
        if self.node is None or not result.objects or _was_sent(result.folder, self.node):
            return result
        send(result.objects, self.node)
        names = [path.name for path in result.objects]
        write_json(result.folder / SENT, {"to": str(self.node), "files": names})
        about = {name: getattr(result, name) for name in ("failures", "notes", "objects")}
        return WatchedImage(result.path, result.folder, sent=True, **about)


def _was_sent(folder: Path, node: Node) -> bool:
    try:
        record = json.loads((folder / SENT).read_text("utf-8"))
        return bool(record["to"] == str(node))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_own(path: Path) -> bool:
    """Whether this package wrote the file: an archive may route objects back."""
    try:
        with quiet("pydicom"):
            header = dcmread(path, specific_tags=["Manufacturer"], stop_before_pixels=True)
            return str(header.get("Manufacturer", "")) == MANUFACTURER
    except Exception:  # noqa: BLE001, a damaged file is refused when it is read
        return False
