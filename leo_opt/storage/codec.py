"""Values to and from trees of JSON or TOML: what a file may hold is said by types, once.

A frozen dataclass or a `msgspec.Struct` is the description of what stands in a file. Numbers stay
what they are; infinities, which JSON does not have, and rationals are texts. What does not fit is
refused with its place, its value, and what is needed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import msgspec
import numpy as np
from msgspec import inspect

from leo_opt.arrays import FloatArray
from leo_opt.errors import unknown_word

T = TypeVar("T")

if TYPE_CHECKING:
    Extended = float
else:

    class Extended(float):
        """A float that may be infinite."""


_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "array": "a list in [ ]",
        "bool": "true or false",
        "float": "a number",
        "int": "a whole number",
        "object": "a table in { }",
        "str": "a text in quotes",
    }
)
_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_STEP = re.compile(r"\[(\d+)\]|(\.\.\.|[^.\[\]]+)")


def to_tree(value: object) -> Any:
    """Lists, dictionaries, texts and numbers that `from_tree` turns back into an equal value."""
    return _plain(msgspec.to_builtins(value, enc_hook=_encode))


def _plain(tree: Any) -> Any:
    """The tree as a file gives it back: lists, no tuples; texts for infinities."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, float):
        return _number(tree)
    return [_plain(value) for value in tree] if isinstance(tree, (list, tuple)) else tree


def from_tree(tree: object, kind: type[T], name: str = "") -> T:
    """The value of a kind that `to_tree` described, or that somebody wrote.

    Parameters
    ----------
    name
        What messages call the tree; by default they name its entries alone.

    Raises
    ------
    ValueError
        If the tree is no such description; the message has the place, the value, and what is
        needed.
    """
    try:
        return msgspec.convert(tree, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ValueError(_explain(tree, kind, str(error), name)) from error


def from_json(content: str | bytes, kind: type[T], form: str) -> T:
    """The value in a JSON file whose entry `format` says what it is.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    tree = json.loads(content)
    check_format(tree, form)
    return from_tree(tree, kind)


def check_format(tree: object, form: str) -> None:
    """Refuse what is of another kind, or of another version.

    Raises
    ------
    ValueError
    """
    found = tree.get("format") if isinstance(tree, dict) else None
    if found != form:
        raise ValueError(f"format is {found!r:.60}{other_version(found, form)}")


def other_version(found: object, mine: str) -> str:
    """What to say of a file of this kind that another version has written, or nothing."""
    if str(found).rpartition(" ")[0] != mine.rpartition(" ")[0]:
        return ""
    return f", which another version of leo_opt has written; this one reads {mine!r}"


def schema(kind: type, form: str) -> dict[str, Any]:
    """The JSON schema of the files of a kind."""
    (body,), parts = msgspec.json.schema_components(
        [kind], schema_hook=_describe, ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": form,
        **body,
        "$defs": parts,
    }


@dataclass(frozen=True)
class _Special:
    """How a type that JSON does not have is written, and which texts or numbers stand for it."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    written: Mapping[type, str]
    schema: Mapping[str, Any]


def _numbers(values: FloatArray) -> list[Any]:
    """Numbers as JSON, which has no infinities."""
    if values.ndim != 1:
        return [_numbers(row) for row in values]
    if np.isfinite(values).all():
        return list(values.tolist())
    return [_number(x) for x in values.tolist()]


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _extended(tree: float | str) -> float:
    if tree not in ("inf", "-inf") and isinstance(tree, str):
        raise ValueError('expected a number, "inf" or "-inf"')
    return Extended(tree)


_NUMBER: Mapping[str, Any] = MappingProxyType(
    {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]}
)
_ARRAY: Mapping[str, Any] = MappingProxyType(
    {
        "type": "array",
        "items": {
            "anyOf": [*_NUMBER["anyOf"], {"type": "array", "items": {"type": "number"}}],
        },
    }
)
_SPECIAL: Mapping[type, _Special] = MappingProxyType(
    {
        np.ndarray: _Special(
            _numbers,
            lambda tree: np.array(tree, dtype=np.float64),
            {list: _WORDS["array"]},
            _ARRAY,
        ),
        Fraction: _Special(str, Fraction, {str: _WORDS["str"]}, {"type": "string"}),
        Extended: _Special(
            float, _extended, dict.fromkeys((int, float, str), _WORDS["float"]), _NUMBER
        ),
    }
)


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return _SPECIAL[type(value)].encode(value)


def _decode(kind: Any, tree: Any) -> Any:
    special = _SPECIAL[get_origin(kind) or kind]
    if type(tree) not in special.written:
        raise ValueError(f"expected {next(iter(special.written.values()))}")
    try:
        return special.decode(tree)
    except ArithmeticError as error:
        raise ValueError(str(error)) from error


def _describe(kind: Any) -> dict[str, Any]:
    return dict(_SPECIAL[get_origin(kind) or kind].schema)


def _explain(tree: Any, kind: type, message: str, name: str) -> str:
    """What msgspec says of a place, with the value that stands there, in our words."""
    found = _PLACE.search(message)
    said = message[: found.start()] if found else message
    said = re.sub(r"`(\w+)`", lambda word: _WORDS.get(word[1], word[1]), said)
    said = said[:1].lower() + said[1:]
    place = ".".join(filter(None, (name, found[1] if found else "")))
    allowed = inspect.type_info(kind)
    for index, key in _STEP.findall(found[1]) if found else ():
        if key == "...":
            return f"{place}: {said}"
        allowed = _inside(allowed, tree, key)
        tree = tree[int(index)] if index else tree.get(key)
    if isinstance(allowed, inspect.LiteralType) and said.startswith("invalid"):
        return f"{place}: {unknown_word('word', tree, map(str, allowed.values))}"
    unknown = re.fullmatch(r"object contains unknown field (.*)", said)
    if unknown:
        said = unknown_word("key", unknown[1], _fields(allowed, tree))
    missing = re.fullmatch(r"object missing required field (.*)", said)
    if missing:
        said = f"{missing[1]} is missing"
    about_parts = isinstance(tree, dict) and not said.startswith("expected")
    if about_parts or not place:
        return f"{place}: {said}" if place else said
    return f"{place} is {tree!r:.60}; {said}"


def _fields(allowed: inspect.Type, tree: Any) -> dict[str, inspect.Type]:
    """What may stand under which key of a table of some kinds, one of which its tag names."""
    for kind in allowed.types if isinstance(allowed, inspect.UnionType) else (allowed,):
        if isinstance(kind, inspect.StructType) and tree.get(kind.tag_field, kind.tag) == kind.tag:
            tag = {kind.tag_field: inspect.LiteralType((kind.tag,))} if kind.tag_field else {}
            return tag | {field.encode_name: field.type for field in kind.fields}
    return {}


def _inside(allowed: inspect.Type, tree: Any, key: str) -> inspect.Type:
    """What may stand under a key of a table, or, without one, in a list."""
    kinds = allowed.types if isinstance(allowed, inspect.UnionType) else (allowed,)
    structs = [kind for kind in kinds if isinstance(kind, inspect.StructType)]
    tags = tuple(kind.tag for kind in structs if key and kind.tag_field == key)
    if tags:
        return inspect.LiteralType(tags)
    if key:
        return _fields(allowed, tree).get(key, inspect.AnyType())
    items = [kind.item_type for kind in kinds if isinstance(kind, inspect.VarTupleType)]
    return items[0] if items else inspect.AnyType()
