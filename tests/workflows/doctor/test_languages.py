"""Every text of the doctor has a Chinese side."""

from camlucida.core.messages import ENGLISH
from camlucida.core.messages.templates import placeholders
from camlucida.report.locale import load_texts
from camlucida.workflows.doctor import CHECKS


def test_every_text_has_a_chinese_side_with_its_placeholders():
    assert len(CHECKS)
    english = {code: text for code, text in ENGLISH.items() if code.startswith("doctor.")}
    chinese = load_texts("zh").catalogue
    assert english.keys() <= chinese.keys()
    for code, text in english.items():
        assert placeholders(chinese[code]) == placeholders(text), code
