"""The part of a FHIR R4 Consent that this exchange enforces.

A Consent is read conservatively: what is understood is enforced, and a Consent with anything that
is not understood can still forbid but never permit (STANDARDS 3.5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from schemas.fhir_instants import instant_at_end, instant_at_start
from schemas.fhir_names import PARTICIPANT_IDENTIFIERS
from schemas.violation import SchemaViolation, problem

ConsentStatus = Literal["active", "inactive", "rejected", "entered-in-error", "draft", "proposed"]

_STATUSES = frozenset({"active", "inactive", "rejected", "entered-in-error", "draft", "proposed"})

#: Elements of `provision` that are enforced. Anything else makes it unusable for permitting.
_UNDERSTOOD = frozenset({"id", "type", "period", "actor", "purpose", "class"})

#: `provision.class` codes by the record type they stand for (FHIR resource types).
_RECORD_CLASSES = {
    "Immunization": "immunization",
    "Observation": "labresult",
    "DiagnosticReport": "labresult",
}
_RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatement:
    """What a traveller decided, as far as it is enforced here; empty tuples mean any.

    Attributes:
        identity: what stays the same over versions: `system|value`, else the resource id.
        given_at: `Consent.dateTime`; orders the versions (UTC).
        permits: the decision of the root provision; False is a deny.
        usable_to_permit: False when some element was not understood.
        not_before: first instant of the provision's period, or None.
        not_after: last instant of the provision's period, or None.
        recipients: participant ids the provision names.
        purposes: v3-ActReason codes.
        record_types: `immunization`, `labresult`.
    """

    identity: str
    status: ConsentStatus
    given_at: datetime
    permits: bool
    usable_to_permit: bool
    not_before: datetime | None = None
    not_after: datetime | None = None
    recipients: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    record_types: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The statement as JSON values, for the store."""
        return {
            "identity": self.identity,
            "status": self.status,
            "given_at": self.given_at.isoformat(),
            "permits": self.permits,
            "usable_to_permit": self.usable_to_permit,
            "not_before": self.not_before.isoformat() if self.not_before else None,
            "not_after": self.not_after.isoformat() if self.not_after else None,
            "recipients": list(self.recipients),
            "purposes": list(self.purposes),
            "record_types": list(self.record_types),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ConsentStatement":
        """The statement that `to_json` wrote."""
        return cls(
            identity=values["identity"],
            status=values["status"],
            given_at=datetime.fromisoformat(values["given_at"]),
            permits=values["permits"],
            usable_to_permit=values["usable_to_permit"],
            not_before=_instant_or_none(values["not_before"]),
            not_after=_instant_or_none(values["not_after"]),
            recipients=tuple(values["recipients"]),
            purposes=tuple(values["purposes"]),
            record_types=tuple(values["record_types"]),
        )


def read_consent(resource: dict[str, Any], expression: str) -> ConsentStatement:
    """Return what a structurally valid FHIR R4 Consent says.

    Raises:
        SchemaViolation: it lacks what every enforceable consent must have.
    """
    if resource.get("status") not in _STATUSES:
        raise SchemaViolation(problem("consent.status", "code-invalid", f"{expression}.status"))
    given_at = resource.get("dateTime")
    if not isinstance(given_at, str):
        raise SchemaViolation(problem("consent.date-time", "required", f"{expression}.dateTime"))
    provision = resource.get("provision") or {}
    period = provision.get("period") or {}
    recipients, recipients_understood = _recipients(provision)
    purposes, purposes_understood = _codes(provision.get("purpose"), _ACT_REASON)
    classes, classes_understood = _codes(provision.get("class"), _RESOURCE_TYPES)
    permits, decision_understood = _decision(resource, provision)
    return ConsentStatement(
        identity=_identity(resource, expression),
        status=resource["status"],
        given_at=instant_at_start(given_at),
        permits=permits,
        usable_to_permit=(
            decision_understood
            and recipients_understood
            and purposes_understood
            and classes_understood
            and set(provision) <= _UNDERSTOOD
            and "modifierExtension" not in resource
            and set(period) <= {"start", "end"}
            and all(code in _RECORD_CLASSES for code in classes)
        ),
        not_before=instant_at_start(period["start"]) if "start" in period else None,
        not_after=instant_at_end(period["end"]) if "end" in period else None,
        recipients=recipients,
        purposes=purposes,
        record_types=tuple(
            dict.fromkeys(_RECORD_CLASSES[code] for code in classes if code in _RECORD_CLASSES)
        ),
    )


def _instant_or_none(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _identity(resource: dict[str, Any], expression: str) -> str:
    for identifier in resource.get("identifier", ()):
        if "value" in identifier:
            return f"{identifier.get('system', '')}|{identifier['value']}"
    if "id" in resource:
        return f"|{resource['id']}"
    raise SchemaViolation(problem("consent.identifier", "required", f"{expression}.identifier"))


def _decision(resource: dict[str, Any], provision: dict[str, Any]) -> tuple[bool, bool]:
    """The base decision, and whether it was understood.

    IHE PCF states it as `provision.type` at the root; core R4 leaves it to `policyRule`, of which
    OPTIN and OPTOUT are known. An unknown policy is a deny.
    """
    if provision.get("type") in {"permit", "deny"}:
        return provision["type"] == "permit", True
    policy_codes = {
        coding.get("code") for coding in resource.get("policyRule", {}).get("coding", ())
    }
    if "OPTIN" in policy_codes and not provision:
        return True, True
    return False, "OPTOUT" in policy_codes


def _recipients(provision: dict[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Participants named by `provision.actor`, and whether every actor could be read."""
    found: list[str] = []
    understood = True
    for actor in provision.get("actor", ()):
        identifier = actor.get("reference", {}).get("identifier", {})
        if identifier.get("system") == PARTICIPANT_IDENTIFIERS and "value" in identifier:
            found.append(identifier["value"])
        else:
            understood = False
    return tuple(found), understood


def _codes(codings: Any, system: str) -> tuple[tuple[str, ...], bool]:
    """Codes of one system among Codings, and whether all were of that system."""
    listed = list(_all_codings(codings))
    found = tuple(coding["code"] for coding in listed if _is_of(coding, system))
    return found, len(found) == len(listed)


def _is_of(coding: dict[str, Any], system: str) -> bool:
    return coding.get("system") == system and "code" in coding


def _all_codings(codings: Any) -> Iterator[dict[str, Any]]:
    yield from codings or ()
