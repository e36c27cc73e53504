"""Words of the OpenAPI document that many operations share."""

from typing import Annotated, Any

from fastapi import Path

from adapters.http.answers import PROBLEM_JSON
from adapters.http.reading import SIGNATURE_HEADER
from schemas.envelope import FHIR_JSON
from schemas.sentences.catalogue import LANGUAGES

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
                "required": ["severity", "code", "details", "diagnostics"],
                "properties": {
                    "severity": {"enum": ["fatal", "error", "warning", "information"]},
                    "code": {"type": "string"},
                    "details": {
                        "description": "What is to mend, in the language that was asked for.",
                        "type": "object",
                        "required": ["text"],
                        "properties": {"text": {"type": "string"}},
                    },
                    "diagnostics": {"description": "The same in English.", "type": "string"},
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
    429: "Too often; wait for as many seconds as Retry-After says.",
    500: "A bug; the answer tells nothing of it.",
    503: "A dependency does not answer; nothing was recorded, so send the same again.",
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}, "required": True}
}
#: Of every answer that tells what is to mend.
SAID_IN = {
    "Content-Language": {
        "description": "The language it is told in.",
        "schema": {"enum": list(LANGUAGES)},
        "required": True,
    },
    "Vary": {
        "description": "It depends on what was asked.",
        "schema": {"const": "Accept-Language"},
        "required": True,
    },
}
_ACCEPT_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": (
        f"RFC 9110, 12.5.4: what is to mend is told in {' or '.join(LANGUAGES)}; in"
        f" {LANGUAGES[0]} when neither is asked for."
    ),
    "schema": {"type": "string", "examples": ["ru, en;q=0.5"]},
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "RFC 6750 challenge.",
        "schema": {"type": "string"},
        "required": True,
    }
}
_MORE_HEADERS = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


def problems(*statuses: int) -> Responses:
    """These statuses as problems, and those that every operation may answer."""
    return {status: _error(status, PROBLEM_JSON, PROBLEM_SCHEMA) for status in (*statuses, 500)}


def outcomes(*statuses: int) -> Responses:
    """These statuses as OperationOutcomes."""
    return {status: _error(status, FHIR_JSON, OUTCOME_SCHEMA) for status in (*statuses, 500)}


def protected(*statuses: int) -> Responses:
    """Those of `problems`, and what an operation answers whose caller must be logged in."""
    return problems(401, 403, 503, *statuses)


def describe_language(document: dict[str, Any]) -> None:
    """Add, in place, to each operation that tells what is to mend that the language can be asked.

    Args:
        document: OpenAPI, complete but for this.
    """
    for operations in document["paths"].values():
        for operation in operations.values():
            answers = operation["responses"].values()
            if any("Content-Language" in answer.get("headers", ()) for answer in answers):
                operation.setdefault("parameters", []).append(_ACCEPT_LANGUAGE)


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
    described["headers"] = SAID_IN | _MORE_HEADERS.get(status, {})
    return described
