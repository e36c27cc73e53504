"""Which record an event may announce, and in which status."""

from typing import Final, Literal

from schemas.fhir_names import (
    CONSENT_CHANGED,
    IMMUNIZATION_CORRECTED,
    IMMUNIZATION_PUBLISHED,
    IMMUNIZATION_WITHDRAWN,
    LABRESULT_CORRECTED,
    LABRESULT_PUBLISHED,
    LABRESULT_WITHDRAWN,
)

RecordKind = Literal["immunization", "labresult", "consent"]


#: Event code → the kind of record and the resource types its focus may have.
EVENTS: Final[dict[str, tuple[RecordKind, frozenset[str]]]] = {
    IMMUNIZATION_PUBLISHED: ("immunization", frozenset({"Immunization"})),
    IMMUNIZATION_CORRECTED: ("immunization", frozenset({"Immunization"})),
    IMMUNIZATION_WITHDRAWN: ("immunization", frozenset({"Immunization"})),
    LABRESULT_PUBLISHED: ("labresult", frozenset({"DiagnosticReport", "Observation"})),
    LABRESULT_CORRECTED: ("labresult", frozenset({"DiagnosticReport", "Observation"})),
    LABRESULT_WITHDRAWN: ("labresult", frozenset({"DiagnosticReport", "Observation"})),
    CONSENT_CHANGED: ("consent", frozenset({"Consent"})),
}

#: Event code → statuses of its focus, in the order we name them (STANDARDS 1.6). A record that was
#: corrected before it was ever sent here is published; a preliminary result that became final is
#: published again. What carries no result, such as `registered`, is not published at all.
STATUSES: Final[dict[str, tuple[str, ...]]] = {
    IMMUNIZATION_PUBLISHED: ("completed", "not-done"),
    IMMUNIZATION_CORRECTED: ("completed", "not-done"),
    IMMUNIZATION_WITHDRAWN: ("entered-in-error",),
    LABRESULT_PUBLISHED: (
        "preliminary", "partial", "final", "amended", "corrected", "appended",
    ),
    LABRESULT_CORRECTED: ("amended", "corrected", "appended"),
    LABRESULT_WITHDRAWN: ("entered-in-error", "cancelled"),
}  # fmt: skip

#: A record in one of these says that nothing is to be relied on.
VOID: Final = frozenset({"entered-in-error", "cancelled"})
