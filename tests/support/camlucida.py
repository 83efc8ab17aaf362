"""``python -m tests.support.camlucida``: the command line on one thread, which an interrupt ends.

A process that was started in the background inherits that SIGINT is ignored, and Python then leaves
it ignored. A test that interrupts this process must be able to, wherever the suite runs.
"""

import signal

import torch

from camlucida.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)
main()
