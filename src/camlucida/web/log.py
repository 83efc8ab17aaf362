"""The log of the server: one line in the terminal, and the details in a file."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOG_FILE = "server.log"
"""In the state folder."""

SEE_LOG = f"{LOG_FILE} in the state folder of the server has the details"

LOGGERS = ("camlucida.web", "uvicorn")
BYTES = 2**20
"""Of the log, and of the one before it."""


class OneLine(logging.Formatter):
    """The first line of a record, without its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        first = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        reason = "" if error is None else f": {type(error).__name__}"
        return f"{record.levelname.lower()}: {first}{reason} ({SEE_LOG})"


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Write what the server warns of: a line to the terminal, all of it to a file.

    Args:
        path: of the file.
    """
    terminal = logging.StreamHandler()
    terminal.setFormatter(OneLine())
    file = logging.handlers.RotatingFileHandler(
        path, maxBytes=BYTES, backupCount=1, encoding="utf-8", delay=True
    )
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
        logger.handlers = [terminal, file]
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.handlers = []
            logger.propagate = True
        file.close()
