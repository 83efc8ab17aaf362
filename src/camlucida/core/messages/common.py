"""Messages that every room needs: names, quotations, and the ways to join messages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from camlucida.core.messages.message import Message
from camlucida.core.messages.templates import ENGLISH, declare


def named(text: str) -> Message:
    """A name, which is the same in every language.

    Args:
        text: the name; line breaks become spaces.

    >>> str(named("Grad-CAM"))
    'Grad-CAM'
    """
    return Message("words.plain", {"text": text})


def quoted(text: str) -> Message:
    """Text that stays as it is, such as an error: a translation puts it in quotation marks.

    Args:
        text: in English.

    >>> str(quoted("no such file"))
    'no such file'
    """
    return Message("words.quoted", {"text": text})


def chain(code: str, messages: Sequence[Message]) -> Message:
    """One or more messages as one: ``code`` joins two, ``{first}`` and ``{then}``.

    Args:
        code: of the template with both placeholders.
        messages: in order.

    Raises:
        TypeError: there are no messages.

    >>> str(chain("words.clause", [named("a"), named("b"), named("c")]))
    'a; b; c'
    """

    def join(first: Message, then: Message) -> Message:
        return Message(code, {"first": first, "then": then})

    return reduce(join, messages)


def prefixed(prefix: str, message: Message) -> Message:
    """A message after what it is about: "seed 42: …".

    Args:
        prefix: what it is about.
        message: what follows the colon.

    >>> str(prefixed("seed 42", named("no mask")))
    'seed 42: no mask'
    """
    return Message("words.of", {"of": prefix, "line": message})


def score_name(kind: str) -> Message:
    """A score or a unit for people, such as "logit"; one that is not known here stays as it is.

    Args:
        kind: as provenance has it, see ``score_kind`` and ``unit``.

    >>> str(score_name("probability")), str(score_name("years"))
    ('probability', 'years')
    """
    code = f"scores.{kind.replace(' ', '_')}"
    return Message(code) if code in ENGLISH else named(kind)


declare(
    "scores",
    {
        "logit": "logit",
        "probability": "probability",
        "value": "value",
        "score": "score",
        "activation": "activation",
        "none": "none",
        "weighted_mean_probability": "weighted mean probability",
    },
)

declare(
    "words",
    {
        "plain": "{text}",
        "quoted": "{text}",
        "nothing": "",
        "of": "{of}: {line}",
        "clause": "{first}; {then}",
        "multilabel": "multi-label",
        "multiclass": "multi-class",
        "binary": "binary",
        "regression": "regression",
        "segmentation": "segmentation",
        "seed": "training seed",
        "fold": "fold",
        "model": "model",
        "architecture": "architecture",
        "method": "method",
        "layer": "layer",
        "TP": "true positive",
        "FP": "false positive",
        "FN": "false negative",
        "TN": "true negative",
    },
)
