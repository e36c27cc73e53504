"""Messages in, decisions out: FHIR $process-message, and the receipts of one's own messages."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from adapters.http.answers import FhirResponse, not_found
from adapters.http.capability import capability_statement
from adapters.http.describing import (
    OUTCOME_SCHEMA,
    RESPONSE_MESSAGE_SCHEMA,
    SAID_IN,
    MessageId,
    Responses,
    content,
    outcomes,
    protected,
)
from adapters.http.language import language_of, say_language
from adapters.http.parts import Parts
from adapters.http.reading import SIGNATURE_HEADER, read_body, signature_of
from adapters.http.scopes import RECEIPTS
from adapters.http.tokens import SCHEME_NAME, AccessTokens, Caller, requires
from adapters.problem_details import status_of
from adapters.telemetry import Metrics
from exchange.model import MessageIdentity, ReceivedMessage
from schemas.envelope import FHIR_JSON
from schemas.operation_outcome import response_message
from schemas.receipt import RECEIPT_TYPE, Receipt

PROCESS_MESSAGE = "/fhir/$process-message"

_MESSAGE_SCHEMA = {
    "title": "Message",
    "description": "FHIR R4 Bundle of type message; exactly the bytes that were signed.",
    "type": "object",
    "required": ["resourceType", "type", "entry"],
    "properties": {
        "resourceType": {"const": "Bundle"},
        "type": {"const": "message"},
        "entry": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"fullUrl": {"type": "string"}, "resource": {"type": "object"}},
            },
        },
    },
}
_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": SIGNATURE_HEADER,
            "in": "header",
            "required": True,
            "description": (
                "Detached JWS (RFC 7515, 7797: b64 false) over the exact body; protected header"
                " alg, kid, iat, jti = MessageHeader.id, iss = participant id, cty"
                f" {FHIR_JSON}, typ bhx-msg+jws."
            ),
            "schema": {
                "type": "string",
                "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$",
                "maxLength": 4_096,
            },
        },
    ],
    "requestBody": {
        "required": True,
        "description": "Not more bytes than the exchange reads (by default 1 MiB), unencoded.",
        "content": {FHIR_JSON: {"schema": _MESSAGE_SCHEMA}},
    },
    # A token is not needed: the signature says who sends. When one is sent it must be the same.
    "security": [{}, {SCHEME_NAME: []}],
}
_CAPABILITY_SCHEMA = {
    "type": "object",
    "required": ["resourceType", "fhirVersion", "messaging"],
    "properties": {"resourceType": {"const": "CapabilityStatement"}},
}
_REFUSED = {
    400: "Refused, and recorded: no envelope around strict JSON.",
    403: "Refused, and recorded: the sender is not trusted, or no basis allows a recipient.",
    409: "Refused, and recorded: this message id stands for other bytes.",
    422: "Refused, and recorded: not a record that is carried here, or nobody asked for it.",
}


class ReceiptResponse(JSONResponse):
    """A receipt, byte for byte as it was first given."""

    media_type = RECEIPT_TYPE

    def render(self, content: Any) -> bytes:
        """The bytes of the receipt."""
        return Receipt.to_bytes(content)


def message_routes(parts: Parts, tokens: AccessTokens, metrics: Metrics) -> APIRouter:
    """The routes that publishers use."""
    router = APIRouter(tags=["messages"])
    settings = parts.settings
    capability = capability_statement(settings.base_url, settings.exchange)

    @router.post(
        PROCESS_MESSAGE,
        openapi_extra=_REQUEST,
        responses=_process_message_answers(),
        response_class=FhirResponse,
    )
    async def process_message(request: Request) -> FhirResponse:
        """Decide on one signed message and answer when the decision is durable.

        Synchronous only. Any bytes get a recorded, signed decision, whose receipt is the Binary in
        the response message. The same bytes again get the same answer. After 503, send the same
        again; after 4xx, mend the message first. Content-Type is not checked: the signature's
        `cty` says what was signed.
        """
        body = await read_body(request, max_bytes=settings.max_message_bytes)
        caller = await tokens.caller_of(request)
        began = time.perf_counter()
        outcome = await parts.intake.submit(
            ReceivedMessage(
                body=body,
                signature=signature_of(request),
                authenticated_as=caller.participant.id if caller else None,
            )
        )
        metrics.observe_submission(outcome, time.perf_counter() - began)
        language = language_of(request)
        message = response_message(outcome.receipt, exchange=settings.exchange, language=language)
        answer = FhirResponse(message, status_of(outcome.decision.reason))
        say_language(answer, language)
        return answer

    @router.get(
        "/fhir/metadata",
        responses={
            200: content(FHIR_JSON, _CAPABILITY_SCHEMA, "FHIR R4 CapabilityStatement."),
            **outcomes(),
        },
        response_class=FhirResponse,
    )
    async def metadata() -> FhirResponse:
        """What this exchange can do."""
        return FhirResponse(capability)

    @router.get(
        "/receipts/{message_id}",
        response_model=Receipt,
        response_class=ReceiptResponse,
        response_description="The same bytes as the first time.",
        responses=protected(404, 422),
    )
    async def receipt(
        caller: Annotated[Caller, requires(tokens, RECEIPTS)],
        message_id: MessageId,
    ) -> ReceiptResponse:
        """The receipt of one of the caller's own messages."""
        identity = MessageIdentity(caller.participant.id, message_id)
        found = await parts.proofs.receipt_for(identity)
        if found is None:
            raise not_found()
        return ReceiptResponse(found)

    return router


def _process_message_answers() -> Responses:
    either = {"oneOf": [RESPONSE_MESSAGE_SCHEMA, OUTCOME_SCHEMA]}
    decided: Responses = {
        200: content(
            FHIR_JSON, RESPONSE_MESSAGE_SCHEMA, "Accepted: durable, and delivered to all entitled."
        )
    }
    for status, meaning in _REFUSED.items():
        decided[status] = content(FHIR_JSON, either, meaning)
    for described in decided.values():
        described["headers"] = SAID_IN
    return {**decided, **outcomes(401, 408, 413, 415, 503)}
