"""What goes wrong in the server is one line in the terminal, and all of it in a file."""

import logging

from camlucida.web.log import logged


def test_a_traceback_is_in_the_file_alone(tmp_path, capsys):
    path = tmp_path / "server.log"
    with logged(path):
        try:
            raise ValueError("about\nseveral lines")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in a request\n")
        logging.getLogger("camlucida.web.worker").error("map ended with %s\n%s", "a", "Traceback")
        logging.getLogger("uvicorn").info("nothing of interest")
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in said] == [
        "error: Exception in a request: ValueError",
        "error: map ended with a",
    ]
    kept = path.read_text()
    assert kept.count("Traceback") == 2
    assert "several lines" in kept
    assert "interest" not in kept


def test_a_server_without_faults_leaves_no_log(tmp_path):
    with logged(tmp_path / "server.log"):
        pass
    assert not list(tmp_path.iterdir())


def test_an_unexpected_error_of_the_models_process(app, caplog):
    error = app.state.workbench.worker.call("map", nonsense=1).exception(timeout=60)
    assert error.to_json()["code"] == "internal"
    assert "\n" not in error.what
    assert "server.log" in error.fix
    assert "Traceback" in caplog.text
