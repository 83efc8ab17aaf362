"""``python -m tests.support.commands JSON``: commands one after the other in a new process.

JSON is a list of commands, each a list of words. What they print is printed as a JSON list; the
first command that fails ends the process with its exit code. Figures are files without a picture.
"""

import io
import json
import sys
from contextlib import redirect_stdout

import pytest
import torch

from camlucida.cli import main
from tests.support.figures import blank


def output(words: list[str]) -> str:
    """What a command that succeeds prints."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            main(words)
    except SystemExit as stopped:
        if stopped.code:
            raise
    return printed.getvalue()


if __name__ == "__main__":
    torch.set_num_threads(1)
    blank(pytest.MonkeyPatch())
    print(json.dumps([output(words) for words in json.loads(sys.argv[1])]))
