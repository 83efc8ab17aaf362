"""Pickle's stack machine, which builds plain containers and inert stubs and calls nothing."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from camlucida.io.pickles.stub import ClassName, Stub

UNKNOWN = object()
"""What :attr:`Builders.construct` returns of what it does not know."""

MAX_OPERATIONS = 3_000_000
"""Each makes one object at most, so this bounds memory and time."""

_MAX_BITS = 8192
_MAX_KEY_DEPTH, _MAX_KEY_PARTS = 4, 1000


class PickleDamage(ValueError):
    """The bytes are no pickle, a damaged one, or one beyond the bounds; one line."""


@dataclass(frozen=True)
class Builders:
    """What makes values of known classes; all else becomes a stub.

    Attributes:
        construct: (dotted name, arguments) → a plain value, or :data:`UNKNOWN`.
        set_state: (value, state) → whether the value took the state.
        persistent: persistent id → value.
    """

    construct: Callable[[str, tuple[Any, ...]], Any]
    set_state: Callable[[Any, Any], bool]
    persistent: Callable[[Any], Any]


def load(file: BinaryIO, builders: Builders) -> Any:
    """The object in a pickle, as data.

    Args:
        file: from its current position; it is left behind the pickle.
        builders: of known classes.

    Raises:
        PickleDamage: no pickle, a damaged one, or one with too many operations.

    >>> import io, pickle
    >>> nothing = Builders(lambda name, args: UNKNOWN, lambda value, state: False, str)
    >>> load(io.BytesIO(pickle.dumps({"a": [1, 2]})), nothing)
    {'a': [1, 2]}
    """
    machine = _Machine(builders)
    try:
        for number, (operation, argument, _) in enumerate(pickletools.genops(file)):
            if number > MAX_OPERATIONS:
                raise PickleDamage(f"its pickle has more than {MAX_OPERATIONS:,} operations")
            machine.step(operation.name, argument)
        return machine.stack.pop()
    except PickleDamage:
        raise
    except MemoryError as error:
        raise PickleDamage("its pickle is too large for the memory") from error
    except Exception as error:  # damaged bytes fail anywhere, with any type
        raise PickleDamage(f"its pickle is damaged: {_first_words(error)}") from error


def _first_words(error: Exception, limit: int = 80) -> str:
    text = " ".join(str(error).split())
    printable = "".join(filter(str.isprintable, text))
    return printable[:limit] or type(error).__name__


class _Machine:
    """The stack, the stacks below each mark, and the memo."""

    def __init__(self, builders: Builders) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._builders = builders

    def step(self, name: str, argument: Any) -> None:
        """Run one operation."""
        if name in _PUSHED:
            self._push(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            parts = self._popped(count)
            self.stack.append(tuple(parts))
        elif name in _GETS:
            self.stack.append(self._memo[int(argument)])
        elif name in _PUTS:
            self._memo[int(argument)] = self.stack[-1]
        elif name not in _NOTHING:
            self._run(name, argument)

    def _run(self, name: str, argument: Any) -> None:
        """An operation with a method of its name."""
        run = getattr(self, f"_{name.lower()}", None)
        if run is None:
            raise PickleDamage(f"its pickle has the operation {name}, which needs a buffer")
        if argument is None:
            run()
        else:
            run(argument)

    def _push(self, value: Any) -> None:
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise PickleDamage(f"its pickle holds an integer of {value.bit_length():,} bits")
        self.stack.append(value)

    def _popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise PickleDamage("its pickle is damaged: its stack is empty")
        parts = self.stack[-count:]
        del self.stack[-count:]
        return parts

    # Marks.

    def _mark(self) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _to_mark(self) -> list[Any]:
        parts, self.stack = self.stack, self._below.pop()
        return parts

    def _pop_mark(self) -> None:
        self._to_mark()

    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._to_mark()

    def _dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    # Containers.

    def _tuple(self) -> None:
        parts = self._to_mark()
        self.stack.append(tuple(parts))

    def _list(self) -> None:
        parts = self._to_mark()
        self.stack.append(parts)

    def _dict(self) -> None:
        parts = self._to_mark()
        items: dict[Any, Any] = {}
        _set_items(items, parts)
        self.stack.append(items)

    def _frozenset(self) -> None:
        parts = self._to_mark()
        self.stack.append(frozenset(map(_key, parts)))

    def _append(self) -> None:
        value = self.stack.pop()
        _extend(self.stack[-1], [value])

    def _appends(self) -> None:
        parts = self._to_mark()
        _extend(self.stack[-1], parts)

    def _additems(self) -> None:
        parts = self._to_mark()
        _extend(self.stack[-1], parts)

    def _setitem(self) -> None:
        parts = self._popped(2)
        _set_items(self.stack[-1], parts)

    def _setitems(self) -> None:
        parts = self._to_mark()
        _set_items(self.stack[-1], parts)

    # Classes, functions and objects: names and stubs.

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")  # pickletools joins the two lines
        self.stack.append(ClassName(f"{module}.{name}"))

    def _stack_global(self) -> None:
        module, name = self._popped(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise PickleDamage("its pickle is damaged: a class without a name")
        self.stack.append(ClassName(f"{module}.{name}"))

    def _ext1(self, code: int) -> None:
        self.stack.append(ClassName(f"copyreg.extension_{code}"))

    _ext2 = _ext4 = _ext1

    def _reduce(self) -> None:
        function, args = self._popped(2)
        self.stack.append(self._made(function, args))

    _newobj = _reduce

    def _newobj_ex(self) -> None:
        cls, args, named = self._popped(3)
        made = self._made(cls, args)
        if isinstance(made, Stub) and isinstance(named, dict):
            made.state.update(named)
        self.stack.append(made)

    def _obj(self) -> None:
        parts = self._to_mark()
        self.stack.append(self._made(parts[0], tuple(parts[1:])))

    def _inst(self, names: str) -> None:
        parts = self._to_mark()
        module, _, name = names.partition(" ")
        self.stack.append(self._made(ClassName(f"{module}.{name}"), tuple(parts)))

    def _made(self, function: Any, args: Any) -> Any:
        args = args if isinstance(args, tuple) else (args,)
        if not isinstance(function, ClassName):
            # The result of a call of the result of a call: nothing of it can be plain data.
            name = function.name if isinstance(function, Stub) else type(function).__name__
            return Stub(name, args)
        if function.name in _OBJECT_MAKERS and args and isinstance(args[0], ClassName):
            return self._bare(args[0], args[1:])
        made = self._builders.construct(function.name, args)
        return Stub(function.name, args) if made is UNKNOWN else made

    def _bare(self, cls: ClassName, args: tuple[Any, ...]) -> Any:
        """An object of protocols 0 and 1, whose content of a plain base comes as an argument."""
        made = self._builders.construct(cls.name, ())
        if made is UNKNOWN:
            made = Stub(cls.name, args)
        content = args[-1] if args else None
        if isinstance(content, dict) and isinstance(made, Stub):
            made.items.update(content)
        elif isinstance(content, list) and isinstance(made, Stub):
            made.elements.extend(content)
        return made

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Stub):
            # Of a class with slots the state is a pair.
            for part in state if isinstance(state, tuple) else (state,):
                _set_attributes(target, part)
        else:
            # What is not taken: attributes of a dictionary, such as a state dict's versions.
            self._builders.set_state(target, state)

    def _persid(self, identity: Any) -> None:
        self.stack.append(self._builders.persistent(identity))

    def _binpersid(self) -> None:
        identity = self.stack.pop()
        self.stack.append(self._builders.persistent(identity))


_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_PUSHED = frozenset((*_INTEGERS, *_TEXTS, "BINUNICODE8", *_BYTES, "FLOAT", "BINFLOAT"))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_NOTHING = frozenset(("PROTO", "FRAME", "STOP"))
_OBJECT_MAKERS = frozenset(
    ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__")
)


def _set_items(target: Any, parts: list[Any]) -> None:
    items = target.items if isinstance(target, Stub) else target
    if not isinstance(items, dict) or len(parts) % 2:
        raise PickleDamage("its pickle is damaged: items of what is no dictionary")
    for key, value in zip(parts[::2], parts[1::2]):
        items[_key(key)] = value


def _extend(target: Any, parts: list[Any]) -> None:
    elements = target.elements if isinstance(target, Stub) else target
    if isinstance(elements, set):
        elements.update(map(_key, parts))
    elif isinstance(elements, list):
        elements.extend(parts)
    else:
        raise PickleDamage("its pickle is damaged: elements of what is no list")


def _set_attributes(target: Stub, state: Any) -> None:
    if isinstance(state, Stub):
        state = state.items or state.state
    if isinstance(state, dict):
        target.state.update(state)
    elif state is not None:
        target.state.setdefault("__state__", state)


def _key(value: Any) -> Any:
    """A key that is quick to hash: a tuple that holds itself many times is not.

    Raises:
        PickleDamage: it cannot be a key, or is nested too deep.
    """
    pending, parts = [(value, 0)], 0
    while pending:
        part, depth = pending.pop()
        parts += 1
        if depth > _MAX_KEY_DEPTH or parts > _MAX_KEY_PARTS:
            raise PickleDamage("its pickle has a key that is nested too deep")
        if isinstance(part, (tuple, frozenset)):
            pending += [(each, depth + 1) for each in part]
        elif isinstance(part, (list, dict, set, bytearray)):
            raise PickleDamage("its pickle is damaged: a key that cannot be one")
    return value
