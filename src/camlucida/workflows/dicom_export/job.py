"""A run or a folder of explanations in; DICOM objects and ``export.json`` out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError, ImageError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, unique, write_bytes, write_json
from camlucida.core.messages import Message, declare
from camlucida.figures.notice import NOTICE, stamped
from camlucida.io.dicom.extra import check_highdicom
from camlucida.io.dicom.patients import case_name
from camlucida.io.dicom_export import ImageContent, SeriesOfExport, deidentified, read_source
from camlucida.io.dicom_export.first_frame import as_single, has_frames, name_first_frame
from camlucida.io.dicom_export.fractional import fractional_segmentation
from camlucida.io.dicom_export.presentation_state import is_grey, presentation_state
from camlucida.io.dicom_export.secondary_capture import secondary_capture
from camlucida.io.dicom_export.segmentation import segmentation
from camlucida.io.dicom_export.source import has_place
from camlucida.io.dicom_export.structured_report import structured_report
from camlucida.io.dicom_export.volume import (
    Source,
    volume_fractions,
    volume_segmentation,
    volume_source,
)
from camlucida.io.image import quiet
from camlucida.metrics.burned_in import letters_notes
from camlucida.runs.keyed import without_command
from camlucida.workflows.dicom_export.contents import image_content, is_baseline, volume_content
from camlucida.workflows.dicom_export.stored import StoredImage, stored_images

declare(
    "dicom_export",
    {
        "identified": (
            "the objects name the patient, as the images do: keep them with the study, or give "
            "--deidentify"
        ),
        "baseline": "left out: {methods:,} ({count:|a baseline|baselines}, no explanation)",
        "no_contours": (
            "no contours of {count} colour {count:|image|images}: presentation states are written "
            "for grey ones"
        ),
        "volumes": (
            "{count} {count:|volume has|volumes have} segmentations and a report; overlays and "
            "contours are of single images"
        ),
        "frames": (
            "{count} {count:|image is|images are} the first frame of several: objects refer to it"
        ),
        "no_plane": (
            "segmentations of {count} {count:|film|films} state no plane, as the films do: OHIF "
            "opens them if --nominal-plane is given"
        ),
        "no_region": (
            "{count} {count:|map|maps} without evidence: no segment, and the report says so"
        ),
    },
)


@dataclass(frozen=True)
class ExportRequest:
    """What is written.

    Attributes:
        threshold: of regions, a share of each map's maximum, in (0, 1].
        contours: also presentation states with contours.
        fractional: also fractional segmentations.
        deidentify: without the patient, identifiers keyed.
        colormap: of overlays; the default if None.
        nominal_plane: segmentations of films state a plane, which viewers such as OHIF need.
    """

    threshold: float = 0.5
    contours: bool = False
    fractional: bool = False
    deidentify: bool = False
    colormap: str | None = None
    nominal_plane: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold:g} is no share", "give one in (0, 1]")


@dataclass
class ExportOutcome:
    """What was written.

    Attributes:
        records: an entry an image, the content of ``export.json``.
        files: of the objects, in order.
        failures: images of which nothing is written.
        notes: for the person who passes the objects on.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def export_dicom(
    source: Path,
    out: Path,
    request: ExportRequest,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[int], object] = lambda done: None,
    on_failure: Callable[[Failure], object] = lambda failure: None,
) -> ExportOutcome:
    """Write the objects of every image that is a DICOM file.

    Args:
        source: folder of a run, or of ``explain``.
        out: made if missing.
        request: what is written.
        about: command and versions, for the record.
        progress: called with the number of images done since the last call.
        on_failure: called with each failure as it happens.

    Raises:
        UsageError: highdicom is not installed, or ``source`` holds no explanations.
    """
    check_highdicom()
    images = stored_images(source)
    if not images:
        raise UsageError(f"{source} holds no map", "explain images first")
    exporter = Exporter(out, request)
    for image in images:
        failure = exporter.export(image)
        if failure is not None:
            on_failure(failure)
        progress(1)
    outcome = exporter.outcome
    outcome.notes += exporter.notes()
    record = {**(about or {}), "notice": NOTICE, "images": outcome.records}
    if request.deidentify or images[0].keyed:
        record = without_command(record)
    write_json(out / "export.json", record)
    return outcome


class Exporter:
    """Writes the objects of images, one after the other, into the same series.

    Args:
        out: folder of the files.
        request: what is written.
    """

    def __init__(self, out: Path, request: ExportRequest) -> None:
        self.out = out
        self.request = request
        self.outcome = ExportOutcome()
        self._series = SeriesOfExport()
        self._stems: set[str] = set()
        self._burned_in: dict[str, list[str]] = {"": [], "marker": [], "text": []}
        self._baselines: set[str] = set()
        self._without_region = 0
        self._without_contours = 0
        self._volumes = 0
        self._first_frames = 0
        self._without_plane = 0

    def export(self, image: StoredImage) -> Failure | None:
        """Write the objects of an image: all of them, or none.

        Args:
            image: and its maps.

        Returns:
            Why nothing is written; None where it is.

        Raises:
            OSError: the system refuses the folder or a file.
        """
        try:
            self._export(image)
        except CamlucidaError as error:
            failure = Failure.of(str(image.path), error, named=True)
            self.outcome.failures.append(failure)
            return failure
        return None

    def notes(self) -> Iterator[Message]:
        """What is to be said of all objects together."""
        if self.outcome.files and not self.request.deidentify:
            yield Message("dicom_export.identified")
        yield from letters_notes(self._burned_in["text"], self._burned_in["marker"])
        if self._baselines:
            methods = sorted(self._baselines)
            count = len(methods)
            yield Message("dicom_export.baseline", {"methods": methods, "count": count})
        if self._without_region:
            yield Message("dicom_export.no_region", {"count": self._without_region})
        if self._volumes:
            yield Message("dicom_export.volumes", {"count": self._volumes})
        if self._without_contours:
            yield Message("dicom_export.no_contours", {"count": self._without_contours})
        if self._first_frames:
            yield Message("dicom_export.frames", {"count": self._first_frames})
        if self._without_plane:
            yield Message("dicom_export.no_plane", {"count": self._without_plane})

    def _export(self, image: StoredImage) -> None:
        source = self._source(image)
        name = image.id
        if self.request.deidentify:
            name = image.id if image.keyed else case_name(image.id)
            source = replace(source, headers=tuple(map(deidentified, source.headers)))
        content = self._content(image, name)
        try:
            with quiet("pydicom", "highdicom"):
                objects_of = self._objects_of_volume if image.is_volume else self._objects
                objects = list(objects_of(source, content))
                encoded = [(kind, made, _encoded(made)) for kind, made in objects]
        except CamlucidaError as error:
            raise ImageError(f"{image.path}: {error.what}", error.fix) from error
        # Whatever pydicom and highdicom raise of a header; their words may quote it.
        except Exception as error:  # noqa: BLE001
            raise ImageError(
                f"{image.path}: its header allows no object ({type(error).__name__})",
                "check the image with dciodvfy, and export it again from the archive",
            ) from None
        self._volumes += image.is_volume
        self._write(name, image, source.headers[0], content, encoded)

    def _source(self, image: StoredImage) -> Source:
        """The header of an image, or the headers of a volume."""
        if image.is_volume:
            return volume_source(image.path, image.sha256)
        return Source((read_source(image.path, image.sha256),), (0,))

    def _content(self, image: StoredImage, name: str) -> ImageContent:
        """What is exported of an image; raises ImageError where no map explains anything."""
        maps = [_named(each, name) for each in image.load()]
        explained = [e for e in maps if not is_baseline(e.method) and e.no_picture is None]
        self._baselines |= {each.method for each in maps if is_baseline(each.method)}
        if not explained:
            fix = "baselines explain nothing, and some layers have no place in the image"
            raise ImageError(f"{image.path} has no map of a method that lies over it", fix)
        about = image.algorithm, self.request.threshold, image.mismatch
        with stamped(image.mismatch):
            if image.is_volume:
                return volume_content(explained, *about)
            return image_content(explained, *about, self.request.colormap)

    def _objects_of_volume(
        self, source: Source, content: ImageContent
    ) -> Iterator[tuple[str, Dataset]]:
        """Segmentations and a report: the others are of one picture."""
        header = source.headers[0]
        segments = None
        if content.drawn:
            instance = self._series.next_instance(header, "segmentation")
            segments = volume_segmentation(source, content, instance)
            yield "segmentation", segments
        instance = self._series.next_instance(header, "report")
        yield "report", structured_report(source.headers, content, instance, segments)
        if content.drawn and self.request.fractional:
            instance = self._series.next_instance(header, "fractional")
            yield "fractional", volume_fractions(source, content, instance)

    def _objects(self, source: Source, content: ImageContent) -> Iterator[tuple[str, Dataset]]:
        (header,) = source.headers
        if not has_frames(header):
            yield from self._objects_of_image(header, content)
            return
        self._first_frames += 1
        for kind, made in self._objects_of_image(as_single(header), content):
            name_first_frame(made, header)
            yield kind, made

    def _objects_of_image(
        self, header: Dataset, content: ImageContent
    ) -> Iterator[tuple[str, Dataset]]:
        def instance(kind: str) -> dict[str, Any]:
            return self._series.next_instance(header, kind)

        nominal = self.request.nominal_plane
        for item in content.maps:
            yield "overlay", secondary_capture(header, content, item, instance("overlay"))
        segments = None
        if content.drawn:
            segments = segmentation(header, content, instance("segmentation"), nominal)
            self._without_plane += not (nominal or has_place(header))
            yield "segmentation", segments
        yield "report", structured_report([header], content, instance("report"), segments)
        if content.drawn and self.request.contours and not is_grey(header):
            self._without_contours += 1
        elif content.drawn and self.request.contours:
            yield "contours", presentation_state(header, content, instance("contours"))
        if content.drawn and self.request.fractional:
            made = fractional_segmentation(header, content, instance("fractional"), nominal)
            yield "fractional", made

    def _write(
        self,
        name: str,
        image: StoredImage,
        header: Dataset,
        content: ImageContent,
        encoded: list[tuple[str, Dataset, bytes]],
    ) -> None:
        stem = slug(unique(name, self._stems))
        files = []
        for number, (kind, made, data) in enumerate(encoded, start=1):
            # Overlays come first.
            end = f"_{number}" if kind == "overlay" else ""
            path = self.out / f"{stem}_{kind}{end}.dcm"
            write_bytes(path, data)
            self.outcome.files.append(path)
            uids = {"series": str(made.SeriesInstanceUID), "instance": str(made.SOPInstanceUID)}
            files.append({"kind": kind, "file": path.name, **uids})
        self._without_region += len(content.maps) - len(content.drawn)
        self._burned_in[content.burned_in].append(name)
        self.outcome.records.append(
            {
                "id": name,
                "image": None if self.request.deidentify or image.keyed else str(image.path),
                "model": image.algorithm.name,
                "study": str(header.StudyInstanceUID),
                "maps": [_record(item) for item in content.maps],
                "threshold": content.threshold,
                "burned_in": content.burned_in,
                "synthetic": content.synthetic,
                "deidentified": self.request.deidentify,
                "objects": files,
            }
        )


def _record(item: Any) -> dict[str, Any]:
    keys = ("label", "method", "explains", "layer", "score", "score_kind", "probability", "empty")
    return {key: getattr(item, key) for key in keys}


def _named(explanation: Explanation, name: str) -> Explanation:
    return replace(explanation, scan=replace(explanation.scan, id=name))


def _encoded(made: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()
