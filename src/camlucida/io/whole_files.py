"""Pillow refuses a file that is cut short, whatever another package has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

from PIL import ImageFile


class _Refusal:
    """``ImageFile.LOAD_TRUNCATED_IMAGES``, which is one for all threads, while some of them read.

    WeasyPrint sets it for the whole process, and scripts of users do: the missing part of a film
    would be grey, without a word.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._readers = 0
        self._before = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """The first reader sets it, the last one puts back what was there."""
        with self._lock:
            if not self._readers:
                self._before = ImageFile.LOAD_TRUNCATED_IMAGES
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if not self._readers:
                    ImageFile.LOAD_TRUNCATED_IMAGES = self._before


_REFUSAL = _Refusal()


def whole_files_only() -> AbstractContextManager[None]:
    """Files that are cut short are refused inside, in this and all other threads.

    >>> ImageFile.LOAD_TRUNCATED_IMAGES = True
    >>> with whole_files_only():
    ...     print(ImageFile.LOAD_TRUNCATED_IMAGES)
    False
    >>> ImageFile.LOAD_TRUNCATED_IMAGES
    True
    >>> ImageFile.LOAD_TRUNCATED_IMAGES = False
    """
    return _REFUSAL.active()
