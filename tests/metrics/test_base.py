"""What every metric is registered with."""

import pytest

from camlucida.metrics import METRICS


@pytest.mark.parametrize("name", METRICS)
def test_a_description_is_one_plain_sentence(name):
    """Pages show it beside the value."""
    description = METRICS[name].description
    assert description.endswith(".")
    assert "`" not in description
    assert "\n" not in description
