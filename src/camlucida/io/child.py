"""A child process that does one task after another for this one: what may crash, crashes there.

A request goes to its standard input after its length (8 bytes). It replies on its standard output
with a line of JSON, and any bytes behind it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_LONGEST_LINE = 2**20
_STARTED: weakref.WeakSet[Child] = weakref.WeakSet()

Length = Callable[[Mapping[str, Any]], int]
"""A reply → number of the bytes behind it; ValueError where the reply is none."""


class Child:
    """A script that runs in a process of its own, started when it is first needed.

    Where it crashes, takes too long, or has done its number of tasks, the next request starts
    another. One thread at a time.

    Args:
        script: that reads requests until its input ends.
        tasks: after which it is replaced; None: never.
        flags: of Python; ``-I`` keeps the user's paths and variables from a script that needs no
            package of them, ``-P`` the script's folder from its imports.
        memory: bytes of address space that it may take; None: no limit. Linux alone enforces it.
    """

    def __init__(
        self,
        script: Path,
        tasks: int | None = None,
        flags: Sequence[str] = ("-I",),
        memory: int | None = None,
    ) -> None:
        self._command = [sys.executable, *flags, str(script)]
        self._tasks, self._done = tasks, 0
        self._memory = memory
        self._lock = threading.Lock()
        # Process → its child: a forked process must not share that of its parent.
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        _STARTED.add(self)

    def request(
        self, data: bytes, seconds: float, length: Length = lambda reply: 0
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request, and wait for its reply.

        Args:
            data: the request.
            seconds: after which the child is stopped.
            length: of the bytes behind the line of the reply.

        Raises:
            TimeoutError: there was no reply in time.
            OSError, EOFError, ValueError: the child crashed, or what it wrote is no reply.
        """
        with self._lock:
            process = self._running()
            try:
                reply = _exchange(process, data, time.monotonic() + seconds, length)
            except BaseException:
                self._stop()  # an interrupted reply must not be taken for that of the next request
                raise
            self._done += 1
            if self._done == self._tasks:
                self._stop()
            return reply

    def stop(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._processes.get(os.getpid())
        if process is None or process.poll() is not None:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            if self._memory is not None:
                _limit_memory(process.pid, self._memory)
            self._processes[os.getpid()] = process
            self._done = 0
        return process

    def _stop(self) -> None:
        process = self._processes.pop(os.getpid(), None)
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # bytes that it did not read
                    pipe.close()


@atexit.register
def _stop_all() -> None:
    for child in list(_STARTED):
        child._stop()


def _limit_memory(process: int, most: int) -> None:
    """Set from outside, so that a script needs no line of it; before its first request comes."""
    if sys.platform == "linux":
        import resource

        with suppress(ProcessLookupError):  # it ended already; the request will say so
            resource.prlimit(process, resource.RLIMIT_AS, (most, most))


def _exchange(
    process: subprocess.Popen[bytes], data: bytes, deadline: float, length: Length
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(len(data).to_bytes(8, "big") + data)
    process.stdin.flush()
    pipe = process.stdout.fileno()
    reply = bytearray()
    while b"\n" not in reply:
        if len(reply) > _LONGEST_LINE:
            raise ValueError("not a reply")
        reply += _read(pipe, deadline)
    line, _, rest = bytes(reply).partition(b"\n")
    about: dict[str, Any] = json.loads(line)
    size = length(about)
    behind = bytearray(rest)
    while len(behind) < size:
        behind += _read(pipe, deadline)
    return about, bytes(behind)


def _read(pipe: int, deadline: float) -> bytes:
    ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError
    data = os.read(pipe, 2**20)
    if not data:
        raise EOFError
    return data
