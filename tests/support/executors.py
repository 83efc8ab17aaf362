"""Executors whose workers die, and end in another order, as the test wants it."""

from collections import Counter

from camlucida.runs.executors import TaskEnd
from camlucida.runs.executors.inline import InlineExecutor

DEADLY_NET = """
import os
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        if (x.flatten(1) == 1).all(1).any():
            os._exit(3)
        return self.head(self.features(x).mean((2, 3)))

def build(outputs=3):
    torch.manual_seed(0)
    return Net(outputs)
"""
"""A network that ends its process on a white image."""


class UnsteadyExecutor(InlineExecutor):
    """Does the newest task first; its worker dies on chosen images.

    Args:
        deaths: id of an image → how often the worker dies on a task with it.
        batch_deaths: ids on which it dies only in a task of more than one image.
    """

    room = 3

    def __init__(self, spec, loader, deaths=None, batch_deaths=()):
        super().__init__(spec, loader)
        self.deaths = dict(deaths or {})
        self.batch_deaths = batch_deaths
        self.computed = Counter()
        self.in_flight = 0

    def submit(self, task):
        super().submit(task)
        self.in_flight = max(self.in_flight, len(self._tasks))

    def wait(self):
        self._tasks.rotate(1)
        task = self._tasks[0]
        ids = [image.id for batch in task.batches for image in batch]
        if any(self._dies(name, len(ids)) for name in ids):
            self._tasks.popleft()
            return [TaskEnd(task, None)]
        self.computed.update(ids)
        return super().wait()

    def _dies(self, name, images):
        self.deaths[name] = self.deaths.get(name, 0) - 1
        return self.deaths[name] >= 0 or (name in self.batch_deaths and images > 1)
