"""JSON Schemas of the API's structs, with what their source says of each field."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from typing import Any, Final, get_origin

import msgspec

from caudal_base.check import check

Json = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"

_PAGE: Final = re.compile(r"PageView_(\w+?)View_")
_VIEW: Final = re.compile(r"View$")


def schemas_of(types: Iterable[Any]) -> tuple[list[Json], dict[str, Json]]:
    """The schema of each type, and the components that they refer to, by name in alphabetical order."""
    wanted = list(types)
    found, components = msgspec.json.schema_components(wanted, ref_template=REFERENCE + "{name}")
    for type_ in _structs(wanted):
        component = components.get(type_.__name__)
        if component is not None:
            _describe(type_, component)
    named = {public_name(name): _renamed(component) for name, component in components.items()}
    check(len(named) == len(components), "two structs would have one name in the document")
    for name, component in named.items():
        if "title" in component:
            component["title"] = name
    return [_renamed(schema) for schema in found], dict(sorted(named.items()))


def public_name(name: str) -> str:
    """How a struct is called in the document: `AccountView` is `Account`, a page of them `AccountPage`."""
    page = _PAGE.fullmatch(name)
    return f"{page[1]}Page" if page else _VIEW.sub("", name)


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: REFERENCE + public_name(value.removeprefix(REFERENCE)) if key == "$ref" else _renamed(value)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_renamed(value) for value in node]
    return node


def _structs(types: Iterable[Any]) -> list[type[msgspec.Struct]]:
    """All structs that `types` are made of."""
    waiting = [msgspec.inspect.type_info(type_) for type_ in types]
    found: dict[type[msgspec.Struct], None] = {}
    while waiting:
        node = waiting.pop()
        if isinstance(node, msgspec.inspect.StructType):
            cls = get_origin(node.cls) or node.cls
            if cls in found:
                continue
            found[cls] = None
            waiting += [field.type for field in node.fields]
        waiting += _parts(node)
    return list(found)


def _parts(node: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    match node:
        case msgspec.inspect.UnionType(types=types):
            return list(types)
        case msgspec.inspect.Metadata(type=inner):
            return [inner]
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return [key, value]
        case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.VarTupleType(item_type=item):
            return [item]
        case _:
            return []


def _describe(type_: type[msgspec.Struct], component: Json) -> None:
    """Add to the properties of `component` what the texts below the fields of `type_` say."""
    component["description"] = inspect.cleandoc(type_.__doc__ or "")
    properties = component.get("properties", {})
    for cls in reversed(type_.__mro__):
        if not issubclass(cls, msgspec.Struct) or cls is msgspec.Struct:
            continue
        for name, text in _texts(cls).items():
            schema = properties.get(name)
            if schema is not None and "description" not in schema:
                schema["description"] = text


def _texts(cls: type) -> dict[str, str]:
    """The string that stands below each field in the source of `cls`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    if not isinstance(tree, ast.ClassDef):
        return {}
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(below.value.value)
    return found
