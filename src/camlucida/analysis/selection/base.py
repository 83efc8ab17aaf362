"""What a rule of selection is: its name, its arguments, its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.analysis.selection.pool import Pool, first, numbered, share
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, chain, declare
from camlucida.core.registry import Registry

declare(
    "selection",
    {
        "typical": (
            "for each {what}, the case nearest to its median {loss}; cases available: {counts:,}"
        ),
        "typical_several": (
            "for each {what}, the {count} cases nearest to its median {loss}; cases available: "
            "{counts:,}"
        ),
        "counted": "{name} ({count})",
    },
)

Takes = Literal["", "seed", "column", "case"]


@dataclass(frozen=True)
class RuleRequest:
    """A rule as it was written: its number of cases and its other argument."""

    text: str
    count: int = 1
    seed: int = 0
    column: str = ""
    image: str = ""
    label: str = ""


@dataclass(frozen=True)
class Selected:
    """What a rule chose.

    Attributes:
        rule: as it was written.
        description: the rule with its numbers; why nothing was chosen where `rows` is empty.
        rows: index labels of the case table, in the rule's order.
        roles: of each row, such as "worst 2", "FN" or "sex = F".
    """

    rule: str
    description: Message
    rows: list[Any]
    roles: list[Message]


Run = Callable[[Pool, RuleRequest], Selected]


@dataclass(frozen=True)
class Rule:
    """A registered rule.

    Attributes:
        name: what people write.
        chooses: what it chooses, in words.
        run: from the pool of cases and the request to the selected cases.
        takes: which options it accepts beside a number of cases.
        title: what a report calls it; declared as ``rules.KEY``.
        role: what a chosen case is; declared as ``roles.KEY``.
    """

    name: str
    chooses: str
    run: Run
    takes: Takes = ""
    title: str = ""
    role: str = ""

    @property
    def key(self) -> str:
        """The name as it stands in codes of messages."""
        return message_key(self.name)

    @property
    def usage(self) -> str:
        """How it is written."""
        pattern = {
            "": "{}:COUNT",
            "seed": "{}:COUNT:seed=N",
            "column": "{}:COLUMN:COUNT",
            "case": "{}:IMAGE:LABEL",
        }
        return pattern[self.takes].format(self.name)


RULES: Registry[Rule] = Registry("selection rule")


def rule(
    name: str, chooses: str, takes: Takes = "", *, title: str = "", role: str = ""
) -> Callable[[Run], Run]:
    """Register a function as a rule; see :class:`Rule` for the arguments."""
    title = title or name

    def register(run: Run) -> Run:
        entry = RULES.add(name, Rule(name, chooses, run, takes, title, role or title))
        declare("rules", {entry.key: entry.title})
        declare("roles", {entry.key: entry.role})
        return run

    return register


def message_key(rule: str) -> str:
    """The key of a rule in codes of messages, from how it was written.

    >>> message_key("per-group:sex:2")
    'per_group'
    """
    return rule.partition(":")[0].strip().replace("-", "_")


def select(
    cases: pd.DataFrame, rules: Sequence[str], heat: pd.DataFrame | None = None
) -> list[Selected]:
    """Choose cases by each rule, in the order given.

    A rule is written ``NAME``, ``NAME:COUNT``, ``random:COUNT:seed=N``,
    ``per-group:COLUMN:COUNT`` or ``case:IMAGE:LABEL``; the count is 1 if not given. A case is an
    image and a label (of classes: an image); where it has two or more maps, that of the first
    model, method and layer stands for it, unless the rule compares models. Within a rule a case
    appears once, and equal cases are in the order of their images' names. Where no case fits, no
    row is chosen, and the description states why.

    Args:
        cases: rows of :func:`~camlucida.analysis.cases.case_table.case_table`.
        rules: see :data:`RULES`.
        heat: the attribution table of ``cases``, for the rules that need it.

    Returns:
        One selection a rule.

    Raises:
        UsageError: an unknown rule, a count that is no number, an argument that the rule does not
            take, an unknown column, or no ``heat`` where a rule needs it.
    """
    requests = [_parse(text) for text in rules]
    pool = Pool(cases, heat)
    return [rule.run(pool, request) for rule, request in requests]


def check_rules(rules: Sequence[str]) -> None:
    """Check that each rule can be read, before anything is computed.

    Raises:
        UsageError: as :func:`select`, but for unknown columns.

    >>> check_rules(["worst:3", "random:3:seed=7"])
    """
    for text in rules:
        _parse(text)


_NAMED = {"case": "image", "column": "column"}
"""What a rule takes → what its text must name."""


def _parse(text: str) -> tuple[Rule, RuleRequest]:
    name, *parts = map(str.strip, text.split(":"))
    rule = RULES[name]
    fix = f"write {rule.usage}"
    given: dict[str, Any] = {}
    if rule.takes in _NAMED and not any(parts[:1]):
        raise UsageError(f"rule {text!r} names no {_NAMED[rule.takes]}", fix)
    if rule.takes == "case":
        image, *label = parts
        return rule, RuleRequest(text.strip(), image=image, label=":".join(label))
    if rule.takes == "column":
        given["column"] = parts.pop(0)
    for part in parts:
        key, number = part.split("=", 1) if "=" in part else ("count", part)
        if key not in ("count", rule.takes) or key in given:
            raise UsageError(f"rule {text!r}: {part!r} is not understood", fix)
        given[key] = _number(number, at_least=1 if key == "count" else 0)
        if given[key] is None:
            raise UsageError(f"rule {text!r}: {part!r} is not a number of cases", fix)
    return rule, RuleRequest(text.strip(), **given)


def _number(text: str, at_least: int) -> int | None:
    number = int(text) if text.isdecimal() else -1
    return number if number >= at_least else None


def nothing(request: RuleRequest, why: Message) -> Selected:
    """A rule that chose no row."""
    return Selected(request.text, why, [], [])


def by_loss(
    pool: Pool,
    request: RuleRequest,
    name: str,
    order: Callable[[pd.Series], ArrayLike],
    values: Mapping[str, Value] | None = None,
) -> Selected:
    """The judged cases that come first in an order of their losses.

    Args:
        pool: the cases.
        request: number of cases.
        name: of the rule; its description is the message ``selection.NAME``.
        order: losses → numbers, of which the smallest are chosen.
        values: further ones of the description.
    """
    judged = pool.judged()
    if judged.empty or pool.loss is None:
        return nothing(request, pool.unjudged)
    chosen = first(judged, order(judged["loss"]), request.count)
    counts = share(request.count, len(judged))
    message = Message(f"selection.{name}", {**counts, "loss": pool.loss, **(values or {})})
    description = pool.whole(message, judged, pool.candidates())
    roles = numbered(Message(f"roles.{name}"), len(chosen))
    return Selected(request.text, description, list(chosen.index), roles)


Groups = Iterable[tuple[Message, pd.DataFrame]]
"""Names, each with the rows that it is of."""


def typical(
    pool: Pool, request: RuleRequest, what: Message, groups: Groups, last: Sequence[Message] = ()
) -> Selected:
    """Of each group of judged cases those nearest to its median loss.

    Args:
        pool: the cases.
        request: how many of each group.
        what: a group is, such as "true class".
        groups: the name is the role.
        last: further clauses.
    """
    filled = [(name, rows) for name, rows in groups if len(rows)]
    counts: list[Message] = []
    indices: list[Any] = []
    roles: list[Message] = []
    for name, rows in filled:
        chosen = first(rows, nearest(rows["loss"]), request.count)
        counts.append(Message("selection.counted", {"name": name, "count": len(rows)}))
        indices += chosen.index.tolist()
        roles += numbered(name, len(chosen))
    loss = pool.loss or Message("words.nothing")
    values: dict[str, Value] = {"what": what, "loss": loss, "counts": counts}
    description = Message("selection.typical", values)
    if request.count > 1:
        description = Message("selection.typical_several", {**values, "count": request.count})
    clauses = chain("words.clause", [description, *last])
    every = pd.concat([rows for _, rows in filled])
    return Selected(request.text, pool.whole(clauses, every), indices, roles)


def nearest(losses: pd.Series) -> ArrayLike:
    """How far each is from their median."""
    distance: ArrayLike = np.abs(losses - losses.median())
    return distance
