"""DICOM through pydicom: parsed within bounds, one frame decoded with a named decoder.

Then two pipelines that never mix.

The model's pixels are the stored values over their bit depth (no rescale, no window), MONOCHROME1
inverted: what models trained on plain exports saw. The display goes through rescale, window and
polarity (``display.py``). No patient attribute leaves this folder; errors and warnings do not
quote the header's free text either.
"""

from camlucida.io.dicom.reader import READER, has_prefix

__all__ = ["READER", "has_prefix"]
