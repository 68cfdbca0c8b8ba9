"""Interprets a pickle as data: numbers, texts, containers, and names that stay names.

A pickle is a program for a small stack machine, and Python's own machine imports and calls what
the program names. This one interprets the same instructions, which `pickletools` of the standard
library decodes, and can do nothing else: it imports nothing, and a call is looked up in a closed
table of our own functions, which only build records.

Subclassing `pickle.Unpickler` is not enough. Its `find_class` guards names alone: a memo index
in the file (LONG_BINPUT) still sizes a table in memory, BUILD still sets attributes of whatever
lies on the stack, and a tuple nested in itself still takes exponential time to hash as a key.
"""

import pickletools
from collections.abc import Callable

from nsdviewer.models.published.terms import (
    MAX_INSTRUCTIONS,
    Budget,
    Name,
    Names,
    Opaque,
    Refused,
    Source,
    require_key,
    shown,
)

_MAX_TEXT = 1 << 20
_MAX_INTEGER_BITS = 128
_MAX_DEPTH = 64


_MARK = object()
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = frozenset((
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
))  # fmt: skip
_EMPTY: dict[str, Callable[[], object]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Machine:
    """One run over one pickle.

    Parameters
    ----------
    source
        Where the instructions come from; `run` leaves it behind the pickle's last one.
    names
        All names that may occur. None marks those that may be mentioned and not called.
    budget
        What the run may cost.
    persistent
        Answers what the pickle keeps outside itself; without it, such references are refused.
    """

    def __init__(
        self,
        source: Source,
        names: Names,
        budget: Budget,
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        self._source = source
        self._names = names
        self._budget = budget
        self._persistent = persistent
        self._stack: list[object] = []
        self._memo: dict[object, object] = {}
        self._n_marks = 0

    def run(self) -> object:
        """Return what the pickle describes.

        Raises
        ------
        Refused
            If it asks for anything but data.
        ValueError
            If it is cut off or damaged.
        """
        for opcode, argument, _ in pickletools.genops(self._source):  # type: ignore[arg-type]
            self._budget.n_instructions -= 1
            if self._budget.n_instructions < 0:
                raise Refused(f"has more than {MAX_INSTRUCTIONS} instructions")
            if opcode.name == "STOP":
                break
            self._step(opcode.name, argument)
        value = self._pop()
        if self._stack:
            raise ValueError("values are left over")
        return value

    def _step(self, name: str, argument: object) -> None:
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            self._stack.append(_require_small(argument))
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self._stack.append(tuple(reversed([self._pop() for _ in range(_TUPLES[name])])))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            # A dictionary: an index of four thousand million takes no more room than any other.
            self._memo[len(self._memo) if argument is None else argument] = self._top()
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._recall(argument))
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name in ("GLOBAL", "INST"):
            self._stack.append(self._named(*str(argument).split(" ", 1)))
            if name == "INST":
                raise Refused("uses the instruction INST")
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"uses the instruction {name}")

    def _top(self) -> object:
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("a value is missing")
        return self._stack[-1]

    def _pop(self) -> object:
        value = self._top()
        self._stack.pop()
        return value

    def _pop_to_mark(self) -> list[object]:
        values = []
        while self._stack and self._stack[-1] is not _MARK:
            values.append(self._stack.pop())
        if not self._stack:
            raise ValueError("a mark is missing")
        self._stack.pop()
        self._n_marks -= 1
        return values[::-1]

    def _drop_to_mark(self) -> None:
        self._pop_to_mark()

    def _recall(self, index: object) -> object:
        if index not in self._memo:
            raise ValueError(f"nothing was kept as number {index}")
        return self._memo[index]

    def _mark(self) -> None:
        self._n_marks += 1
        if self._n_marks > _MAX_DEPTH:
            raise Refused(f"is nested deeper than {_MAX_DEPTH} levels")
        self._stack.append(_MARK)

    def _drop(self) -> None:
        if self._stack and self._stack[-1] is _MARK:
            self._n_marks -= 1
            self._stack.pop()
        else:
            self._pop()

    def _named(self, module: str, name: str = "") -> Name:
        known = Name(module, name)
        if known.full not in self._names:
            raise Refused(f"names {shown(known.full)}")
        return known

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Refused("builds a name from something that is no text")
        self._stack.append(self._named(module, name))

    def _call(self) -> None:
        arguments, callee = self._pop(), self._pop()
        if not isinstance(callee, Name) or not isinstance(arguments, tuple):
            raise Refused("calls something that is no name")
        call = self._names[callee.full]
        if call is None:
            raise Refused(f"calls {shown(callee.full)}")
        self._stack.append(call(self._budget, arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, Opaque):
            raise Refused(f"sets the state of a {type(target).__name__} (instruction BUILD)")
        target.set_state(state)

    def _append(self, values: list[object]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise Refused(f"appends to a {type(target).__name__}")
        target.extend(values)

    def _set_items(self, values: list[object]) -> None:
        target = self._top()
        if not isinstance(target, dict):
            raise Refused(f"sets items of a {type(target).__name__}")
        if len(values) % 2:
            raise ValueError("a value is missing")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[require_key(key)] = value

    def _add_items(self) -> None:
        values = self._pop_to_mark()
        target = self._top()
        if not isinstance(target, set):
            raise Refused(f"adds to a {type(target).__name__}")
        target.update(require_key(value) for value in values)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _refer(self) -> None:
        if self._persistent is None:
            raise Refused("refers to something outside itself (instruction BINPERSID)")
        self._stack.append(self._persistent(self._pop()))


_ACTIONS: dict[str, Callable[[Machine], None]] = {
    "MARK": Machine._mark,
    "POP": Machine._drop,
    "POP_MARK": Machine._drop_to_mark,
    "TUPLE": lambda m: m._stack.append(tuple(m._pop_to_mark())),
    "APPEND": lambda m: m._append([m._pop()]),
    "APPENDS": lambda m: m._append(m._pop_to_mark()),
    "SETITEM": Machine._set_item,
    "SETITEMS": lambda m: m._set_items(m._pop_to_mark()),
    "ADDITEMS": Machine._add_items,
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._call,
    # For the containers that are allowed, cls.__new__(cls) is what the call of the class gives.
    "NEWOBJ": Machine._call,
    "BUILD": Machine._build,
    "BINPERSID": Machine._refer,
}


def _require_small(value: object) -> object:
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise Refused(f"holds a text of {len(value)} characters")
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        raise Refused(f"holds a number of {value.bit_length()} bits")
    return value
