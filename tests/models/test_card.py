"""Cards: the file as the documentation shows it, and one line for every way to get it wrong."""

from pathlib import Path

import pytest

from camlucida.core.errors import UsageError
from camlucida.models.card import Card, factory_file, is_factory, read_card, resolve_card
from camlucida.models.preprocessing.spec import InputSpec

EXAMPLE = """
factory = "net.py:build"            # or "torchvision:resnet50"
args = { num_classes = 2 }          # optional
checkpoint = "best_model.pth"       # optional
task = "multiclass"
labels = ["NORMAL", "PNEUMONIA"]
output = "logits"
layer = "auto"
[input]
size = 150
channels = 3
range = [-1, 1]
resize = "antialias"
fit = "stretch"
"""


def refused(tmp_path, text, name="card.toml"):
    """The message for a malformed card: one line that begins with the file's name."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        read_card(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(name)
    return message


def test_the_example_card_as_it_stands(tmp_path):
    path = tmp_path / "card.toml"
    path.write_text(EXAMPLE)
    card, base = read_card(path)
    assert base == tmp_path
    assert card.factory == "net.py:build"
    assert card.args == {"num_classes": 2}
    assert card.checkpoint == "best_model.pth"
    assert card.labels == ("NORMAL", "PNEUMONIA")
    assert card.input == InputSpec(
        size=150, channels=3, range=(-1, 1), resize="antialias", fit="stretch"
    )
    spec = card.output_spec()
    assert (spec.task, spec.labels, spec.output, spec.logits_from) == (
        "multiclass",
        card.labels,
        "logits",
        None,
    )


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "card.toml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    assert read_card(str(path))[0].task == "multiclass"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'factory = "a:b"\nfactroy = "c:d"',
            "factroy = 'c:d': is not a key of a model card (did you mean factory?)",
        ),
        (
            'factory = "a:b"\n[input]\nsizes = 3',
            "input.sizes = 3: is not a key of a model card (did you mean size or resize or steps?)",
        ),
        ('factory = "a:b"\nsize = 32', "size = 32: belongs under [input]"),
        ('factory = "a:b"\n[input]\nlabels = ["A"]', "input.labels = ['A']: belongs above [input]"),
        ('factory = "a:b"\n[input]\nrange = [1]', "input.range = [1]: needs two numbers"),
        (
            'factory = "a:b"\ntask = "multi-label"',
            "task = 'multi-label': should be 'multilabel', 'multiclass'",
        ),
        ('factory = "a:b"\ntask = "multi-label"', "(did you mean multilabel"),
        ('factory = "a:b"\n[input]\nfit = "center"', "did you mean center-crop?"),
        ('factory = "a:b"\n[input]\nchannels = 2', "input.channels = 2: should be 1 or 3"),
        ('factory = "a:b"\n[input]\nsize = "big"', "input.size = 'big': should be a valid integer"),
        (
            'factory = "a:b"\n[input]\nsize = [1, 2, 3]',
            "input.size = [1, 2, 3]: should be a valid integer, or ",
        ),
        ('factory = "a:b"\n[input]\nsize = 0', "input: size must be at least 1 pixel"),
        ('factory = "a:b"\n[input]\nrange = [0, 1, 2]', "input.range = [0, 1, 2]: "),
        ('factory = "a:b"\n[input]\nrange = [1, 1]', "input: range needs two different ends"),
        (
            'factory = "a:b"\n[input]\nrange = [0, inf]',
            "input.range[1] = inf: should be a finite number",
        ),
        (
            'factory = "a:b"\n[input]\nrange = [0, 1]\nmean = [0]',
            "input: give either range, or mean and std, not both",
        ),
        ('factory = "a:b"\n[input]\nmean = [0, 0, 0]', "input: mean and std belong together"),
        (
            'factory = "a:b"\n[input]\nmean = [0]\nstd = [1]',
            "input: mean has 1 values for 3 channels",
        ),
        (
            'factory = "a:b"\n[input]\ncrop = 0.5',
            'input.crop = 0.5 needs input.fit = "center-crop"',
        ),
        (
            'factory = "a:b"\n[input]\ncrop = 1.5',
            "input.crop = 1.5: should be less than or equal to 1",
        ),
        ('factory = "a:b"\nlabels = "NORMAL"', "labels = 'NORMAL': should be a valid tuple"),
        ('factory = "a:b"\nlabels = ["A", 2]', "labels[1] = 2: should be a valid string"),
        (
            'factory = "a:b"\nlabels = ["A", "B", "A"]',
            "labels: 'A' is there twice (a label names one output channel)",
        ),
        ('factory = "a:b"\ntask = "multiclass"\nlabels = ["A"]', 'task = "multiclass" has 1 label'),
        (
            'factory = "a:b"\ntask = "binary"\nlabels = ["A", "B", "C"]',
            'task = "binary" has 3 labels',
        ),
        (
            'factory = "a:b"\nargs = {num_classes = 3}\nlabels = ["A", "B"]',
            "args.num_classes = 3, but there are 2 labels",
        ),
        (
            'factory = "a:b"\ntask = "segmentation"\nargs = {classes = 1}\nlabels = ["A", "B"]',
            "args.classes = 1, but",
        ),
        (
            'factory = "a:b"\nlogits_from = "fc"\noutput = "logits"',
            'logits_from needs output = "probabilities"',
        ),
        ('factory = "a:b"\nlayer = []', "layer is empty"),
        ('factory = "resnet50"', "factory = 'resnet50' is not a factory: write "),
        ('task = "multiclass"', 'factory: is missing (write "net.py:build"'),
        (
            "task = multiclass",
            "is not valid TOML: Invalid value (at line 1, column 8) (strings need quotes",
        ),
        (
            "input = 3\nfactory = 'a:b'",
            "input = 3: should be a valid dictionary or instance of InputSpec",
        ),
    ],
)
def test_what_is_wrong_with_a_card(tmp_path, text, expected):
    assert expected in refused(tmp_path, text)


def test_several_complaints_share_the_line(tmp_path):
    message = refused(tmp_path, 'factory = "a:b"\na1 = 1\na2 = 1\na3 = 1\na4 = 1\na5 = 1')
    assert "a1 = 1: is not a key" in message
    assert "; and 2 more" in message


def test_a_long_value_is_cut(tmp_path):
    assert len(refused(tmp_path, f'factory = "a:b"\ntask = "{"x" * 500}"')) < 300


def test_not_text(tmp_path):
    path = tmp_path / "card.toml"
    path.write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(UsageError, match=r"card\.toml is not a text file in UTF-8"):
        read_card(path)


def test_a_binary_task_may_name_both_sides():
    Card(factory="a:b", task="binary", args={"num_classes": 1}, labels=("BENIGN", "MALIGNANT"))


def test_no_such_card(tmp_path):
    (tmp_path / "chest.toml").write_text(EXAMPLE)
    with pytest.raises(
        UsageError, match=r"no model card .*chset\.toml \(did you mean chest\.toml\?\)"
    ):
        read_card(tmp_path / "chset.toml")
    with pytest.raises(UsageError, match="there is no folder"):
        read_card(tmp_path / "nowhere" / "card.toml")
    with pytest.raises(
        UsageError, match=r"is a folder, not a model card \(did you mean chest\.toml\?\)"
    ):
        read_card(tmp_path)
    with pytest.raises(UsageError, match="resnet50 is neither a model card nor a factory"):
        read_card("resnet50")


@pytest.mark.parametrize(
    "factory", ["torchvision:resnet50", "net.py:build", "torchxrayvision:densenet121-res224-all"]
)
def test_a_factory_by_itself_is_a_card_of_defaults(factory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_card(factory) == (Card(factory=factory), tmp_path)


def test_overrides_are_relative_to_the_current_directory(tmp_path, monkeypatch):
    cards, here = tmp_path / "cards", tmp_path / "here"
    cards.mkdir()
    here.mkdir()
    (cards / "card.toml").write_text(EXAMPLE)
    monkeypatch.chdir(here)
    card, base = read_card(cards / "card.toml", factory="mine.py:make", checkpoint="mine.pth")
    assert base == cards
    assert card.factory == f"{here / 'mine.py'}:make"
    assert card.checkpoint == str(here / "mine.pth")
    assert read_card(cards / "card.toml", factory="timm:resnet18")[0].factory == "timm:resnet18"


def test_the_factory_may_come_from_the_command_line_only(tmp_path):
    (tmp_path / "card.toml").write_text('task = "regression"')
    assert read_card(tmp_path / "card.toml", factory="a.b:c")[0].task == "regression"


def test_what_a_factory_is():
    assert factory_file("a/net.py:build") == (Path("a/net.py"), "build")
    assert factory_file("C:\\a\\net.py:build") == (Path("C:\\a\\net.py"), "build")
    assert factory_file("package.module:build") is None
    assert is_factory("timm:hf-hub:timm/resnet18")
    assert not is_factory("C:\\cards\\card.toml")
    assert not is_factory("resnet50:")


KNOWN = {
    "task": "multilabel",
    "labels": ("A", "B"),
    "output": "probabilities",
    "logits_from": "classifier",
    "input": {
        "size": 224,
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "fit": "center-crop",
        "crop": 0.875,
    },
}


def test_defaults_fill_what_is_not_stated():
    card = resolve_card(Card(factory="a:b"), KNOWN, "x")
    assert card.labels == ("A", "B")
    assert card.logits_from == "classifier"
    assert card.input.crop == 0.875


def test_what_the_card_states_wins():
    stated = Card.model_validate(
        {"factory": "a:b", "labels": ["X"], "output": "logits", "input": {"size": 99}}
    )
    card = resolve_card(stated, KNOWN, "x")
    assert (card.labels, card.output, card.logits_from, card.task) == (
        ("X",),
        "logits",
        None,
        "multilabel",
    )
    assert (card.input.size, card.input.mean, card.input.crop) == (99, (0.5,) * 3, 0.875)


@pytest.mark.parametrize(
    ("stated", "gone"),
    [({"range": (0, 1)}, "mean"), ({"channels": 1}, "mean"), ({"fit": "pad"}, "crop")],
)
def test_defaults_that_contradict_the_card_go(stated, gone):
    card = resolve_card(Card(factory="a:b", input=InputSpec(**stated)), KNOWN, "x")
    assert getattr(card.input, gone) == getattr(InputSpec(), gone)


def test_labels_from_the_factory_must_fit_the_card():
    card = Card(factory="a:b", args={"num_classes": 3})
    with pytest.raises(UsageError, match=r"^mine: args\.num_classes = 3, but there are 2 labels"):
        resolve_card(card, KNOWN, "mine")
