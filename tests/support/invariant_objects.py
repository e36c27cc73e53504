"""Objects of FHIR types over which the invariants can hold and fail, for hypothesis."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from schemas.strict_json import WrittenDecimal

Node = dict[str, Any]
Objects = st.SearchStrategy[Node]

UCUM = "http://unitsofmeasure.org"
NOTE = {"extension": [{"url": "urn:x:note", "valueString": "note"}]}
URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def primitive(name: str, *values: Any) -> Objects:
    """Not there, only its extensions, or one of these values.

    Never both: fhirpathpy counts a value with extensions as two.
    """
    return st.sampled_from([{}, {f"_{name}": NOTE}, *({name: value} for value in values)])


def whole(name: str, *values: Any) -> Objects:
    """Not there, or one of these objects, arrays or choices."""
    return st.sampled_from([{}, *({name: value} for value in values)])


def always(name: str, *values: Any) -> Objects:
    """One of these values, as the type requires."""
    return st.sampled_from([{name: value} for value in values])


def choice(**forms: Any) -> Objects:
    """Not there, one of its forms, or one of them only by its extensions."""
    return st.sampled_from(
        [{}, *({name: value} for name, value in forms.items()), {f"_{min(forms)}": NOTE}]
    )


def put_together(*parts: Objects) -> Objects:
    return st.tuples(*parts).map(lambda found: {key: one[key] for one in found for key in one})


DECIMALS = (*map(WrittenDecimal, ("-2.5", "0.0", "0.40", "3.0")), -1, 0, 1, 7)
CODING = {"system": "urn:x:codes", "code": "1"}
CODINGS = st.lists(
    st.sampled_from([CODING, {**CODING, "code": "2"}, {**CODING, "display": "one"}]), max_size=2
)
CONCEPTS = CODINGS.map(lambda found: {"coding": found} if found else {"text": "a thing"})
TEXT = {"text": "a thing"}
MOMENTS = (
    "2023", "2024", "2024-01", "2024-03", "2024-01-02", "2024-01-03", "2024-01-03T10:00:00Z",
    "2024-01-03T11:30:00+02:00", "2024-01-03T10:00:00.5Z", "2024-02-01T00:00:00+14:00",
)  # fmt: skip

_QUANTITY = (
    primitive("code", "1", "d", "km"),
    primitive("system", UCUM, "urn:x:units"),
    primitive("value", *DECIMALS),
)
_BOUND = put_together(
    primitive("value", *DECIMALS), st.sampled_from([{"unit": "mg"}, {"unit": "mg"}, {"unit": "g"}])
)
_CONTACTS = st.lists(
    put_together(always("value", "x"), primitive("use", "home", "work")), min_size=1, max_size=2
)
_ENTRY = put_together(
    primitive(
        "fullUrl", URN + "1", URN + "2", "http://x/Patient/1", "http://x/Patient/1/_history/2"
    ),
    whole(
        "resource",
        {"resourceType": "Composition"},
        {"resourceType": "MessageHeader", "meta": {"versionId": "1"}},
        {"resourceType": "Patient", "meta": {"versionId": "2"}},
    ),
    whole("request", {"method": "GET"}),
    whole("response", {"status": "200"}),
    whole("search", {"mode": "match"}),
)
_BUNDLE_TYPES = (
    "document", "message", "transaction", "transaction-response", "batch", "batch-response",
    "history", "searchset", "collection",
)  # fmt: skip

#: Objects of each type, as far as its invariants look at them.
OBJECTS: Mapping[str, Objects] = {
    "Extension": put_together(
        whole("extension", NOTE["extension"]), choice(valueCode="x", valuePeriod={"start": "2024"})
    ),
    "Attachment": put_together(primitive("data", "AAAA"), primitive("contentType", "text/plain")),
    "ContactPoint": put_together(primitive("value", "1"), primitive("system", "phone")),
    "Period": put_together(primitive("start", *MOMENTS), primitive("end", *MOMENTS)),
    "Quantity": put_together(*_QUANTITY),
    "Age": put_together(*_QUANTITY),
    "Count": put_together(*_QUANTITY),
    "Distance": put_together(*_QUANTITY),
    "Duration": put_together(*_QUANTITY),
    "Range": put_together(
        st.one_of(st.just({}), _BOUND.map(lambda bound: {"low": bound})),
        st.one_of(st.just({}), _BOUND.map(lambda bound: {"high": bound})),
    ),
    "Ratio": put_together(
        whole("numerator", {"value": 1}), whole("denominator", {"value": 2}),
        whole("extension", NOTE["extension"]),
    ),
    "Expression": put_together(primitive("expression", "true"), primitive("reference", "urn:x:1")),
    "DataRequirementCodeFilter": put_together(
        primitive("path", "code"), primitive("searchParam", "code")
    ),
    "DataRequirementDateFilter": put_together(
        primitive("path", "date"), primitive("searchParam", "date")
    ),
    "TriggerDefinition": put_together(
        always("type", "named-event", "periodic", "data-added", "data-changed"),
        primitive("name", "n"), choice(timingDate="2024", timingReference={"display": "x"}),
        whole("data", [{"type": "Patient"}]), whole("condition", {"language": "text/fhirpath"}),
    ),
    "TimingRepeat": put_together(
        primitive("duration", *DECIMALS), primitive("durationMax", 1),
        primitive("durationUnit", "d"), primitive("period", *DECIMALS),
        primitive("periodMax", 1), primitive("periodUnit", "d"), primitive("count", 1),
        primitive("countMax", 2), primitive("offset", 5),
        whole("when", ["C"], ["WAKE"], ["WAKE", "CV"], ["HS", "MORN"]),
        whole("timeOfDay", ["10:00:00"]),
    ),
    "ImmunizationEducation": put_together(
        primitive("documentType", "x"), primitive("reference", "urn:x:1")
    ),
    "Observation": put_together(
        whole("dataAbsentReason", TEXT), choice(valueString="x", valueQuantity={"value": 1}),
        CONCEPTS.map(lambda concept: {"code": concept}),
        st.lists(CONCEPTS.map(lambda concept: {"code": concept}), max_size=2).map(
            lambda found: {"component": found} if found else {}
        ),
    ),
    "ObservationReferenceRange": put_together(
        whole("low", {"value": 1}), whole("high", {"value": 1}), primitive("text", "x")
    ),
    "Organization": put_together(
        whole("identifier", [{"value": "1"}]), primitive("name", "x"),
        st.one_of(st.just({}), _CONTACTS.map(lambda found: {"telecom": found})),
        st.one_of(st.just({}), _CONTACTS.map(lambda found: {"address": found})),
    ),
    "PatientContact": put_together(
        whole("name", TEXT), whole("telecom", [{"value": "1"}]), whole("address", TEXT),
        whole("organization", {"display": "x"}),
    ),
    "ServiceRequest": put_together(whole("orderDetail", [TEXT]), whole("code", TEXT)),
    "Consent": put_together(
        whole("policy", [{"uri": "urn:x:1"}]), whole("policyRule", TEXT)
    ),
    "AuditEventEntity": put_together(primitive("name", "x"), primitive("query", "AAAA")),
    "CompositionSection": put_together(
        whole("text", {"status": "empty"}), whole("entry", [{"display": "x"}]),
        whole("section", [{"title": "x"}]), whole("emptyReason", TEXT),
    ),
    "ParametersParameter": put_together(
        choice(valueString="x", valueCode="x"), whole("resource", {"resourceType": "Basic"}),
        whole("part", [{"name": "x"}]),
    ),
    "Group": put_together(
        primitive("actual", True, False), whole("member", [{"entity": {"display": "x"}}])
    ),
    "BundleEntry": _ENTRY,
    "Bundle": put_together(
        always("type", *_BUNDLE_TYPES), primitive("total", 1),
        primitive("timestamp", "2024-01-01T00:00:00Z"),
        st.one_of(
            st.just({}),
            put_together(primitive("system", "urn:x"), primitive("value", "1")).map(
                lambda identifier: {"identifier": identifier} if identifier else {}
            ),
        ),
        st.lists(_ENTRY, max_size=2).map(lambda found: {"entry": found} if found else {}),
    ),
}  # fmt: skip
