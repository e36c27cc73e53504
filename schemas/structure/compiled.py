"""The compiled path: JSON bytes that are plainly valid FHIR R4, found out in microseconds.

From the same element definitions as the explaining path, one pydantic-core schema is made for the
resources that messages carry. It is sound, not complete: what it accepts is valid; what it does not
accept goes to the explaining path, which decides. So it leaves out on purpose what is rare: ids of
elements that are not resources, most `_name` twins, nulls in arrays, 29 February.
"""

import re
from functools import cache
from typing import Any, Final, cast

import jiter
from pydantic_core import SchemaValidator, ValidationError, core_schema

from schemas.fhir_names import CARRIED_RESOURCES
from schemas.strict_json import is_depth_within
from schemas.structure import plain_rules
from schemas.structure.elements import Element, TypeDefinition, type_definition
from schemas.structure.plain_rules import Found, Node
from schemas.structure.primitives import PRIMITIVES
from schemas.structure.references import entry_types, fits, is_bundled, type_named_in

Schema = core_schema.CoreSchema
Field = core_schema.TypedDictField
Definitions = dict[str, Schema]

#: An empty object; inside a text it only sends the message to the other path. In compact JSON a
#: name stands behind every brace, which is found out in half the time.
_EMPTY_OBJECT: Final = re.compile(rb"\{\s*\}")
_BRACE_WITHOUT_NAME: Final = re.compile(rb'\{[^"]')

#: No string in it can be longer than R4 allows.
_MOST_BYTES: Final = 1_048_576

#: Types nest without end only through extensions: a Consent's provisions are counted in
#: `plain_rules`, and the assigner of an identifier is not named by another one here.
_EXTENSION: Final = b'"extension"'
_MOST_EXTENSIONS: Final = 12

#: Days that every year has.
_MONTH_DAY: Final = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_YEAR: Final = r"(?:[1-9][0-9]{3})"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_ZONE: Final = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATES: Final = {
    "date": rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])|-{_MONTH_DAY})?",
    "dateTime": rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])|-{_MONTH_DAY}(?:T{_CLOCK}{_ZONE})?)?",
    "instant": rf"{_YEAR}-{_MONTH_DAY}T{_CLOCK}{_ZONE}",
}


def read_plain(data: bytes, *, max_depth: int = 64) -> Node | None:
    """The JSON of a plainly valid FHIR R4 resource, or None when the other path must look.

    The tree is the one that `strict_json.read_json` returns for the same bytes.
    """
    if len(data) > _MOST_BYTES or _has_empty_object(data):
        return None
    # An escape could spell the word otherwise.
    may_be_deep = b"\\" in data or data.count(_EXTENSION) > _MOST_EXTENSIONS
    if may_be_deep and not is_depth_within(data, max_depth):
        return None
    found = Found()
    try:
        read: Node = _validator().validate_python(read_tree(data), context=found)
    except (ValueError, ValidationError):
        return None
    return read if not found.local and _lead_somewhere(read, found) else None


def read_tree(data: bytes) -> Any:
    """The JSON of these bytes, with numbers that know how they were written.

    Raises:
        ValueError: they are not JSON, or a member stands twice in an object.
    """
    return jiter.from_json(
        data,
        allow_inf_nan=False,
        cache_mode="keys",
        catch_duplicate_keys=True,
        float_mode="lossless-float",
    )


def _has_empty_object(data: bytes) -> bool:
    if _BRACE_WITHOUT_NAME.search(data) is None:
        return False
    return _EMPTY_OBJECT.search(data) is not None


def prepare() -> None:
    """Compile now, so that the first message does not wait for it (under a second)."""
    _validator()


def _lead_somewhere(resource: Node, found: Found) -> bool:
    is_bundle = resource["resourceType"] == "Bundle"
    entries = entry_types(resource) if is_bundle else {}
    for reference, targets in found.outward:
        resource_type = entries.get(reference)
        if resource_type is None:
            if is_bundle and is_bundled(reference):
                return False
            resource_type = type_named_in(reference)
        if targets and not fits(resource_type, targets):
            return False
    return True


@cache
def _validator() -> SchemaValidator:
    made: Definitions = {}
    carried = {name: _type(name, made) for name in sorted(CARRIED_RESOURCES)}
    inside = {name: schema for name, schema in carried.items() if name != "Bundle"}
    made["Resource"] = core_schema.tagged_union_schema(
        inside, discriminator="resourceType", ref="Resource"
    )
    root = core_schema.tagged_union_schema(carried, discriminator="resourceType")
    return SchemaValidator(core_schema.definitions_schema(root, list(made.values())))


def _type(name: str, made: Definitions) -> Schema:
    """A reference to a type's schema, which is made when the type is first met."""
    if name not in made:
        made[name] = core_schema.any_schema(ref=name)  # holds the name while its parts are made
        definition = type_definition(name)
        made[name] = (_extension if name == "Extension" else _object)(definition, made)
    return core_schema.definition_reference_schema(name)


def _object(
    definition: TypeDefinition, made: Definitions, *, without: frozenset[str] = frozenset()
) -> Schema:
    is_resource = definition.kind == "resource"
    fields = {
        element.name: core_schema.typed_dict_field(
            _element(element, made), required=element.required
        )
        for element in definition.elements.values()
        if (is_resource or element.name != "id") and element.name not in without
    }
    for members, required in definition.choices.values():
        if required:
            # Data-absent reasons stand on the twins: here they are common.
            fields |= _twins(members, definition, made)
    if is_resource:
        fields["resourceType"] = _field(core_schema.literal_schema([definition.name]))
    schema: Schema = core_schema.typed_dict_schema(fields, extra_behavior="forbid", total=False)
    if is_resource:
        schema = core_schema.with_info_after_validator_function(
            plain_rules.resource_check_of(definition), schema
        )
    else:
        check = plain_rules.check_of(definition)
        if check is not None:
            schema = core_schema.no_info_after_validator_function(check, schema)
    return schema if without else cast("Schema", {**schema, "ref": definition.name})


def _twins(
    members: tuple[str, ...], definition: TypeDefinition, made: Definitions
) -> dict[str, Field]:
    return {
        f"_{name}": core_schema.typed_dict_field(_only_extensions(made), required=False)
        for name in members
        if definition.elements[name].is_primitive
    }


def _only_extensions(made: Definitions) -> Schema:
    return _exactly(extension=_field(_repeated(_type("Extension", made))))


def _extension(definition: TypeDefinition, made: Definitions) -> Schema:
    """An extension by the one value it has: a dictionary of a hundred fields would be slow."""
    url = _field(_element(definition.elements["url"], made))
    nested = _field(_repeated(_type("Extension", made)))
    kinds = {"extension": _exactly(url=url, extension=nested)}
    for name in definition.choices["value"][0]:
        element = definition.elements[name]
        kinds[name] = _exactly(url=url, **{name: _field(_element(element, made))})
        if element.is_primitive:
            twin = _field(_only_extensions(made))
            kinds[f"_{name}"] = _exactly(url=url, **{f"_{name}": twin})
    return core_schema.tagged_union_schema(kinds, discriminator=_extension_kind, ref="Extension")


def _extension_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return next((name for name in value if name != "url"), None)


def _field(schema: Schema) -> Field:
    return core_schema.typed_dict_field(schema)


def _exactly(**fields: Field) -> Schema:
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _repeated(schema: Schema) -> Schema:
    return core_schema.list_schema(schema, min_length=1, strict=True)


def _element(element: Element, made: Definitions) -> Schema:
    if element.is_primitive:
        schema = primitive_schema(element)
    elif element.type == "Resource":
        schema = core_schema.definition_reference_schema("Resource")
    elif element.type == "Reference":
        reference = (
            _object(type_definition("Reference"), made, without=frozenset({"identifier"}))
            if element.name == "assigner"
            else _type("Reference", made)
        )
        schema = core_schema.with_info_after_validator_function(
            plain_rules.reference_to(element.targets), reference
        )
    else:
        schema = _type(element.type, made)
    schema = _repeated(schema) if element.repeats else schema
    if element.name == "contained":
        return core_schema.with_info_wrap_validator_function(plain_rules.inside, schema)
    return schema


def primitive_schema(element: Element) -> Schema:
    """Exactly the lexical forms of a primitive element, or some of them."""
    primitive = PRIMITIVES[element.type]
    if primitive.kind == "boolean":
        return core_schema.bool_schema(strict=True)
    if primitive.kind == "integer":
        return core_schema.int_schema(strict=True, ge=primitive.least, le=primitive.most)
    if primitive.kind == "number":
        return core_schema.no_info_plain_validator_function(plain_rules.decimal)
    return _text(element)


def _text(element: Element) -> Schema:
    primitive = PRIMITIVES[element.type]
    if element.codes is not None:
        return core_schema.literal_schema(sorted(element.codes))
    pattern = _DATES.get(element.type, primitive.pattern)
    whole = None if pattern is None else f"^(?:{pattern})$"
    text = core_schema.str_schema(strict=True, pattern=whole)
    if element.type == "xhtml":
        return core_schema.no_info_after_validator_function(plain_rules.narrative, text)
    if element.type in _DATES or primitive.is_sound is None:
        return text
    return core_schema.no_info_after_validator_function(plain_rules.sound(primitive.is_sound), text)
