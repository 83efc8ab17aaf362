"""Files of Keras: the numbers of Keras itself, or a line that says why not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from camlucida import explain, load_model
from camlucida.core.errors import ModelError, UsageError
from camlucida.models import Card, LoadedModel
from camlucida.models.layer_list import list_layers
from camlucida.models.zoo import keras as reader
from tests.support import nets

# Of Keras itself, while it writes a file.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
keras = reader._keras_on_torch()
layers = keras.layers


def network(**head: Any) -> Any:
    """Two branches, a model inside of the model, and a head."""
    image = keras.Input((24, 32, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="stem")(image)
    y = layers.SeparableConv2D(6, 3, padding="same", name="beside")(layers.BatchNormalization()(x))
    x = layers.Concatenate()([x, y])
    inside = keras.Sequential(
        [keras.Input((12, 16, 12)), layers.Conv2D(5, 3, padding="same", name="deep")], name="inside"
    )
    x = layers.ReLU(name="act")(inside(x))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(3, bias_initializer="ones", **head)(x))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    keras.utils.set_random_seed(0)
    model, path = network(), tmp_path_factory.mktemp("keras") / "net.keras"
    model.save(path)
    return model, path


@pytest.fixture(scope="module")
def loaded(saved: tuple[Any, Path]) -> LoadedModel:
    return load_model(saved[1], device="cpu")


def images(count: int = 2) -> Tensor:
    return nets.images(count, 3, 24, 32)


def test_the_outputs_are_those_of_keras(saved: tuple[Any, Path], loaded: LoadedModel) -> None:
    with torch.no_grad():
        expected = saved[0](images().movedim(1, -1), training=False)
        torch.testing.assert_close(loaded.module(images()), expected)
    assert loaded.card.input.height_width == (24, 32)
    assert [note.code for note in loaded.notes] == ["keras.replayed", "keras.scale"]
    assert 0 <= loaded.notes[0].values["difference"] < 1e-5
    assert len(loaded.sha256) == 64


def test_layers_have_the_names_of_keras(loaded: LoadedModel) -> None:
    grids = {each.path: each.grid for each in list_layers(loaded.module, images(1))}
    assert grids["layers.stem"] == grids["layers.inside.layers.deep"] == (12, 16)
    (auto,) = [each.path for each in list_layers(loaded.module, images(1)) if each.auto]
    assert auto == "layers.act"
    assert set(grids) == {name for name, _ in loaded.module.named_modules() if is_layer(name)}


def is_layer(name: str) -> bool:
    return bool(name) and name.split(".")[-1] not in ("layers", "weights")


def test_the_map_adds_up_to_the_logit(saved: tuple[Any, Path], loaded: LoadedModel) -> None:
    bias = saved[0].layers[-1].bias.value.detach()
    maps = explain(loaded, images(), [0, 2], "hirescam")
    for e, label in zip(maps, [0, 2, 0, 2], strict=True):
        assert (e.layer, e.grid) == ("layers.act", (12, 16))
        assert float(e.raw.sum()) == pytest.approx(e.score - float(bias[label]), abs=1e-4)


def test_a_sigmoid_in_the_last_layer_is_undone(tmp_path: Path) -> None:
    model = network(activation="sigmoid")
    model.save(tmp_path / "net.keras")
    (e,) = explain(load_model(tmp_path / "net.keras", device="cpu"), images(1), 1)
    with torch.no_grad():
        probability = model(images(1).movedim(1, -1), training=False)[0, 1]
    assert e.score == pytest.approx(float(torch.logit(probability)), rel=1e-3)
    assert e.provenance["task"] == "multilabel"


class TestRefused:
    def failure(self, path: Path, **card: Any) -> str:
        with pytest.raises(ModelError) as error:
            load_model(Card(factory=f"keras:{path}", **card), device="cpu")
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_code(self, tmp_path: Path) -> None:
        path = tmp_path / "net.keras"
        keras.Sequential([keras.Input((8, 8, 1)), layers.Lambda(lambda x: 2 * x)]).save(path)
        assert "which is code: files are read as data" in self.failure(path)

    def test_two_inputs(self, tmp_path: Path) -> None:
        path = tmp_path / "net.keras"
        both = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
        keras.Model(both, layers.Add()(both)).save(path)
        assert "not one of images (B, H, W, C)" in self.failure(path)

    def test_a_replay_that_changes_numbers(
        self, saved: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader, "TOLERANCE", -1.0)
        assert "differs from Keras by" in self.failure(saved[1])

    def test_no_file_and_no_other_weights(self, saved: tuple[Any, Path], tmp_path: Path) -> None:
        assert "there is no file" in self.failure(tmp_path / "net.keras")
        assert "args cannot change them" in self.failure(saved[1], args={"classes": 3})
        (tmp_path / "net.keras").write_bytes(b"not a model")
        assert "is damaged, or no file of Keras 3" in self.failure(tmp_path / "net.keras")

    def test_h5(self, tmp_path: Path) -> None:
        (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n\xff")
        with pytest.raises(UsageError, match=r"net\.h5 is a file of an earlier Keras"):
            load_model(tmp_path / "net.h5", device="cpu")
