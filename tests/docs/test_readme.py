"""The example of the README runs as it stands, and prints what stands below it."""

import re

from camlucida.attribution.methods import METHODS
from tests.support import nets
from tests.support.paths import REPOSITORY

EXAMPLE = re.compile(
    r"<!-- runnable: example -->\n```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL
)


def test_the_example_prints_what_the_readme_says(tmp_path, monkeypatch, capsys) -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    (match,) = EXAMPLE.finditer(text)
    code, printed = match.groups()
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == printed
    names = {path.name for path in (tmp_path / "out/honest_resnet").iterdir()}
    assert "900_pneumothorax_gradcam_features_overlay.jpg" in names


def test_the_number_of_methods() -> None:
    """Of the layers and of the input; the baselines are counted apart."""
    text = (REPOSITORY / "README.md").read_text("utf-8")
    methods = [m for _, m in METHODS.items() if not m.paper.startswith("baseline")]
    of_attention = len(nets.ATTENTION)
    of_input = sum(m.kind == "input" and m.name != "refinecam" for m in methods)
    of_family = len(methods) - of_input - of_attention
    assert f"their quality: {len(methods)} methods" in text
    kinds = f"{of_input} of the input's pixels, {of_attention} of a transformer's attention"
    assert f"{of_family} of the CAM family, {kinds}, and 4 baselines" in text
