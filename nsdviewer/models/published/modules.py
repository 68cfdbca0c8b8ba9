"""A pickled network laid out flat: its tensors and parts by their dotted names."""

from collections.abc import Mapping
from dataclasses import dataclass

from nsdviewer.models.published.restricted import Module
from nsdviewer.models.published.tensors import StoredTensor
from nsdviewer.models.published.terms import shown

_N_SHOWN = 4


class Unfit(Exception):
    """The file is a harmless pickle, but not of a generator that ours can stand for.

    The text says what is different.
    """


@dataclass(frozen=True)
class Network:
    """A network's tensors and modules by their dotted names; the whole is called ''."""

    tensors: Mapping[str, StoredTensor]
    modules: Mapping[str, Module]

    def attribute(self, module: str, name: str) -> object:
        """Return an attribute of a module, or None where it has none of that name."""
        return self.modules[module].state.get(name) if module in self.modules else None

    def count(self, module: str, name: str) -> int:
        """Return an attribute that is a count; raise `Unfit` where it is not."""
        value = self.attribute(module, name)
        if not isinstance(value, int) or not 0 <= value < 1 << 31:
            raise Unfit(f"{_dotted(module, name)} is no count")
        return value

    def number(self, module: str, name: str) -> float:
        """Return an attribute that is a positive number; raise `Unfit` where it is not."""
        value = self.attribute(module, name)
        if not isinstance(value, int | float) or not 0 < value < 1e9:
            raise Unfit(f"{_dotted(module, name)} is no positive number")
        return float(value)

    def expect(self, module: str, name: str, value: object) -> None:
        """Raise `Unfit` where a module has the attribute, and it is not `value`."""
        found = self.attribute(module, name)
        if found is not None and found != value:
            told = shown(str(found)) if isinstance(found, str | int | float) else "something else"
            raise Unfit(f"{_dotted(module, name)} is {told}, where ours is {value}")

    def expect_gain(self, module: str, name: str, value: float) -> None:
        """Raise `Unfit` where a gain differs from `value` by more than rounding."""
        found = self.number(module, name)
        if abs(found - value) > 1e-6 * value:
            raise Unfit(f"{_dotted(module, name)} is {found:g}, where ours is {value:g}")

    def require(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise `Unfit` unless the network has exactly the tensors of `shapes`."""
        missing = [name for name in shapes if name not in self.tensors]
        further = [name for name in self.tensors if name not in shapes]
        other = [
            f"{name} {self.tensors[name].shape} instead of {shape}"
            for name, shape in shapes.items()
            if name in self.tensors and self.tensors[name].shape != shape
        ]
        parts = [
            f"{what} {_first(names)}"
            for what, names in (
                ("it lacks", missing),
                ("it has in addition", further),
                ("of another shape are", other),
            )
            if names
        ]
        if parts:
            raise Unfit("; ".join(parts))


def flatten(root: Module) -> Network:
    """Lay out a pickled network by names.

    Raises
    ------
    Unfit
        If a part occurs twice, or a parameter, buffer or part is none.
    """
    tensors: dict[str, StoredTensor] = {}
    modules: dict[str, Module] = {}
    seen = set()
    waiting = [("", root)]
    while waiting:
        prefix, module = waiting.pop()
        # A part within itself would never end.
        if id(module) in seen:
            raise Unfit(f"the part {shown(prefix)} occurs twice")
        seen.add(id(module))
        modules[prefix] = module
        for kind in ("_parameters", "_buffers"):
            for name, value in _members(module, kind, prefix):
                if not isinstance(value, StoredTensor):
                    raise Unfit(f"{shown(name)} is no tensor")
                tensors[name] = value
        for name, value in _members(module, "_modules", prefix):
            if not isinstance(value, Module):
                raise Unfit(f"{shown(name)} is no part of a network")
            waiting.append((name, value))
    return Network(tensors, modules)


def _members(module: Module, kind: str, prefix: str) -> list[tuple[str, object]]:
    members = module.state.get(kind, {})
    if not isinstance(members, dict):
        raise Unfit(f"{_dotted(prefix, kind)} is no table of names")
    # None marks what a module could have and has not.
    return [(_dotted(prefix, str(k)), value) for k, value in members.items() if value is not None]


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _N_SHOWN} more" if len(names) > _N_SHOWN else ""
    return ", ".join(shown(name) for name in names[:_N_SHOWN]) + more
