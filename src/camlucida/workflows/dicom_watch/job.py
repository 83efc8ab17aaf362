"""Each image that arrives: explained, exported, sent; once, also over a restart."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import dcmread

from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import CamlucidaError, ImageError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, write_json
from camlucida.core.messages import Message, declare
from camlucida.datasets.keyed_names import keyed_message
from camlucida.io.dicom.patients import case_name
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
        name: of the image in the log.
        folder: of its explanations and objects.
        objects: files that were written.
        sent: whether they were sent.
        failures: why something is missing.
        notes: of the export.
    """

    name: str
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
        out: folder; each image gets one in it, named by its name and content.
        request: of the export.
        node: to which objects are sent; None: they are only written.
        targets, methods, layers: as of ``explain``.
        keep_names: the log and the folders have the names of the files; else keyed ones.
    """

    model: LoadedModel
    out: Path
    request: ExportRequest
    node: Node | None = None
    targets: Sequence[TargetLike] | None = None
    methods: Sequence[str] = ("gradcam",)
    layers: Sequence[str] | None = None
    keep_names: bool = False

    def process(self, path: Path) -> WatchedImage:
        """Explain, export and send one image; nothing that was done before is done again.

        Args:
            path: of a file that is complete.

        Returns:
            What became of it; an image that cannot be used has failures, and nothing is raised.
        """
        stem = slug(path.stem) if self.keep_names else case_name(path.stem)
        name = path.name if self.keep_names else stem
        try:
            content = file_bytes(path)
            digest = hashlib.sha256(content).hexdigest()[:8]
            name = path.name if self.keep_names else f"{stem}_{digest}"
            result = WatchedImage(name, self.out / f"{stem}_{digest}")
            if _is_own(path):
                result.notes.append(Message("dicom_watch.own", {"file": name}))
                return result
            self._export(path, result)
            return self._logged(path, self._sent(result))
        except CamlucidaError as error:
            failure = Failure.of(str(path), error, named=True)
            return self._logged(path, WatchedImage(name, self.out, failures=[failure]))

    def _logged(self, path: Path, result: WatchedImage) -> WatchedImage:
        """The result with the name of the log in place of the file's, unless names are kept."""
        if self.keep_names:
            return result
        names = {str(path): result.name, path.name: result.name, path.stem: result.name}
        failures = [_renamed(failure, names) for failure in result.failures]
        notes = [keyed_message(note, names) for note in result.notes]
        return replace(result, failures=failures, notes=notes)

    def _export(self, path: Path, result: WatchedImage) -> None:
        objects = result.folder / OBJECTS
        if (objects / "export.json").is_file():
            result.notes.append(Message("dicom_watch.done", {"file": result.name}))
            result.objects.extend(sorted(objects.glob("*.dcm")))
            return
        explained = explain_to_folder(
            self.model,
            [path],
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
                raise ImageError(f"{path} has no map", "; ".join(map(str, explained.notes)))
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
        return replace(result, sent=True)


def _renamed(failure: Failure, names: Mapping[str, str]) -> Failure:
    """A failure in whose words the names of the file, the longest first, give way to others."""
    what = failure.what
    for given, name in names.items():
        # Whole words alone: the file 1.dcm is not named in "16 bits".
        what = re.sub(rf"(?<!\w){re.escape(given)}(?!\w)", name, what)
    return replace(failure, image=names.get(failure.image, failure.image), what=what)


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
