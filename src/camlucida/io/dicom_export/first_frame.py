"""Objects of the first frame of a file of several, such as a cine loop of ultrasound.

highdicom makes objects of single images; what refers to the image then names the frame.
"""

from __future__ import annotations

from copy import deepcopy

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

_IMAGES = ("SourceImageSequence", "ReferencedImageSequence")
"""Sequences whose items may name a frame, wherever they are."""

_OF_CONTENT = (*_IMAGES, "ReferencedSOPSequence")
"""The same within the content of a report; in its list of evidence no frame may be named."""


def has_frames(header: Dataset) -> bool:
    """Whether the image is the first frame of several.

    Args:
        header: of :func:`~camlucida.io.dicom_export.source.read_source`.
    """
    return "NumberOfFrames" in header


def as_single(header: Dataset) -> Dataset:
    """The header as one of a single image, for highdicom.

    Args:
        header: of the file.
    """
    single = deepcopy(header)
    del single.NumberOfFrames
    single.SOPClassUID = SecondaryCaptureImageStorage  # of which a place is not demanded
    return single


def name_first_frame(made: Dataset, header: Dataset) -> None:
    """Name the file's class and the frame in each reference to the image, in place.

    Args:
        made: object of :func:`as_single`.
        header: of the file.

    >>> header, source, made = Dataset(), Dataset(), Dataset()
    >>> header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.3"
    >>> source.ReferencedSOPInstanceUID = "1.2.3"
    >>> made.SourceImageSequence = [source]
    >>> name_first_frame(made, header)
    >>> int(made.SourceImageSequence[0].ReferencedFrameNumber)
    1
    """
    _name(made, header, _IMAGES)


def _name(dataset: Dataset, header: Dataset, keywords: tuple[str, ...]) -> None:
    for element in dataset:
        if element.VR != "SQ":
            continue
        for item in element.value:
            if str(item.get("ReferencedSOPInstanceUID", "")) == str(header.SOPInstanceUID):
                item.ReferencedSOPClassUID = header.SOPClassUID
                if element.keyword in keywords:
                    item.ReferencedFrameNumber = 1
            _name(item, header, _OF_CONTENT if element.keyword == "ContentSequence" else keywords)
