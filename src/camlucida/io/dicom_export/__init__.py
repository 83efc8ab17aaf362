"""DICOM objects that carry explanations back into the study of their image (extra ``dicom``).

One file a kind of object. Each takes the header of the image, reduced to reviewed attributes
(:mod:`camlucida.io.dicom_export.source`), and plain data (:class:`ImageContent`); highdicom builds
the object. Nothing of the image's header but these attributes, and no private element, can reach
an object.
"""

from camlucida.io.dicom_export.content import Algorithm, ExportedMap, ImageContent
from camlucida.io.dicom_export.series import KINDS, SeriesOfExport
from camlucida.io.dicom_export.source import deidentified, read_source

__all__ = [
    "KINDS",
    "Algorithm",
    "ExportedMap",
    "ImageContent",
    "SeriesOfExport",
    "deidentified",
    "read_source",
]
