"""``python -m tests.support.camlucida``: the command line on one thread."""

import torch

from camlucida.cli import main

torch.set_num_threads(1)
main()
