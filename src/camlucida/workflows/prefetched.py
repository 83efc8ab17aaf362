"""The next batch is read while the model works on this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, TypeVar

Part = TypeVar("Part")
Content = TypeVar("Content")


class Prefetched(Generic[Part, Content]):
    """Parts as they are read, one ahead of the one in use; a context manager.

    Args:
        read: from a part to its content; runs in a thread.
        parts: in order.

    >>> with Prefetched(len, ["a", "bc"]) as lengths:
    ...     list(lengths)
    [1, 2]
    """

    def __init__(self, read: Callable[[Part], Content], parts: Sequence[Part]) -> None:
        self._read = read
        self._parts = parts
        self._thread = ThreadPoolExecutor(1, "prefetch")
        self._ahead: Future[Content] | None = None

    def __enter__(self) -> Prefetched[Part, Content]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Content]:
        for number in range(len(self._parts)):
            current = self._ahead or self._submit(number)
            content = current.result()
            is_last = number + 1 == len(self._parts)
            self._ahead = None if is_last else self._submit(number + 1)
            yield content

    def wait(self) -> None:
        """Until nothing is being read: a decoder that runs has the error stream."""
        if self._ahead is not None:
            wait([self._ahead])

    def _submit(self, number: int) -> Future[Content]:
        return self._thread.submit(self._read, self._parts[number])
