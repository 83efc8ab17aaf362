"""What the output is: logits, probabilities, or probabilities taken for logits."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from camlucida.attribution.capture import run_output
from camlucida.attribution.output_graph import HIDDEN, ends_in_weights, probabilities_in
from camlucida.core.messages import declare
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Severity, Values, finding

SATURATED = 1e-3
"""A probability this near to 0 or 1 hardly has a gradient."""

ACTIVATIONS = ("Sigmoid", "Softmax", "LogSigmoid", "LogSoftmax")

declare(
    "doctor",
    {
        "twice": (
            "the output is activated twice: a {final} of what is a {inner} already; all values lie "
            "between {low} and {high}"
        ),
        "twice_mend": (
            "take one of them out of forward: a probability is the sigmoid or softmax of a logit, "
            "taken once"
        ),
        "taken": (
            "all {count} outputs lie between {low} and {high}, and are taken for logits; of "
            "probabilities a second sigmoid or softmax would be taken"
        ),
        "taken_mend": (
            'if they are probabilities, write output = "probabilities" in the card, or let forward '
            "return the logits"
        ),
        "undone": "the model ends in a {final}; what is explained are its logits, {low} to {high}",
        "probabilities": (
            "probabilities are explained as they are; {share} of them are nearer than 0.001 to 0 "
            "or 1, where the gradient vanishes"
        ),
        "probabilities_mend": (
            'name the module that returns the logits: logits_from = "…" in the card'
        ),
        "logits": "{count} outputs, {low} to {high}, explained as {kind}",
        "guessed": "nothing states the task; by the shape of the output it is {task}",
        "guessed_mend": 'write task = "…" in the card',
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the output is what it is taken for."""
    output, spec = examination.output, examination.explained.spec
    read = examination.read(examination.inputs)
    final = read.final if read.final in ACTIVATIONS else ""
    inner = _inner_activation(examination) if final else ""
    if inner:
        values: Values = {"final": final.lower(), "inner": inner, **_ends(read.output)}
        yield finding("output", "fault", "twice", values)
    elif any(note.code == "model_output.range" for note in output.notes):
        count = read.output[0].numel()
        yield finding(
            "output", _doubt(examination), "taken", {"count": count, **_ends(read.output)}
        )
    elif final:
        yield finding("output", "ok", "undone", {"final": final.lower(), **_ends(read.logits)})
    elif spec.output == "probabilities":
        certain = output.logits.detach()
        near = (certain < SATURATED) | (certain > 1 - SATURATED)
        share = {"share": f"{float(near.float().mean()):.0%}"}
        yield finding("output", "note", "probabilities", share)
    else:
        kind = str(output.about["score_kind"])
        count = output.logits.shape[1]
        yield finding(
            "output", "ok", "logits", {"count": count, "kind": kind, **_ends(read.logits)}
        )
    if output.about["task_from"] == "guessed":
        yield finding("output", "note", "guessed", {"task": output.task})


def _ends(values: Tensor) -> dict[str, str]:
    low, high = values.detach().float().aminmax()
    return {"low": f"{float(low):.3g}", "high": f"{float(high):.3g}"}


def _doubt(examination: Examination) -> Severity:
    """How much of a doubt it is that all outputs lie between 0 and 1.

    Those of a layer with weights do by chance, or where the model learnt them as numbers.
    """
    with examination.frozen():
        return "note" if ends_in_weights(_logits_with_graph(examination)) else "fault"


def _logits_with_graph(examination: Examination) -> Tensor:
    # The graph has to reach back to the image: parameters have no gradient while frozen.
    images = examination.inputs.clone().requires_grad_()
    return run_output(examination.module, (images,), examination.explained.spec).logits


def _inner_activation(examination: Examination) -> str:
    """The sigmoid or softmax that the undone logits are made by; "" for none."""
    with examination.frozen():
        made_of = probabilities_in(_logits_with_graph(examination))
    return "" if not made_of or HIDDEN in made_of else made_of[0]
