"""``camlucida serve``: what it is started with, and the server itself."""

import json
import socket
import subprocess
import sys
import urllib.request

import pytest

from camlucida.core.errors import UsageError
from camlucida.web.serve import settings_of
from tests.support.command_line import run

GIVEN = {"host": "127.0.0.1", "port": 8321, "device": "cpu", "show_phi": False}


def test_without_an_argument_the_package_is_enough(tmp_path):
    settings = settings_of([], [], tmp_path, **GIVEN)
    assert settings.models[0].name == "honest_densenet"
    assert len(settings.films) == 5 + 2  # of the pair before and after
    assert all(film.path.is_file() for film in settings.films)


def test_a_folder_that_holds_runs(small_run, tmp_path):
    settings = settings_of([str(small_run.folder.root.parent)], [], tmp_path, **GIVEN)
    (folder,) = settings.runs.values()
    assert folder == small_run.folder.root
    assert settings.models[0].source == small_run.about["models"][0]["card"]
    assert settings.films == ()


def test_films_and_models_by_name(small_run, tmp_path):
    films = small_run.folder.root.parent / "cohort" / "films"
    cards = small_run.folder.root.parent / "cohort"
    settings = settings_of([str(films)], [str(cards / "card.toml")], tmp_path, **GIVEN)
    assert len(settings.films) == 6
    assert [model.name for model in settings.models] == ["card"]
    named = tmp_path / "named.toml"
    named.write_text('factory = "torchvision:resnet18"\nname = "Chest ResNet"\n')
    (tmp_path / "wrong.toml").write_text("factory = 3")
    settings = settings_of([str(films)], [str(tmp_path)], tmp_path, **GIVEN)
    assert [model.name for model in settings.models] == ["Chest ResNet", "wrong"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "no such file"),
        (["--host", "0.0.0.0"], "ssh -L"),
        (["--models", "EMPTY"], "no model card"),
    ],
)
def test_a_wrong_request_is_one_line(capsys, tmp_path, arguments, words):
    arguments = [str(tmp_path) if each == "EMPTY" else each for each in arguments]
    command = ("serve", *arguments, "--no-browser", "--state", tmp_path / "state")
    result = run(capsys, tmp_path, *command)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_port_that_is_taken(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ("serve", "--no-browser", "--port", str(port), "--state", tmp_path)
        result = run(capsys, tmp_path, *words)
    assert result.code == 2
    assert "--port" in result.err


def test_an_unknown_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no run"):
        settings_of([str(tmp_path / "empty")], [], tmp_path, **GIVEN)


def test_the_server_answers_under_its_address(small_run, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "camlucida", "serve", str(small_run.folder.root)]
    command += ["--no-browser", "--port", str(port), "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = [server.stdout.readline() for _ in range(3)]
            address = lines[1].removeprefix("open once: ").strip()
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            with opener.open(address) as page:
                assert "app.js" in page.read().decode()
            with opener.open(f"http://127.0.0.1:{port}/api/runs") as reply:
                assert b'"name"' in reply.read()
            with opener.open(f"http://127.0.0.1:{port}/api/models") as reply:
                model, *_ = json.load(reply)
            with opener.open(f"http://127.0.0.1:{port}/api/models/{model['id']}") as reply:
                assert json.load(reply)["layers"]  # of the model's process, which starts now
        finally:
            server.terminate()
            server.wait(20)
