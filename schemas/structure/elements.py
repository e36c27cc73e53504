"""What elements each FHIR R4 type has, read from the models of `fhir.resources.R4B`.

The models know names, types, repetition, choices and required primitives. They do not know every
code of a required binding, and here and there they say R4B where the wire is R4 4.0.1; both are
pinned in `r4.json` (see `pinned.py`), and every difference from the official StructureDefinitions
that was found is stated there.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.resource import Resource

from schemas.structure.pinned import pinned

#: Model classes of `fhir_core` by the FHIR primitive that they stand for.
_PRIMITIVES = {
    "Base64Binary": "base64Binary",
    "Canonical": "canonical",
    "Code": "code",
    "Date": "date",
    "DateTime": "dateTime",
    "Decimal": "decimal",
    "Id": "id",
    "Instant": "instant",
    "Integer": "integer",
    "Integer64": "integer64",
    "Markdown": "markdown",
    "Oid": "oid",
    "PositiveInt": "positiveInt",
    "String": "string",
    "Time": "time",
    "UnsignedInt": "unsignedInt",
    "Uri": "uri",
    "Url": "url",
    "UuidVersion": "uuid",
    "Xhtml": "xhtml",
}
PRIMITIVE_TYPES = frozenset(_PRIMITIVES.values()) | {"boolean"}

#: The two types of R4B that R4 4.0.1 does not have.
_NOT_IN_R4 = frozenset({"CodeableReference", "RatioRange", "integer64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of a type, as JSON spells it.

    Attributes:
        name: the JSON member; for a choice, that of one type (`valueQuantity`).
        type: a FHIR primitive, data type or backbone element; `Resource` for any resource.
        repeats: whether the JSON member is an array.
        required: at least one; a choice's requirement stands in `TypeDefinition.choices`.
        codes: the codes of its required binding, or None.
        targets: the resource types a Reference may lead to; empty for any.
    """

    name: str
    type: str
    repeats: bool
    required: bool
    codes: frozenset[str] | None = None
    targets: frozenset[str] = frozenset()
    is_extension_url: bool = False

    @property
    def is_primitive(self) -> bool:
        """Whether the JSON value is not an object."""
        return self.type in PRIMITIVE_TYPES

    @property
    def has_twin(self) -> bool:
        """Whether a `_name` with extensions may stand beside the JSON value.

        Ids and the url of an extension are plain strings of FHIRPath's: R4 gives them none.
        """
        return self.is_primitive and self.name != "id" and not self.is_extension_url


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDefinition:
    """One type.

    Attributes:
        kind: a resource has a `resourceType` member.
        elements: by JSON member, `_name` twins left out.
        choices: element name without its type → its JSON members, and whether one is required.
    """

    name: str
    kind: Literal["resource", "datatype"]
    elements: Mapping[str, Element]
    choices: Mapping[str, tuple[tuple[str, ...], bool]]


def is_resource_type(name: object) -> bool:
    """Whether R4 4.0.1 has a resource type of this name whose structure is known here."""
    known = pinned()
    return name in known.resource_types and name not in known.not_read


@cache
def type_definition(name: str) -> TypeDefinition:
    """The definition of a FHIR R4 type.

    Raises:
        KeyError: FHIR R4 has no such type, or this exchange cannot read it.
    """
    if name in pinned().not_read:
        raise KeyError(name)
    model = get_fhir_model_class(name)
    elements = {element.name: element for element in _elements(name, model)}
    return TypeDefinition(
        name=name,
        kind="resource" if issubclass(model, Resource) else "datatype",
        elements=elements,
        choices=_choices(model, elements),
    )


def _elements(type_name: str, model: Any) -> Iterator[Element]:
    for field in model.model_fields.values():
        extra = field.json_schema_extra or {}
        if not extra.get("element_property") or field.alias.startswith("_"):
            continue
        element_type, repeats = _type_of(field.annotation)
        if element_type in _NOT_IN_R4:
            continue
        path = f"{type_name}.{field.alias}"
        stated = frozenset(extra.get("enum_reference_types", ()))
        yield Element(
            name=field.alias,
            type=element_type,
            repeats=repeats,
            required=bool(field.is_required() or extra.get("element_required")),
            codes=pinned().codes.get(path),
            targets=pinned().targets.get(path, stated) - {"Resource"},
            is_extension_url=path == "Extension.url",
        )


def _type_of(annotation: Any) -> tuple[str, bool]:
    """The FHIR type a model's annotation stands for, and whether it repeats."""
    repeats = False
    while True:
        origin = typing.get_origin(annotation)
        if origin in {typing.Union, types.UnionType}:
            annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
        elif origin is list:
            repeats = True
            annotation = typing.get_args(annotation)[0]
        elif origin is typing.Annotated:
            names = [type(mark).__name__ for mark in typing.get_args(annotation)[1:]]
            return next(_PRIMITIVES[name] for name in names if name in _PRIMITIVES), repeats
        elif annotation is bool:
            return "boolean", repeats
        else:
            return annotation.__name__.removesuffix("Type"), repeats


def _choices(
    model: Any, elements: Mapping[str, Element]
) -> dict[str, tuple[tuple[str, ...], bool]]:
    found: dict[str, tuple[tuple[str, ...], bool]] = {}
    for field in model.model_fields.values():
        extra = field.json_schema_extra or {}
        choice = extra.get("one_of_many")
        if choice is not None and field.alias in elements:
            members, _ = found.get(choice, ((), False))
            found[choice] = ((*members, field.alias), bool(extra["one_of_many_required"]))
    return found
