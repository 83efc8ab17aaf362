"""What two copies of a model would still share, so that they could not run beside each other."""

from __future__ import annotations

import dis
from collections import deque
from collections.abc import Iterator
from enum import Enum
from itertools import chain
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

_CONTAINERS = (list, dict, set, deque, bytearray)

_OF_LIBRARIES = {"torch", "builtins", "typing", "abc", "collections", "functools", "math"}
"""Packages whose code keeps nothing of a forward pass."""


def held(model: nn.Module) -> dict[int, object]:
    """Everything that can change and is reached from the attributes of a model's modules, by id.

    Functions are among it where they remember variables: a copy of a model gets the same function.
    """
    found: dict[int, object] = {}
    pending: list[object] = [model]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending += item
        elif id(item) not in found and _can_change(item):
            found[id(item)] = item
            pending += _parts(item)
    return found


def _can_change(item: object) -> bool:
    if isinstance(item, FunctionType):
        return item.__closure__ is not None
    if isinstance(item, (type, ModuleType, Enum)):
        return False
    return isinstance(item, (*_CONTAINERS, Tensor, MethodType)) or hasattr(item, "__dict__")


def _parts(item: Any) -> Iterator[object]:
    if isinstance(item, Tensor):
        return
    if isinstance(item, MethodType):
        yield item.__self__
    elif isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, (list, set, deque)):
        yield from item
    elif not isinstance(item, FunctionType):
        yield from getattr(item, "__dict__", {}).values()


def writes_elsewhere(model: nn.Module) -> bool:
    """Whether the code of a model uses state that belongs to none of its modules.

    That is a container or a tensor of a class or of a file of code, or what is assigned to either.
    The bytecode is read; state behind a call into another package is not found.

    >>> writes_elsewhere(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    False
    """
    classes = set(chain.from_iterable(type(module).__mro__ for module in model.modules()))
    seen: set[CodeType] = set()
    return any(_class_writes(cls, seen) for cls in classes if _is_of_user(cls))


def _is_of_user(item: Any) -> bool:
    return str(getattr(item, "__module__", "")).partition(".")[0] not in _OF_LIBRARIES


def _class_writes(cls: type, seen: set[CodeType]) -> bool:
    above = filter(_is_of_user, reversed(cls.__mro__))
    inherited = chain.from_iterable(vars(each).items() for each in above)
    state = {name for name, value in inherited if _is_state(value)}
    functions = [getattr(value, "__func__", value) for value in vars(cls).values()]
    plain = [each for each in functions if isinstance(each, FunctionType)]
    return any(_function_writes(each, state, seen) for each in plain if each.__name__ != "__init__")


def _is_state(value: object) -> bool:
    return isinstance(value, (*_CONTAINERS, Tensor, nn.Module))


def _function_writes(function: FunctionType, state: set[str], seen: set[CodeType]) -> bool:
    code = function.__code__
    if code in seen:
        return False
    seen.add(code)
    if state.intersection(code.co_names):
        return True
    before: object = None
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            return True
        if step.opname == "STORE_ATTR" and _is_shared_place(before):
            return True
        before = step.argval
        if step.opname == "LOAD_GLOBAL":
            before = function.__globals__.get(step.argval)
            if _global_writes(before, seen):
                return True
    return False


def _is_shared_place(item: object) -> bool:
    return isinstance(item, (type, ModuleType)) or item == "__class__"


def _global_writes(value: object, seen: set[CodeType]) -> bool:
    if isinstance(value, FunctionType) and _is_of_user(value):
        return _function_writes(value, set(), seen)
    return _is_state(value)
