"""A script in a process of its own."""

import sys

import pytest

from camlucida.io.child import Child

SCRIPT = """
import json, sys
source = sys.stdin.buffer
while head := source.read(8):
    size = int(source.read(int.from_bytes(head, "big")))
    print(json.dumps({"bytes": len(bytearray(size))}), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no other system enforces the limit")
def test_a_script_that_asks_for_more_memory_than_it_may_have_ends(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    child = Child(script, memory=2**28)
    assert child.request(b"1000", 30) == ({"bytes": 1000}, b"")
    with pytest.raises((EOFError, OSError, ValueError)):
        child.request(str(2**29).encode(), 30)
    # The next request starts another.
    assert child.request(b"1000", 30) == ({"bytes": 1000}, b"")
    child.stop()
