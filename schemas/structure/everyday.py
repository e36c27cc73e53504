"""The shortest path: messages made only of the elements that posts send every day.

The same element definitions as in `compiled`, cut down to few types and few elements of each: no
extensions, no contained resources, no narrative, one form of each choice, no escapes in strings.
What fits is valid FHIR R4 and costs half; whatever else a message has sends it to the longer paths,
which decide. So everything may be left out here, and nothing may be let in that they refuse.
"""

from functools import cache
from typing import Final, cast

from pydantic_core import SchemaValidator, ValidationError, core_schema

from schemas.fhir_names import UCUM
from schemas.structure import plain_rules
from schemas.structure.compiled import Definitions, Field, Schema, primitive_schema, read_tree
from schemas.structure.elements import Element, TypeDefinition, type_definition
from schemas.structure.plain_rules import Found, Node
from schemas.structure.references import fits
from schemas.terminology.code_systems import variants_of
from schemas.terminology.judging import Role, pinned_codes

_MOST_BYTES: Final = 262_144
#: Where a Bundle says what it is; other bytes need not be looked at twice.
_HEAD: Final = 1_024
_OF_A_MESSAGE: Final = b'"message"'

_PERSON: Final = "identifier active name gender birthDate"

#: The elements of each type. Of a choice at most one form, which then stands for the choice.
_ELEMENTS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(elements.split())
    for name, elements in {
        "Bundle": "id identifier type timestamp entry",
        "BundleEntry": "fullUrl resource",
        "MessageHeader": "id eventCoding destination sender source responsible focus",
        "MessageHeaderDestination": "name endpoint",
        "MessageHeaderSource": "name software version endpoint",
        "Patient": f"{_PERSON} address managingOrganization",
        "Practitioner": f"{_PERSON}",
        "Organization": "identifier active name address",
        "Location": "identifier status name address managingOrganization",
        "Immunization": (
            "identifier status vaccineCode patient occurrenceDateTime recorded primarySource "
            "reportOrigin location manufacturer lotNumber expirationDate site route doseQuantity "
            "performer protocolApplied"
        ),
        "ImmunizationPerformer": "actor",
        "ImmunizationProtocolApplied": (
            "series authority targetDisease doseNumberPositiveInt seriesDosesPositiveInt"
        ),
        "DiagnosticReport": (
            "identifier status category code subject effectiveDateTime issued performer specimen "
            "result conclusion conclusionCode"
        ),
        "Observation": (
            "identifier status category code subject effectiveDateTime issued performer "
            "valueCodeableConcept interpretation method specimen"
        ),
        "Specimen": "identifier status type subject receivedTime collection",
        "SpecimenCollection": "collectedDateTime",
        "Consent": (
            "identifier status scope category patient dateTime performer organization policyRule "
            "provision"
        ),
        "ConsentProvision": "type period actor purpose class",
        "ConsentProvisionActor": "role reference",
        "Address": "city district state country",
        "CodeableConcept": "coding text",
        "Coding": "system version code display",
        "HumanName": "use text family given prefix suffix",
        "Identifier": "system value",
        "Meta": "lastUpdated versionId profile",
        "Period": "start end",
        "Quantity": "value unit system code",
        "Reference": "reference type display",
    }.items()
}
#: Concepts in one system, in which nothing is told that the profile asks about.
_OF_ONE_SYSTEM: Final = {
    "Immunization.reportOrigin": "http://terminology.hl7.org/CodeSystem/immunization-origin",
}
#: Concepts that are often said in words only.
_IN_WORDS: Final = frozenset({"Observation.method"})
_FIXED: Final = {"Bundle.type": "message", "Quantity.system": UCUM}
#: Where organisations are named by their identifier; elsewhere entries of the message are.
_BY_IDENTIFIER: Final = frozenset({"ConsentProvisionActor.reference"})
#: Concepts whose every coding is pinned, and their roles in the terminology: others the profile has
#: a word about. What was let in here need not be looked up again.
_PINNED: Final[dict[str, Role]] = {
    "DiagnosticReport.code": "test",
    "Immunization.route": "route",
    "Immunization.site": "site",
    "Immunization.vaccineCode": "vaccine",
    "ImmunizationProtocolApplied.targetDisease": "target-disease",
    "Observation.code": "test",
    "Observation.valueCodeableConcept": "result",
    "Specimen.type": "specimen",
}
_OF_EVERY_RESOURCE: Final = frozenset({"id", "meta"})
#: Required here though FHIR does not ask for them: where they are missing, the profile has a word,
#: or the object could be empty, which JSON of FHIR never is.
_ASKED_FOR: Final = frozenset(
    {
        "Address.country", "Bundle.entry", "Bundle.timestamp", "BundleEntry.fullUrl",
        "BundleEntry.resource", "CodeableConcept.coding", "Coding.code",
        "Coding.system", "Consent.policyRule", "Consent.provision", "ConsentProvision.type",
        "HumanName.family", "Identifier.system", "Identifier.value", "Meta.lastUpdated",
        "MessageHeader.id", "Organization.name", "Patient.birthDate", "Period.start",
        "Quantity.value", "SpecimenCollection.collectedDateTime",
    }
)  # fmt: skip
#: Types whose invariants hold by what is left out and asked for above, and by `read_everyday`:
#: bdl-7, bdl-12 and those of other kinds of Bundle; org-1 to org-3 (a name, no use, no telecom);
#: obs-6 and obs-7 (no absent reason, no component); ppc-1 (a policyRule).
_HELD: Final = frozenset({"Bundle", "BundleEntry", "Consent", "Observation", "Organization"})
_IDENTIFIER: Final = frozenset({"identifier"})
_NOTHING: Final[frozenset[str]] = frozenset()
#: What begins with something to read is a string, when it holds no control character.
_BEGINS_WITH_TEXT: Final = "^[^ ]"
_FULL_URL: Final = r"^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def read_everyday(data: bytes) -> tuple[Node, dict[str, Node]] | None:
    """The JSON of an everyday message and its resources by fullUrl, or None for any other bytes.

    It is valid FHIR R4 of type message, with the header first; every reference that is literal
    leads to an entry, of a type that its place allows. The tree is that of `compiled.read_plain`.
    """
    # Without escapes no string holds a control character but, unescaped, DEL.
    if len(data) > _MOST_BYTES or b"\\" in data or b"\x7f" in data:
        return None
    if data.find(_OF_A_MESSAGE, 0, _HEAD) < 0:
        return None
    found = Found()
    try:
        bundle: Node = _validator().validate_python(read_tree(data), context=found)
    except (ValueError, ValidationError):
        return None
    entries = bundle["entry"]
    by_url = {entry["fullUrl"]: entry["resource"] for entry in entries}
    if len(by_url) < len(entries) or entries[0]["resource"]["resourceType"] != "MessageHeader":
        return None
    for reference, targets in found.outward:
        target = by_url.get(reference)
        if target is None or not fits(target["resourceType"], targets):
            return None
    return None if found.local else (bundle, by_url)


def prepare() -> None:
    """Compile now, so that the first message does not wait for it."""
    _validator()


@cache
def _validator() -> SchemaValidator:
    made: Definitions = {}
    resources = {
        name: _type(name, made)
        for name in _ELEMENTS
        if name != "Bundle" and type_definition(name).kind == "resource"
    }
    made["Resource"] = core_schema.tagged_union_schema(
        resources, discriminator="resourceType", ref="Resource"
    )
    root = _type("Bundle", made)
    return SchemaValidator(core_schema.definitions_schema(root, list(made.values())))


def _type(name: str, made: Definitions, also: frozenset[str] = frozenset()) -> Schema:
    ref = "+".join((name, *sorted(also)))
    if ref not in made:
        definition = type_definition(name)
        kept = _ELEMENTS[name] | also
        if definition.kind == "resource":
            kept |= _OF_EVERY_RESOURCE
        fields = {
            element.name: _field(definition, element, made)
            for element in definition.elements.values()
            if element.name in kept
        }
        if definition.kind == "resource":
            fields["resourceType"] = core_schema.typed_dict_field(
                core_schema.literal_schema([name]), required=True
            )
        schema: Schema = core_schema.typed_dict_schema(fields, extra_behavior="forbid", total=False)
        check = None if name in _HELD else plain_rules.invariants_of(name)
        if check is not None:
            schema = core_schema.no_info_after_validator_function(check, schema)
        made[ref] = cast("Schema", {**schema, "ref": ref})
    return core_schema.definition_reference_schema(ref)


def _field(definition: TypeDefinition, element: Element, made: Definitions) -> Field:
    path = f"{definition.name}.{element.name}"
    return core_schema.typed_dict_field(
        _repeated(element, _schema(path, element, made)),
        required=element.required or path in _ASKED_FOR or _is_required_form(definition, element),
    )


def _is_required_form(definition: TypeDefinition, element: Element) -> bool:
    return any(
        required and element.name in forms for forms, required in definition.choices.values()
    )


def _repeated(element: Element, schema: Schema) -> Schema:
    return core_schema.list_schema(schema, min_length=1, strict=True) if element.repeats else schema


def _schema(path: str, element: Element, made: Definitions) -> Schema:
    if element.is_primitive:
        return _primitive(path, element)
    if element.type == "Resource":
        return core_schema.definition_reference_schema("Resource")
    if element.type == "Reference":
        named = _type("Reference", made, _IDENTIFIER if path in _BY_IDENTIFIER else _NOTHING)
        return core_schema.with_info_after_validator_function(
            plain_rules.reference_to(element.targets), named
        )
    if path in _PINNED:
        return _pinned_concept(_PINNED[path], made)
    if path in _OF_ONE_SYSTEM:
        codes = primitive_schema(type_definition("Coding").elements["code"])
        return _concept(_coding(_OF_ONE_SYSTEM[path], codes))
    schema = _type(element.type, made)
    return core_schema.union_schema([schema, _words()]) if path in _IN_WORDS else schema


def _primitive(path: str, element: Element) -> Schema:
    if path in _FIXED:
        return core_schema.literal_schema([_FIXED[path]])
    if path == "BundleEntry.fullUrl":
        return core_schema.str_schema(strict=True, pattern=_FULL_URL)
    return _text() if element.type == "string" else primitive_schema(element)


def _words() -> Schema:
    fields = {"text": core_schema.typed_dict_field(_text())}
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _pinned_concept(role: Role, made: Definitions) -> Schema:
    """A concept whose every coding has a pinned code of a system of this role."""
    ref = f"CodeableConcept of {role}"
    if ref not in made:
        codes: dict[str, list[str]] = {}
        for system, code in pinned_codes(role):
            for uri in variants_of(system):
                codes.setdefault(uri, []).append(code)
        by_system = {
            uri: _coding(uri, core_schema.literal_schema(listed)) for uri, listed in codes.items()
        }
        coding = core_schema.tagged_union_schema(by_system, discriminator="system")
        made[ref] = cast("Schema", {**_concept(coding), "ref": ref})
    return core_schema.definition_reference_schema(ref)


def _concept(coding: Schema) -> Schema:
    fields = {
        "coding": core_schema.typed_dict_field(
            core_schema.list_schema(coding, min_length=1, strict=True)
        ),
        "text": core_schema.typed_dict_field(_text(), required=False),
    }
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _coding(system: str, codes: Schema) -> Schema:
    fields = {
        "system": core_schema.typed_dict_field(core_schema.literal_schema([system])),
        "code": core_schema.typed_dict_field(codes),
        "display": core_schema.typed_dict_field(_text(), required=False),
    }
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _text() -> Schema:
    return core_schema.str_schema(strict=True, pattern=_BEGINS_WITH_TEXT)
