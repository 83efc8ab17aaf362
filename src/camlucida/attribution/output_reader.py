"""What one forward pass returned: the output that is meant, and its logits."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from camlucida.attribution.final_activation import FinalActivations
from camlucida.attribution.output_graph import HIDDEN, bounded_end, probabilities_in
from camlucida.core.errors import ModelError, ModelMismatchError
from camlucida.core.output_spec import OutputSpec
from camlucida.models.output_choice import choose, tensors_of

_ENDS_IN_ACTIVATION: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()
"""Whether a model's forward passes have to be followed call by call, to undo a final activation.

The graph of the first pass shows it; a model without such an end pays nothing afterwards.
"""

_RESHAPES_NAMES = """
view reshape unsafeview squeeze unsqueeze clone alias copy tocopy permute transpose t
"""
_RESHAPES = frozenset(_RESHAPES_NAMES.split())


@dataclass(frozen=True)
class ReadOutput:
    """The output of one forward pass.

    Attributes:
        output: the tensor that is meant, of those that the model returned.
        logits: of the same shape: the logits where there are any, else the output.
        final: kind of the activation between the two ("Sigmoid", "Softmax", "LogSigmoid",
            "LogSoftmax"), the path of the module that gave the logits, or "".
    """

    output: Tensor
    logits: Tensor
    final: str


class OutputReader:
    """Follows one forward pass and reads what it returned.

    Args:
        model: a plain module.
        images: the image batch (B, C, *spatial).
        spec: what is known of the output.
        graph: whether the pass builds a graph that shows how the output came about.

    Attributes:
        named_logits: what the module of ``spec.logits_from`` returned; the pass sets it.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, spec: OutputSpec, graph: bool = True
    ) -> None:
        self.model, self.images, self.spec = model, images, spec
        self.named_logits: Tensor | None = None
        self._looks = spec.logits_from is None
        follows = self._looks and _ENDS_IN_ACTIVATION.get(model, not graph)
        self._seen = FinalActivations() if follows else None

    @contextmanager
    def following(self) -> Iterator[None]:
        """The forward pass runs inside."""
        if self._seen is None:
            yield
            return
        with self._seen:
            yield

    def read(self, returned: Any) -> ReadOutput | None:
        """The output that is meant, and its logits.

        Args:
            returned: what the model returned.

        Returns:
            None where the pass has to be run again by a new reader, which then follows it.

        Raises:
            ModelError: no tensor is returned, or ``logits_from`` names no module that runs.
            ModelMismatchError: it is not clear which tensor is meant, or whether it holds logits.
        """
        output = choose(returned, self.spec, self.images)
        if not self._looks:
            return self._named(output)
        others = [x for x in tensors_of(returned).values() if x is not output]
        undone = self._undone(output, others)
        if undone is not None:
            _ENDS_IN_ACTIVATION[self.model] = True
            return undone
        return self._unchanged(output, others)

    def _named(self, output: Tensor) -> ReadOutput:
        path = self.spec.logits_from
        if not path:
            return ReadOutput(output, output, "")
        if self.named_logits is None:
            raise ModelError(
                f"logits_from = {path!r} names no module that runs and returns a tensor"
            )
        return ReadOutput(output, self.named_logits, path)

    def _undone(self, output: Tensor, others: list[Tensor]) -> ReadOutput | None:
        if self._seen is None:
            return None
        undone = self._seen.undo(output)
        if undone is not None:
            return ReadOutput(output, undone.logits, undone.kind)
        for other in others:
            # The logits themselves are meant, and the model returns their probabilities beside.
            undone = self._seen.undo(other)
            if undone is not None and _same_numbers(undone.logits, output):
                return ReadOutput(other.reshape(output.shape), output, undone.kind)
        return None

    def _unchanged(self, output: Tensor, others: list[Tensor]) -> ReadOutput | None:
        made_of = probabilities_in(output)
        ends = bool(made_of) or any(probabilities_in(other) for other in others)
        unknown = output.grad_fn is None and self.model not in _ENDS_IN_ACTIVATION
        if self._seen is None and (ends or unknown):
            _ENDS_IN_ACTIVATION[self.model] = True
            return None
        _ENDS_IN_ACTIVATION[self.model] = ends
        if self.spec.output != "probabilities":
            self._check_end(output, made_of)
        return ReadOutput(output, output, "")

    def _check_end(self, output: Tensor, made_of: list[str] | None) -> None:
        """Raises ModelMismatchError where the model ends in a function that is not undone."""
        bounded = bounded_end(output)
        if not bounded and self._seen is not None:
            bounded = self._seen.bounded(output)
        if bounded:
            raise ModelMismatchError(_not_undone([bounded]), _MEND)
        if made_of and HIDDEN not in made_of:
            raise ModelMismatchError(_not_undone(made_of), _MEND)


_MEND = (
    'say what it is: output = "probabilities" (explained as they are), task = "regression" '
    '(a value), or logits_from = the path of the module that returns the logits ("": they are '
    "logits nevertheless)"
)


def _not_undone(made_of: list[str]) -> str:
    steps = [step for step in made_of if step not in _RESHAPES]
    if len(steps) == 1 and "softmax" in steps[0]:
        return f"the model ends in a {steps[0]} over another axis than the labels' (axis 1)"
    return f"the model's output is made by {', then '.join(steps)}: it holds no logits"


def _same_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether ``b`` is ``a``, or ``a`` reshaped: the same memory, not only equal values."""
    if a is b:
        return True
    same_memory = a.data_ptr() == b.data_ptr() and a.numel() == b.numel()
    return same_memory and a.is_contiguous() and b.is_contiguous()
