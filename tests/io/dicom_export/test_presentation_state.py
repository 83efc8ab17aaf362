"""Contours lie round the masks, and the image keeps its polarity."""

import numpy as np
import pytest

from camlucida.io.dicom_export import read_source
from camlucida.io.dicom_export.presentation_state import MOST_POINTS, presentation_state
from camlucida.io.image import quiet
from tests.support.dicom_exports import exported_map, image_content, instance, write_film


def test_a_contour_lies_round_its_mask(objects, content):
    first = objects["contours"].GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    points = np.array(first.GraphicData).reshape(-1, 2)
    assert first.GraphicAnnotationUnits == "PIXEL"
    assert points[0].tolist() == points[-1].tolist()
    rows, columns = np.nonzero(content.maps[0].mask)
    # The corner of the first pixel is (0, 0): a mask of one pixel reaches from its index to + 1.
    assert points[:, 0].min() == pytest.approx(columns.min(), abs=0.75)
    assert points[:, 0].max() == pytest.approx(columns.max() + 1, abs=0.75)
    assert points[:, 1].min() == pytest.approx(rows.min(), abs=0.75)
    assert points[:, 1].max() == pytest.approx(rows.max() + 1, abs=0.75)


@pytest.mark.parametrize(
    ("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")]
)
def test_the_polarity_stays(tmp_path, photometric, shape):
    film = write_film(tmp_path / "a.dcm", PhotometricInterpretation=photometric)
    with quiet("pydicom", "highdicom"):
        state = presentation_state(read_source(film, None), image_content(), instance())
    assert state.PresentationLUTShape == shape


def test_a_long_line_fits(header):
    turn = np.linspace(0, 2 * np.pi, 20_000)
    line = np.stack([16 + 8 * np.cos(turn), 12 + 8 * np.sin(turn)], axis=1)
    item = exported_map()
    long = type(item)(**vars(item) | {"contours": (line,)})
    with quiet("pydicom", "highdicom"):
        state = presentation_state(header, image_content(long), instance())
    drawn = state.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    assert drawn.NumberOfGraphicPoints <= MOST_POINTS + 1
