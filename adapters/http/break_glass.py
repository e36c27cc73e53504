"""Breaking the glass over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from adapters.http.describing import protected
from adapters.http.parts import Parts
from adapters.http.reading import read_body
from adapters.http.scopes import BREAK_GLASS
from adapters.http.tokens import AccessTokens, Caller, requires
from exchange.errors import MalformedMessage
from schemas.break_glass import MOST_DOCUMENTS, BreakGlassOpening
from schemas.envelope import BREAK_GLASS_APPROVAL, BREAK_GLASS_REQUEST
from schemas.trail_entry import entry_time
from schemas.violation import SchemaViolation

_MOST_BYTES = 65_536
_BYTES = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+$", "description": "Base64url."}
_JWS = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$", "maxLength": 4_096}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_SCHEMA = {
    "title": "BreakGlassOpening",
    "type": "object",
    "required": ["v", "request", "request_signature", "documents", "salt"],
    "additionalProperties": False,
    "properties": {
        "v": {"const": 1},
        "request": {**_BYTES, "description": "The signed request's exact bytes, base64url."},
        "request_signature": {**_JWS, "description": f"With cty {BREAK_GLASS_REQUEST}."},
        "documents": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_DOCUMENTS,
            "items": {
                "type": "object",
                "required": ["system", "value"],
                "additionalProperties": False,
                "properties": {"system": _TEXT, "value": _TEXT},
            },
        },
        "salt": {**_BYTES, "description": "32 bytes, which open the request's `subject`."},
        "approval": {**_BYTES, "description": "The signed approval's exact bytes, base64url."},
        "approval_signature": {**_JWS, "description": f"With cty {BREAK_GLASS_APPROVAL}."},
    },
}
_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The signed request, the signed approval, and the traveller's documents.",
        "content": {"application/json": {"schema": _SCHEMA}},
    }
}


class Opened(BaseModel):
    """A grant, and how many records it let out with this very request."""

    grant: str
    until: str
    released: Annotated[int, Field(ge=0)]
    waiting: Annotated[int, Field(ge=0, description="For room in the caller's window.")]


def break_glass_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The route by which a participant breaks the glass."""
    router = APIRouter(tags=["break-glass"])

    @router.post(
        "/break-glass",
        openapi_extra=_REQUEST,
        response_model=Opened,
        response_description="Open; the records come as deliveries.",
        responses=protected(400, 408, 409, 413, 415, 422),
    )
    async def open_glass(
        request: Request, caller: Annotated[Caller, requires(tokens, BREAK_GLASS)]
    ) -> JSONResponse:
        """Open one traveller's records for a while; refused attempts are recorded too.

        The second approver signs beforehand, over this very request: nothing waits here.
        """
        body = await read_body(request, max_bytes=_MOST_BYTES)
        try:
            opening = BreakGlassOpening.from_bytes(body)
        except SchemaViolation as violation:
            raise MalformedMessage(violation.problems) from None
        opened = await parts.break_glass.open(opening, authenticated_as=caller.participant.id)
        return JSONResponse(
            {
                "grant": opened.grant.grant_id,
                "until": entry_time(opened.grant.until),
                "released": opened.released,
                "waiting": opened.waiting,
            }
        )

    return router
