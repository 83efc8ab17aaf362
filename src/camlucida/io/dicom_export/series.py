"""New series of each kind of object in a study, always with the same number."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from pydicom import Dataset

from camlucida.io.dicom_export.content import RESEARCH


class KindOfObject(NamedTuple):
    """A kind of object.

    Attributes:
        number: of its series.
        description: of its series.
    """

    number: int
    description: str


KINDS = {
    "overlay": KindOfObject(9101, f"Heat map overlays. {RESEARCH}"),
    "segmentation": KindOfObject(9102, f"Heat map regions. {RESEARCH}"),
    "report": KindOfObject(9103, f"Model output and heat maps. {RESEARCH}"),
    "contours": KindOfObject(9104, f"Heat map contours. {RESEARCH}"),
    "fractional": KindOfObject(9105, f"Heat maps, no probabilities. {RESEARCH}"),
}
"""Name → number and description of the series."""


ALONE = frozenset(("segmentation", "report", "fractional"))
"""Kinds whose objects have a series each: viewers such as OHIF open one object of such a series."""


class SeriesOfExport:
    """The series of one export: fresh UIDs, instances numbered from 1."""

    def __init__(self) -> None:
        self._uids: dict[tuple[str, str], str] = {}
        self._instances: Counter[tuple[str, str]] = Counter()

    def next_instance(self, header: Dataset, kind: str) -> dict[str, Any]:
        """UIDs and numbers of one more object, as highdicom names them.

        Args:
            header: of the image, whose study the object belongs to.
            kind: of :data:`KINDS`.
        """
        from highdicom import UID

        key = (str(header.StudyInstanceUID), kind)
        self._instances[key] += 1
        number, description = self._instances[key], KINDS[kind].description
        series = str(UID()) if kind in ALONE else self._uids.setdefault(key, str(UID()))
        if kind in ALONE and number > 1:
            description = f"{description} ({number})"  # which tells it from the first
        return {
            "series_instance_uid": series,
            "series_number": KINDS[kind].number,
            "sop_instance_uid": str(UID()),
            "instance_number": 1 if kind in ALONE else number,
            "series_description": description,
        }
