"""Copy of a resource what an allow-list names, and nothing else.

The copy is made by going through the list, not through the resource: what the list does not name is
never looked at, whether an extension, a `_name` twin, a contained resource or an element that FHIR
adds one day. Where R4 requires an element that is left out, it is said to be masked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exchange.subjects import RecipientPseudonyms
from schemas.structure.elements import Element, TypeDefinition, type_definition
from schemas.terminology.countries import alpha_3_of
from schemas.views.allow_list import Rules
from schemas.views.known_codes import known_coding

Resource = dict[str, Any]

#: Systems of the pseudonyms in a view. Part of the public contract.
TRAVELLER_PSEUDONYMS: Final = "urn:bhx:pseudonym:traveller"
RECORD_PSEUDONYMS: Final = "urn:bhx:pseudonym:record"

#: WHO's extension for the country of an event (DDCC), with alpha-3 codes.
COUNTRY_EXTENSION: Final = (
    "https://WorldHealthOrganization.github.io/ddcc/StructureDefinition/DDCCCountryOfEvent"
)
_COUNTRIES: Final = "urn:iso:std:iso:3166"
_MASKED: Final = "masked"
_ABSENT_CODES: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_ABSENT_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
#: What the exchange writes itself, whatever the resource holds.
_WRITTEN: Final = ("country", "traveller-pseudonym")
#: Length of a whole date and of a year.
_DAY, _YEAR = 10, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyContext:
    """What the rules need to know.

    Attributes:
        urls: fullUrl of each resource that stays → its fullUrl in the view.
        country: alpha-2, where the record's event happened, or None.
        author: participant id of the publisher; makes its record identifiers its own.
        traveller: the recipient's pseudonym of the traveller.
        pseudonyms: of the recipient.
    """

    urls: Mapping[str, str]
    country: str | None
    author: str
    traveller: str
    pseudonyms: RecipientPseudonyms


def allowed_copy(resource: Resource, rules: Rules, context: CopyContext) -> Resource:
    """What may be shown of a resource; never less than its type.

    Args:
        resource: structurally valid.
        rules: those of its type.
        context: see there.
    """
    kind = resource["resourceType"]
    copied: Resource = {"resourceType": kind, **_copied(resource, kind, rules, context)}
    if "country" in rules.values() and context.country is not None:
        coding = {"system": _COUNTRIES, "code": alpha_3_of(context.country)}
        copied["extension"] = [{"url": COUNTRY_EXTENSION, "valueCoding": coding}]
    if "traveller-pseudonym" in rules.values():
        # Also for a traveller without documents.
        copied["identifier"] = [{"system": TRAVELLER_PSEUDONYMS, "value": context.traveller}]
    return copied


def _copied(node: Resource, type_name: str, rules: Rules, context: CopyContext) -> Resource:
    definition = type_definition(type_name)
    copied: Resource = {}
    for name, rule in rules.items():
        if name not in node or rule in _WRITTEN:
            continue
        element = definition.elements[name]
        value = node[name]
        members = value if element.repeats else [value]
        kept = [_applied(rule, member, element, context) for member in members]
        kept = [one for one in kept if one is not None]
        if kept:
            copied[name] = kept if element.repeats else kept[0]
    if copied:
        _complete(copied, definition)
        _say_masked_result(copied, node, type_name)
    return copied


def _applied(rule: Any, value: Any, element: Element, context: CopyContext) -> Any:
    """What becomes of one value; None when nothing does."""
    if isinstance(rule, dict):
        return _copied(value, element.type, rule, context) or None
    if rule == "keep":
        return value if element.is_primitive and not isinstance(value, dict | list) else None
    return _RULES[rule](value, context)


def _day(value: Any, _: CopyContext) -> str | None:
    return value[:_DAY] if isinstance(value, str) else None


def _year(value: Any, _: CopyContext) -> str | None:
    return value[:_YEAR] if isinstance(value, str) else None


def _masked(value: Any, _: CopyContext) -> str | None:
    return _MASKED if isinstance(value, str) else None


def _digits_or_masked(value: Any, _: CopyContext) -> str | None:
    """A count that was written as a text; any other text is free text."""
    if not isinstance(value, str):
        return None
    is_count = value.isascii() and value.isdecimal() and len(value) <= 2
    return value if is_count else _MASKED


def _known_coding(value: Resource, _: CopyContext) -> Resource | None:
    known = known_coding(value.get("system"), value.get("code"))
    return None if known is None else {"system": known[0], "code": known[1]}


def _reference(value: Resource, context: CopyContext) -> Resource | None:
    """A reference inside the view; what leads out of it, or to what is left out, goes."""
    target = context.urls.get(value.get("reference", ""))
    return None if target is None else {"reference": target}


def _record(value: Resource, context: CopyContext) -> Resource | None:
    """The same for every version of a record, so that a correction finds what it corrects."""
    if "value" not in value:
        return None
    parts = (context.author, value.get("system", ""), value["value"])
    return {"system": RECORD_PSEUDONYMS, "value": context.pseudonyms.of("record", *parts)}


_RULES: Final[Mapping[str, Callable[[Any, CopyContext], Any]]] = {
    "day": _day,
    "year": _year,
    "masked": _masked,
    "digits-or-masked": _digits_or_masked,
    "known-coding": _known_coding,
    "reference": _reference,
    "record-pseudonym": _record,
}


def _complete(copied: Resource, definition: TypeDefinition) -> None:
    """Say of what R4 requires and the view leaves out that it is masked."""
    for element in definition.elements.values():
        if element.required and element.name not in copied:
            copied[element.name] = _placeholder(element)
    for members, required in definition.choices.values():
        if required and copied.keys().isdisjoint(members):
            name = next(one for one in members if definition.elements[one].type == "string")
            copied[name] = _MASKED


def _placeholder(element: Element) -> Any:
    if element.type == "CodeableConcept":
        return _masked_concept()
    placeholder = {"extension": [{"url": _ABSENT_EXTENSION, "valueCode": _MASKED}]}
    return [placeholder] if element.repeats else placeholder


def _say_masked_result(copied: Resource, node: Resource, type_name: str) -> None:
    """An Observation whose result is not shown says so; it must not look like one without."""
    if type_name not in {"Observation", "ObservationComponent"} or "dataAbsentReason" in copied:
        return
    had = any(name.startswith(("value", "_value", "dataAbsentReason")) for name in node)
    if had and not any(name.startswith("value") for name in copied):
        copied["dataAbsentReason"] = _masked_concept()


def _masked_concept() -> Resource:
    return {"coding": [{"system": _ABSENT_CODES, "code": _MASKED}]}
