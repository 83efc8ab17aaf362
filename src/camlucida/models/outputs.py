"""What a model's output means: its task, labels, logits and probabilities. Nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from camlucida.core.errors import ModelError, ModelMismatchError, TargetError
from camlucida.core.messages import Message, declare
from camlucida.core.output_spec import OutputSpec, RegionScore, Task
from camlucida.core.scan import Scan
from camlucida.core.tensors import full
from camlucida.models.output_choice import is_dense

declare(
    "task",
    {
        "given": "task: {task}, as given",
        "card": "task: {task}, from the card",
        "module": "task: {task}, from the model itself",
        "guessed": (
            "task: {task}, guessed from the shape and the end of the output; state it if it is "
            "another"
        ),
    },
)

declare(
    "model_output",
    {
        "range": (
            "every output lies between 0 and 1 and is taken for a logit: if these are "
            'probabilities, state output = "probabilities"'
        )
    },
)

MANY = 8
"""Outputs of which not all lie between 0 and 1 by chance."""

ROUNDING = 1e-3
"""How far outside [0, 1] a number may lie and still be a probability."""


@dataclass(frozen=True)
class BatchOutput:
    """The output for a batch of images, interpreted.

    Attributes:
        logits: (B, C) or (B, C, *spatial): the logits where the model has any, else its output; in
            the model's graph.
        probabilities: same shape, no graph; None for a regression.
        task: given, or taken from the output's shape.
        overlapping: whether the channels of a segmentation have a sigmoid each.
        scaled: same shape: the model's output where it scales its probabilities to operating
            points; None elsewhere.
        notes: for the person who reads the result.
        region_score: of a region: the mean of its logits, or their sum.
        labels: a name an output channel (both names of a single-logit binary model).
        about: for the record: kind of score, task, where both come from.
    """

    logits: Tensor
    probabilities: Tensor | None
    task: Task
    labels: tuple[str, ...]
    about: dict[str, Any]
    overlapping: bool = False
    scaled: Tensor | None = None
    notes: tuple[Message, ...] = ()
    region_score: RegionScore = "mean"


def interpret(
    logits: Tensor, output: Tensor, final: str, spec: OutputSpec, images: Tensor
) -> BatchOutput:
    """What the output of one forward pass means.

    Args:
        logits: (B, C) or (B, C, *spatial); (B,) of a model of one output, (C,) of one image.
        output: what the model returned, same shape.
        final: kind of the activation between the two ("Sigmoid", "Softmax", "LogSigmoid",
            "LogSoftmax"), path of the module that gave the logits, or "" for none.
        spec: what is known beforehand.
        images: the inputs (B, C, *spatial).

    Raises:
        ModelError: the output does not fit the images, or is no probability where it should be one.
        ModelMismatchError: the output does not fit the task or the labels.
        TargetError: the output is neither (B, C) nor dense.

    >>> import torch
    >>> logits = torch.tensor([[0.0, 0.0]])
    >>> interpret(logits, logits, "", OutputSpec(), torch.zeros(1, 1, 4, 4)).probabilities
    tensor([[0.5000, 0.5000]])
    """
    _check_axes(output, images)
    logits = full(label_axes(logits, images, spec.task))
    output = full(label_axes(output, images, spec.task))
    if len(logits) != len(images) or logits.shape[1:] != output.shape[1:]:
        shapes = f"{tuple(output.shape)} and logits {tuple(logits.shape)}"
        fix = "the first axis of the output must be the image, the second the label"
        if len(logits) == 1:
            fix = (
                "where these images are a bag that has one score, explain one of them at a time: "
                "put the model into a module whose forward sets that image among the others, which "
                "it holds, and returns (1, C)"
            )
        raise ModelError(f"for {len(images)} images the model returned {shapes}", fix)
    kind = final if final in _KINDS else _kind_between(logits, output) if final else ""
    task = spec.task or _task_of(logits, images, "Sigmoid" if spec.overlapping else kind)
    _check_task(task, logits, images)
    labels = _labels(task, logits.shape[1], spec.labels)
    probabilities = None
    if task != "regression":
        _check_by_hand(output, final, spec)
        probabilities = _probabilities(logits, output, final, task, spec)
    about = _about(task, final, spec)
    scaled = None
    if spec.operating_points and final:
        scaled, probabilities = probabilities, logits.detach().sigmoid()
        about["operating_points"] = list(spec.operating_points)
    overlapping = task == "segmentation" and _overlap(probabilities, kind, spec)
    notes = _notes(output, about)
    region = spec.region_score
    return BatchOutput(
        logits, probabilities, task, labels, about, overlapping, scaled, notes, region
    )


def _check_axes(output: Tensor, images: Tensor) -> None:
    """Whether the labels of a dense output come before its positions.

    Raises:
        ModelMismatchError: they come last.
    """
    size = images.shape[2:]
    if output.ndim == images.ndim > 3 and output.shape[1:-1] == size != output.shape[2:]:
        raise ModelMismatchError(
            f"the model's output has shape {tuple(output.shape)}, with its labels on the last axis",
            "wrap it so that forward returns (B, C, H, W): movedim(-1, 1)",
        )


def _about(task: Task, final: str, spec: OutputSpec) -> dict[str, Any]:
    """What the record says of the output."""
    about: dict[str, Any] = {
        "score_kind": _score_kind(task, final, spec),
        "task": task,
        "task_from": spec.task_from or "guessed",
    }
    if final:
        about["logits_from"] = final
    if spec.head is not None:
        about["output"] = str(spec.head)
    return about


def _notes(output: Tensor, about: Mapping[str, Any]) -> tuple[Message, ...]:
    """A doubt whether logits are what they are taken for."""
    values = output.detach()
    taken_for_logits = about["score_kind"] == "logit" and "logits_from" not in about
    if not taken_for_logits or values.numel() < MANY:
        return ()
    if bool(((values >= 0) & (values <= 1)).all()):
        return (Message("model_output.range"),)
    return ()


_KINDS = ("Sigmoid", "Softmax", "LogSigmoid", "LogSoftmax")


def _kind_between(logits: Tensor, output: Tensor) -> str:
    """The activation that leads from logits to an output, by their values; "" for neither."""
    logits, output = logits.detach(), output.detach()
    if torch.allclose(logits.sigmoid(), output, atol=ROUNDING):
        return "Sigmoid"
    return "Softmax" if torch.allclose(logits.softmax(1), output, atol=ROUNDING) else ""


def _overlap(probabilities: Tensor | None, kind: str, spec: OutputSpec) -> bool:
    """Whether each channel of a segmentation is decided by itself."""
    if spec.overlapping is not None:
        return spec.overlapping
    if kind or probabilities is None or spec.output == "logits":
        return kind in ("Sigmoid", "LogSigmoid")
    return not _sums_to_one(probabilities)


def _sums_to_one(values: Tensor) -> bool:
    total = values.sum(1)
    return values.shape[1] > 1 and torch.allclose(total, torch.ones_like(total), atol=ROUNDING)


def _check_by_hand(output: Tensor, final: str, spec: OutputSpec) -> None:
    """ModelMismatchError for probabilities of which nothing shows how they were made."""
    if final or spec.output == "probabilities" or spec.logits_from == "":
        return
    values = output.detach()
    if bool((values >= 0).all()) and _sums_to_one(values):
        raise ModelMismatchError(
            "the model's outputs are probabilities (they sum to 1), and no softmax is seen that "
            "could be undone",
            'say output = "probabilities", or logits_from = the module that returns the logits',
        )
    if _are_logarithms(values):
        raise ModelMismatchError(
            "the model's outputs are log-probabilities (their exponentials sum to 1), and no "
            "log_softmax is seen that could be undone",
            'say logits_from = the module that returns the logits, or "" to explain them as they '
            "are",
        )


def _are_logarithms(values: Tensor) -> bool:
    """Whether outputs are logarithms of probabilities that sum to 1."""
    return bool((values <= ROUNDING).all()) and _sums_to_one(values.exp())


def _check_task(task: Task, logits: Tensor, images: Tensor) -> None:
    dense = logits.ndim > 2
    if dense != (task == "segmentation"):
        wrap = "wrap it so that forward returns the logits (B, C), or " if dense else ""
        raise ModelMismatchError(
            f"the task is {task}, and the model's output has shape {tuple(logits.shape)}",
            f"{wrap}correct the task",
        )
    if task == "binary" and logits.shape[1] > 2:
        raise ModelMismatchError(
            f"the task is binary, and the model has {logits.shape[1]} outputs",
            "is it multiclass or multilabel?",
        )


def _labels(task: Task, count: int, given: tuple[str, ...]) -> tuple[str, ...]:
    """A name an output: the given ones, else numbers or what the task calls its only output."""
    if not given:
        only = {"regression": "output", "binary": "positive"}.get(task) if count == 1 else None
        return (only,) if only else tuple(map(str, range(count)))
    both_classes = task == "binary" and count == 1 and len(given) == 2
    if len(given) != count and not both_classes:
        raise ModelMismatchError(
            f"the model has {count} outputs and {len(given)} labels",
            "give one label an output, in order",
        )
    return given


def _probabilities(
    logits: Tensor, output: Tensor, final: str, task: Task, spec: OutputSpec
) -> Tensor:
    """Probabilities (B, C, …) without graph.

    The model's, or by sigmoid or softmax of its logits.
    """
    named = bool(final) and final not in _KINDS  # by the path of a module
    logarithms = named and _are_logarithms(output.detach())
    if logarithms or final in ("LogSoftmax", "LogSigmoid"):
        output = output.exp()
    if spec.output == "probabilities":
        _check_probabilities(output.detach())
    if final or spec.output == "probabilities":
        return output.detach()
    independent = task == "multilabel" or logits.shape[1] == 1 or bool(spec.overlapping)
    probabilities = logits.sigmoid() if independent else logits.softmax(1)
    return probabilities.detach()


def _score_kind(task: Task, final: str, spec: OutputSpec) -> str:
    if task == "regression":
        return "value"
    return "probability" if spec.output == "probabilities" and not final else "logit"


def _check_probabilities(returned: Tensor) -> None:
    outside = returned[(returned < -ROUNDING) | (returned > 1 + ROUNDING)]
    if len(outside):
        raise ModelError(
            f'output = "probabilities" is stated, and the model returned {float(outside[0]):.3f}',
            'write output = "logits"',
        )


def task_message(about: Mapping[str, Any]) -> Message | None:
    """The task and where it comes from.

    Args:
        about: of an output, or the provenance of an explanation.

    Returns:
        None where it is not recorded.

    >>> str(task_message({"task": "binary", "task_from": "card"}))
    'task: binary, from the card'
    """
    if "task" not in about or "task_from" not in about:
        return None
    return Message(f"task.{about['task_from']}", {"task": str(about["task"])})


def check_numbers(batch: BatchOutput, scans: Sequence[Scan]) -> None:
    """Check that no image's output is NaN in a label that has trained weights.

    Raises:
        ModelError: the first image for which one is.
    """
    channels = batch.labels[: batch.logits.shape[1]]
    trained = [i for i, name in enumerate(channels) if name]
    unusable = batch.logits[:, trained].flatten(1).isnan().any(1).tolist()
    for scan, is_nan in zip(scans, unusable):
        if is_nan:
            raise ModelError(
                f"{scan.id}: the model's output is not a number",
                "look for NaN or huge values in the image",
            )


def on_host(values: Tensor) -> Tensor:
    """Without its graph; (B, C) on the CPU.

    One copy, because a GPU would be waited for each time a single number is read.

    Args:
        values: (B, C), or (B, C, *grid), which stays on its device.

    >>> import torch
    >>> on_host(torch.ones(1, 1, requires_grad=True))
    tensor([[1.]])
    """
    return values.detach().cpu() if values.ndim == 2 else values.detach()


def label_axes(output: Tensor, images: Tensor, task: Task | None = None) -> Tensor:
    """(B, C), or (B, C, *spatial) of a dense output.

    Args:
        output: (B, C, …); (B,) of a model of one output; (C,) or a number of one image; (B,
            *spatial) of a dense output of one channel. Spatial axes of size 1 are no axes, unless
            the task is a segmentation.
        images: the inputs (B, C, *spatial).
        task: as far as it is known.

    >>> import torch
    >>> images = torch.zeros(3, 1, 8, 8)
    >>> label_axes(torch.zeros(3), images).shape, label_axes(torch.zeros(3, 5, 1, 1), images).shape
    (torch.Size([3, 1]), torch.Size([3, 5]))
    """
    if output.ndim < 2:
        one_image = len(images) == 1
        return output.reshape(1, -1) if one_image else output.reshape(-1, 1)
    if output.ndim == images.ndim - 1 and output.ndim > 2 and output.shape[1:] == images.shape[2:]:
        return output.unsqueeze(1)
    if task != "segmentation" and output.ndim > 2 and not is_dense(output, images):
        positions = output.shape[2:].numel()
        return output.flatten(1) if positions == 1 else output
    return output


def _task_of(logits: Tensor, images: Tensor, kind: str) -> Task:
    """A guess from the output alone, recorded as such."""
    if is_dense(logits, images):
        return "segmentation"
    if logits.ndim != 2:
        raise TargetError(
            f"the model's output has shape {tuple(logits.shape)}",
            "wrap it so that forward returns (B, C)",
        )
    if logits.shape[1] == 1:
        return "binary"
    return "multilabel" if kind in ("Sigmoid", "LogSigmoid") else "multiclass"
