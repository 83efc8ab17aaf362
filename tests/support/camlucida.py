"""``python -m tests.support.camlucida``: the command line on one thread, which an interrupt ends.

A process that was started in the background inherits that SIGINT is ignored, and Python then leaves
it ignored. A test that interrupts this process must be able to, wherever the suite runs. A run has
small parts here, so that few images make several.
"""

import signal

import torch

from camlucida.cli import main
from camlucida.runs import run

PART = 8

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    run.PART = PART
    main()
