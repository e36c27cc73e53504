"""Words of the OpenAPI document that many operations share."""

from typing import Annotated, Any

from fastapi import Path

from adapters.http.answers import PROBLEM_JSON
from adapters.http.reading import SIGNATURE_HEADER
from schemas.envelope import FHIR_JSON

Responses = dict[int | str, dict[str, Any]]

#: The largest number that a store keeps.
MOST = 2**63 - 1

#: A FHIR id; bytes without a good envelope are named by 64 hex digits.
MessageId = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9.-]{1,64}$", examples=["5f0ad1a6-96d5-4a4c-8d70-4e2d4e0f3b55"]),
]

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457; `reason` is a stable word, `problems` say what to mend.",
    "type": "object",
    "required": ["type", "title", "status", "reason", "problems"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "reason": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["severity", "code", "expression", "text"],
                "properties": {
                    "severity": {"enum": ["fatal", "error", "warning", "information"]},
                    "code": {"type": "string"},
                    "expression": {"type": "string"},
                    "text": {"type": "string"},
                },
            },
        },
    },
}

OUTCOME_SCHEMA: dict[str, Any] = {
    "title": "OperationOutcome",
    "description": "FHIR R4 OperationOutcome.",
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code", "diagnostics"],
                "properties": {
                    "severity": {"enum": ["fatal", "error", "warning", "information"]},
                    "code": {"type": "string"},
                    "diagnostics": {"type": "string"},
                    "expression": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}

RESPONSE_MESSAGE_SCHEMA: dict[str, Any] = {
    "title": "ResponseMessage",
    "description": (
        "FHIR R4 Bundle of type message: MessageHeader.response, OperationOutcome, and the"
        " receipt as a Binary."
    ),
    "type": "object",
    "required": ["resourceType", "type", "entry"],
    "properties": {
        "resourceType": {"const": "Bundle"},
        "type": {"const": "message"},
        "entry": {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "object"}},
    },
}

_MEANINGS = {
    400: "Not what this operation reads.",
    401: "No access token, or one that is no longer good.",
    403: "Not allowed.",
    404: "There is nothing of that name, or not for you.",
    409: "In conflict with what is recorded.",
    408: "Sent too slowly; nothing was recorded, and the connection is closed.",
    413: "Longer than this exchange reads; the connection is closed.",
    415: "The body is encoded: send the bytes that were signed.",
    422: "A parameter is missing or not of its form.",
    500: "A bug; the answer tells nothing of it.",
    503: "A dependency does not answer; nothing was recorded, so send the same again.",
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}, "required": True}
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "RFC 6750 challenge.",
        "schema": {"type": "string"},
        "required": True,
    }
}


def problems(*statuses: int) -> Responses:
    """These statuses as problems, and those that every operation may answer."""
    return {status: _error(status, PROBLEM_JSON, PROBLEM_SCHEMA) for status in (*statuses, 500)}


def outcomes(*statuses: int) -> Responses:
    """These statuses as OperationOutcomes."""
    return {status: _error(status, FHIR_JSON, OUTCOME_SCHEMA) for status in (*statuses, 500)}


def protected(*statuses: int) -> Responses:
    """Those of `problems`, and what an operation answers whose caller must be logged in."""
    return problems(401, 403, 503, *statuses)


def signed_request(content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A request whose body a detached JWS covers, byte for byte."""
    return {
        "parameters": [
            {
                "name": SIGNATURE_HEADER,
                "in": "header",
                "required": True,
                "description": f"Detached JWS over the exact body, with cty {content_type}.",
                "schema": {
                    "type": "string",
                    "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$",
                    "maxLength": 4_096,
                },
            }
        ],
        "requestBody": {
            "required": True,
            "description": "Exactly the bytes that were signed.",
            "content": {content_type: {"schema": schema}},
        },
    }


def content(media_type: str, schema: dict[str, Any], description: str, **more: Any) -> Any:
    """One response with a body."""
    return {"description": description, "content": {media_type: {"schema": schema, **more}}}


def _error(status: int, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = content(media_type, schema, _MEANINGS[status])
    if status == 503:
        described["headers"] = _RETRY_AFTER
    if status == 401:
        described["headers"] = _CHALLENGE
    return described
