"""The list of all variables, read from the settings tree itself.

Messages, ``flame-node config check``, ``.env.example`` and the documentation tests all use this one list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from pydantic import BaseModel, HttpUrl, SecretStr
from pydantic.fields import FieldInfo

from flame_node_agent.config.values import Accepts, AlsoNamed

DELIMITER = "__"

Path = tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """One variable, as an operator sees it."""

    path: Path
    """Attributes that lead to the value, for example ``("hub", "auth", "flow")``."""
    group: str
    """What the variable and its neighbours are about, in one line."""
    description: str
    accepts: str
    default: str | None = None
    """The default as it would be written in the environment; None when there is none."""
    required: bool = False
    """Whether the agent does not start without it, whatever the other variables say."""
    secret: bool = False
    also_named: tuple[str, ...] = ()
    """Other names under which it is understood."""
    giving_way: tuple[str, ...] = ()
    """Those of them that are not read beside another of its names."""
    chosen_by: str | None = None
    """The variable that decides whether this one is read (and then required); None when it always is."""
    chosen_with: tuple[str, ...] = ()
    """The values of ``chosen_by`` with which this one is read."""
    locations: tuple[Path, ...] = field(default=(), repr=False)
    """Where pydantic says the value is: the path, plus the chosen variant of a union."""

    @property
    def name(self) -> str:
        """Verbatim name in the environment, for example ``HUB__AUTH__FLOW``."""
        return _name(self.path)

    @property
    def needed_when(self) -> str | None:
        """The condition under which it is read, and then required, in words; None when it always is."""
        return f"{self.chosen_by} is {either(self.chosen_with)}" if self.chosen_by else None


def variables(root: type[BaseModel]) -> list[Variable]:
    """List all variables of the settings tree ``root``, in the order in which they are declared."""
    merged: dict[str, Variable] = {}
    for found in _walk(
        root, Variable(path=(), group=_first_line(root), description="", accepts="", locations=((),))
    ):
        known = merged.get(found.name)
        merged[found.name] = found if known is None else _shared(known, found)
    return list(merged.values())


def written(value: object) -> str:
    """Write ``value`` as it would be written in the environment. Secrets come out masked."""
    match value:
        case bool():
            return str(int(value))
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case tuple():
            return ",".join(written(item) for item in value)
        case Mapping():
            return ",".join(f"{name}={written(item)}" for name, item in value.items())
        case HttpUrl():
            return str(value).removesuffix("/") if value.path == "/" else str(value)
        case _:
            return str(value)


def either(items: tuple[str, ...]) -> str:
    """Join ``items`` as in "a, b or c"."""
    *most, last = items
    return f"{', '.join(most)} or {last}" if most else last


def _walk(model: type[BaseModel], parent: Variable, tag: str | None = None) -> Iterator[Variable]:
    """Yield the variables below ``parent``, whose own path and condition they extend."""
    for name, info in model.model_fields.items():
        if name == tag:
            continue
        here = replace(
            parent,
            path=(*parent.path, name),
            locations=tuple((*location, name) for location in parent.locations),
        )
        if info.discriminator is not None:
            yield from _variants(str(info.discriminator), info, replace(here, group=info.title or here.group))
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _walk(info.annotation, replace(here, group=_first_line(info.annotation)))
        else:
            yield _leaf(
                info, here if parent.path else replace(here, group=_first_line(_declaring(model, name)))
            )


def _declaring(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Find the class that declares the field: the most basic one that has it."""
    return [base for base in model.__mro__ if issubclass(base, BaseModel) and name in base.model_fields][-1]


def _variants(tag: str, info: FieldInfo, union: Variable) -> Iterator[Variable]:
    """Yield the variable that chooses a variant, and then those of all variants."""
    variants = {_literal(model, tag): model for model in get_args(info.annotation)}
    chooser = replace(_leaf(info, union), path=(*union.path, tag), accepts=either(tuple(variants)))
    yield chooser
    for value, model in variants.items():
        locations = tuple((*location, value) for location in union.locations)
        below = replace(union, chosen_by=chooser.name, chosen_with=(value,), locations=locations)
        yield from _walk(model, below, tag)


def _leaf(info: FieldInfo, here: Variable) -> Variable:
    default = None if info.is_required() or info.default is None else written(info.default)
    accepts = [mark.sentence for mark in _marks(info, Accepts)]
    return replace(
        here,
        description=info.description or "",
        accepts=accepts[-1] if accepts else "",
        default=default,
        required=info.is_required() and here.chosen_by is None,
        secret=SecretStr in _types(info.annotation),
        also_named=tuple(mark.variable for mark in _marks(info, AlsoNamed)),
        giving_way=tuple(mark.variable for mark in _marks(info, AlsoNamed) if mark.gives_way),
    )


def _shared(one: Variable, other: Variable) -> Variable:
    """Join what two variants of a union say about the variable they share."""
    return replace(
        one, chosen_with=one.chosen_with + other.chosen_with, locations=one.locations + other.locations
    )


def _name(path: Path) -> str:
    return DELIMITER.join(path).upper()


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _literal(model: type[BaseModel], tag: str) -> str:
    (value,) = get_args(model.model_fields[tag].annotation)
    return str(value)


def _marks[Mark](info: FieldInfo, kind: type[Mark]) -> list[Mark]:
    """Find marks beside the field and, for an optional value, inside its type."""
    inside = [mark for part in get_args(info.annotation) for mark in getattr(part, "__metadata__", ())]
    return [mark for mark in (*inside, *info.metadata) if isinstance(mark, kind)]


def _types(annotation: Any) -> set[Any]:
    """Collect the annotation and everything it is made of."""
    return {annotation}.union(*(_types(part) for part in get_args(annotation)))
