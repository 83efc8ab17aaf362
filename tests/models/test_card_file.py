"""Files of models that are not read, named in place of a card."""

import pytest

from camlucida import load_model
from camlucida.core.errors import UsageError


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("net.pt2", r"\.state_dict, 'weights\.pth'"),
        ("net.NPZ", r"torch\.from_numpy"),
        ("net.tflite", "ONNX"),
        ("saved_model.pb", "ONNX"),
        ("net.engine", "the ONNX file that it was made from"),
        ("net.weights", r"name checkpoints \.pth, \.pt, \.ckpt or \.safetensors"),
    ],
)
def test_another_file_of_a_model_is_refused_with_the_mend(tmp_path, name: str, mend: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(UsageError, match=mend):
        load_model(path)
