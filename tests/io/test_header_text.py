"""No text of a header reaches an error, a warning or a record."""

from io import BytesIO

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement

from camlucida.core.errors import ImageError
from camlucida.io import read_image
from tests.support.dicom_files import dicom_dataset, save

SENTINEL = "DOE JANE"

TAGS = (
    *("PixelSpacing", "ImagerPixelSpacing", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"),
    *("PhotometricInterpretation", "PresentationLUTShape", "Modality", "ViewPosition"),
    *("ImageLaterality", "PatientName", "PatientID", "StudyDescription", "ImageComments"),
    *("NumberOfFrames", "SamplesPerPixel", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("BitsStored", "BitsAllocated", "HighBit", "PixelRepresentation", "Rows", "Columns"),
    *("PlanarConfiguration", "BurnedInAnnotation", "PresentationIntentType", "SOPClassUID"),
    *("SpecificCharacterSet", "SyntheticData", "ImageType", "PixelAspectRatio"),
)


def said(path):
    """Everything that reading a file says."""
    try:
        image = read_image(path)
    except ImageError as error:
        return f"{error} {error.what} {error.fix}"
    return repr(image.source) + "".join(map(str, image.warnings)) + image.id


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", [SENTINEL, f"{SENTINEL}\\{SENTINEL}", "DOE"], ids=range(3))
@pytest.mark.parametrize("tag", TAGS)
def test_dicom(tmp_path, tag, text):
    dataset = dicom_dataset(np.arange(64, dtype=np.uint16).reshape(8, 8))
    dataset[tag] = DataElement(tag_for_keyword(tag), "LO", text.split("\\"))
    path = tmp_path / "a.dcm"
    save(dataset, path)
    assert "DOE" not in said(path)


@pytest.mark.filterwarnings("ignore")
def test_an_unknown_transfer_syntax(tmp_path):
    dataset = dicom_dataset(np.arange(64, dtype=np.uint16).reshape(8, 8))
    path = tmp_path / "a.dcm"
    save(dataset, path)
    data = path.read_bytes()
    name = pydicom.uid.ExplicitVRLittleEndian.encode()
    assert name in data
    path.write_bytes(data.replace(name, SENTINEL.ljust(len(name)).encode()))
    assert "DOE" not in said(path)


def test_png(tmp_path):
    chunks = PngImagePlugin.PngInfo()
    for key in ("Title", "Author", "camlucida:synthetic", SENTINEL):
        chunks.add_text(key, SENTINEL)
    path = tmp_path / "a.png"
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(path, pnginfo=chunks)
    assert "DOE" not in said(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "DOE" not in said(path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float64])
def test_tiff(tmp_path, kind):
    path = tmp_path / "a.tif"
    tags = [(315, "s", 0, SENTINEL, True), (33432, "s", 0, SENTINEL, True)]
    picture = np.eye(8, dtype=kind) * 3
    tifffile.imwrite(path, picture, description=SENTINEL, software=SENTINEL, extratags=tags)
    assert "DOE" not in said(path)
    data = path.read_bytes()
    for cut in range(10, len(data), 37):
        path.write_bytes(data[:cut])
        assert "DOE" not in said(path)


@pytest.mark.parametrize("header", ["P5 {} 8 255\n", "P5 8 8 {}\n", "Pf\n8 8\n{}\n"])
def test_pnm(tmp_path, header):
    path = tmp_path / "a.pgm"
    path.write_bytes(header.format(SENTINEL.replace(" ", "")).encode() + bytes(64))
    assert "DOE" not in said(path)


def test_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    from camlucida.io.annotations import read_mask

    volume = nibabel.Nifti1Image(np.zeros((8, 8, 2), np.uint8), np.eye(4))
    volume.header["descrip"] = SENTINEL
    volume.header["aux_file"] = SENTINEL
    path = tmp_path / "a.nii"
    nibabel.save(volume, path)
    data = path.read_bytes()
    for cut in (len(data), 400, 200):
        path.write_bytes(data[:cut])
        with pytest.raises(ImageError) as error:
            read_mask(path, "mask a", (8, 8))
        assert "DOE" not in str(error.value)
    assert BytesIO(data).read(4)
