"""The example of the README runs as it stands, and prints what stands below it."""

import os
import re
import subprocess
import sys

from tests.support.paths import REPOSITORY

EXAMPLE = re.compile(
    r"<!-- runnable: example -->\n```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL
)


def test_the_example_prints_what_the_readme_says(tmp_path) -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    (match,) = EXAMPLE.finditer(text)
    code, printed = match.groups()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
    names = {path.name for path in (tmp_path / "out/honest_resnet").iterdir()}
    assert "900_pneumothorax_gradcam_features_overlay.jpg" in names
