"""What a module itself tells of its output: the same for a card's model and for a bare one."""

from __future__ import annotations

from torch import nn

from camlucida.core.output_spec import OutputSpec, Task
from camlucida.models.zoo import ZOO, Defaults, config_facts, operating_points

__all__ = ["module_facts", "operating_points", "shows_task", "spec_of_module"]


def module_facts(module: nn.Module) -> Defaults:
    """What is known of a module's output without a card, as card fields.

    By the package of its class; else by ``labels`` or ``pathologies`` (strings, one an output
    channel), or by the ``config`` of a Hugging Face model.

    Args:
        module: any.

    >>> module = nn.ReLU()
    >>> module.labels = ["Mass", "Nodule"]
    >>> module_facts(module)
    {'labels': ('Mass', 'Nodule')}
    """
    known = (package.facts(module) for package in ZOO.values())
    facts = next(filter(None, known), None) or config_facts(getattr(module, "config", None))
    if "labels" in facts:
        return facts
    for attribute in ("labels", "pathologies"):
        labels = getattr(module, attribute, None)
        if not isinstance(labels, list | tuple) or not labels:
            continue
        if all(isinstance(label, str) for label in labels):
            return {**facts, "labels": tuple(labels)}
    return facts


def shows_task(module: nn.Module) -> bool:
    """Whether a module itself shows its task.

    >>> shows_task(nn.ReLU())
    False
    """
    return "task" in module_facts(module)


def spec_of_module(module: nn.Module) -> OutputSpec:
    """The facts of a bare module as an :class:`OutputSpec`.

    Args:
        module: any.

    >>> spec_of_module(nn.ReLU()).task is None
    True
    """
    facts = module_facts(module)
    task: Task | None = facts.get("task")
    return OutputSpec(
        task=task,
        labels=facts.get("labels", ()),
        output=facts.get("output", "logits"),
        logits_from=facts.get("logits_from"),
        task_from="module" if task else "",
        overlapping=facts.get("overlapping"),
    )
