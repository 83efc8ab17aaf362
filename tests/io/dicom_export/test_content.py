"""Texts fit where DICOM has room for them."""

from hypothesis import given
from hypothesis import strategies as st

from camlucida.io.dicom_export.content import label_code, shortened, shortened_before


@given(st.text(), st.integers(8, 64))
def test_a_text_fits_and_is_one_value(text, longest):
    short = shortened(text, longest)
    assert len(short) <= longest
    assert "\\" not in short
    assert "\n" not in short


@given(st.text(min_size=1))
def test_the_end_stays(text):
    line = shortened_before(text, " >= 50 % of maximum")
    assert line.endswith(" >= 50 % of maximum")
    assert len(line) <= 64


def test_a_label_is_a_code_of_the_model_alone():
    assert label_code("Effusion")[:3] == ("Effusion", "99CAMLUCIDA", "Effusion")
