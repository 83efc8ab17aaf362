"""The picture of a scan."""

import numpy as np
import torch

from camlucida import explain
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from tests.support import nets


def test_a_bare_tensor_is_shown_in_original_pixels():
    geometry = Geometry(original=(24, 16), model=(12, 8), scale=(0.5, 0.5), offset=(0.0, 0.0))
    tensor = torch.zeros(3, 12, 8)
    tensor[:, :6] = 1
    scan = Scan(tensor, None, geometry, "film")
    picture = scan.picture()
    assert picture.shape == (24, 16)
    assert (picture[:10] == 255).all()
    assert (picture[14:] == 0).all()
    (found,) = explain(nets.seeded(nets.Cnn()), scan, 0)
    assert found.overlay().width == 16


def test_what_was_cropped_away_is_black():
    geometry = Geometry(original=(8, 16), model=(8, 8), scale=(1.0, 1.0), offset=(0.0, -4.0))
    tensor = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    picture = Scan(tensor, None, geometry, "film").picture()
    assert not picture[:, :4].any()
    assert not picture[:, 12:].any()
    assert np.ptp(picture[:, 4:12]) == 255
