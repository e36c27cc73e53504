"""FHIR R4 answers of the exchange: OperationOutcome and the response message."""

import base64
import uuid
from collections.abc import Sequence
from typing import Any

from schemas.fhir_names import EVENT_SYSTEM, endpoint_of
from schemas.receipt import RECEIPT_TYPE, Receipt
from schemas.sentences.catalogue import LANGUAGES, say
from schemas.violation import Problem

#: Names the response to one request; RFC 9562 version 5, so the same decision is the same answer.
_RESPONSES = uuid.UUID("5f0ad1a6-96d5-4a4c-8d70-4e2d4e0f3b55")


def operation_outcome(
    problems: Sequence[Problem], language: str = LANGUAGES[0], *, accepted: bool = False
) -> dict[str, Any]:
    """An OperationOutcome with one issue a problem, in this language (ISO 639-1).

    `details.text` is for the reader (R4: what people read SHOULD be placed there). `diagnostics` is
    the same in English, whatever was asked for: for the logs of the sender and who supports it.

    Of a message that was accepted it says so first; its warnings follow.
    """
    issues: list[dict[str, Any]] = [
        {
            "severity": problem.severity,
            "code": problem.code,
            "details": {"text": problem.text_in(language)},
            "diagnostics": problem.text,
            "expression": [problem.expression],
        }
        for problem in problems
    ]
    if accepted:
        first = {
            "severity": "information",
            "code": "informational",
            "details": {"text": say("outcome.accepted", language=language)},
            "diagnostics": say("outcome.accepted"),
        }
        issues.insert(0, first)
    return {"resourceType": "OperationOutcome", "issue": issues}


def response_message(
    receipt: Receipt, *, exchange: str, language: str = LANGUAGES[0]
) -> dict[str, Any]:
    """The FHIR response message to one decision, with the receipt as a Binary.

    `MessageHeader.response.code` is `ok`, `fatal-error` for a refusal (do not resend unchanged),
    never `transient-error`: what is not recorded has no receipt (STANDARDS 1.2).
    """
    identity = f"{receipt.publisher} {receipt.message}"
    header_id, outcome_id, binary_id = (
        str(uuid.uuid5(_RESPONSES, f"{part} {identity}"))
        for part in ("header", "outcome", "receipt")
    )
    problems = [issue.to_problem() for issue in receipt.issues]
    header = {
        "resourceType": "MessageHeader",
        "id": header_id,
        "eventCoding": {"system": EVENT_SYSTEM, "code": "receipt"},
        "source": {"endpoint": endpoint_of(exchange)},
        "response": {
            "identifier": receipt.message,
            "code": "ok" if receipt.outcome == "accepted" else "fatal-error",
            "details": {"reference": f"urn:uuid:{outcome_id}"},
        },
        "focus": [{"reference": f"urn:uuid:{binary_id}"}],
    }
    accepted = receipt.outcome == "accepted"
    outcome = {"id": outcome_id, **operation_outcome(problems, language, accepted=accepted)}
    binary = {
        "resourceType": "Binary",
        "id": binary_id,
        "contentType": RECEIPT_TYPE,
        "data": _base64(receipt.to_bytes()),
    }
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": receipt.decided_at,
        "entry": [
            {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
            for resource in (header, outcome, binary)
        ],
    }


def receipt_in(response: dict[str, Any]) -> bytes | None:
    """The receipt's bytes out of a response message, or None when it holds none."""
    for entry in response.get("entry", ()):
        resource = entry.get("resource", {})
        if resource.get("contentType") == RECEIPT_TYPE:
            return base64.b64decode(resource["data"])
    return None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
