"""Recalls: subscribers' signed answers, and the list that auditors read."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from adapters.http.describing import content, protected, signed_request
from adapters.http.parts import Parts
from adapters.http.reading import read_body, signature_of
from adapters.http.scopes import ACKNOWLEDGEMENTS, TRAIL
from adapters.http.tokens import AccessTokens, Caller, requires
from exchange.model import ReceivedMessage
from exchange.recall_list import recalls_page
from schemas.cessation import Cessation
from schemas.envelope import CESSATION

MOST_RECALLS = 1_000

#: An answer to the most notices there may be in one takes about 35 KB.
_MOST_ANSWER_BYTES = 131_072
_TIME = {"type": "string", "format": "date-time"}
_RECALLS_SCHEMA: dict[str, Any] = {
    "title": "Recalls",
    "type": "object",
    "required": ["recalls", "next"],
    "properties": {
        "recalls": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["notice", "subscriber", "recalls", "cause", "deadline", "state"],
                "properties": {
                    "notice": {"type": "string", "description": "Delivery id of the notice."},
                    "subscriber": {"type": "string"},
                    "recalls": {"type": "string", "description": "The delivery recalled."},
                    "cause": {"enum": ["consent-withdrawn", "entered-in-error", "erased"]},
                    "issued": {"oneOf": [_TIME, {"type": "null"}]},
                    "deadline": _TIME,
                    "state": {
                        "enum": ["waiting", "issued", "sent", "acknowledged", "ceased", "deleted"]
                    },
                    "overdue": {"type": "boolean"},
                    "answered_entry": {"type": ["integer", "null"]},
                },
            },
        },
        "next": {"type": "string", "description": "The `after` to go on with."},
    },
}


class Answered(BaseModel):
    """How many notices an answer newly answered."""

    answered: Annotated[int, Field(ge=0)]


def recall_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes of recalls."""
    router = APIRouter()

    @router.post(
        "/recalls/answers",
        tags=["deliveries"],
        openapi_extra=signed_request(CESSATION, Cessation.model_json_schema()),
        response_model=Answered,
        response_description="Recorded in the trail.",
        responses=protected(400, 408, 413, 415, 422),
    )
    async def answers(
        request: Request, caller: Annotated[Caller, requires(tokens, ACKNOWLEDGEMENTS)]
    ) -> JSONResponse:
        """Record that the caller ceased to use, or deleted, what notices recalled.

        `deleted` may follow `ceased`; sending the same again answers nothing new.
        """
        body = await read_body(request, max_bytes=_MOST_ANSWER_BYTES)
        answered = await parts.recalls.accept(
            ReceivedMessage(
                body=body,
                signature=signature_of(request),
                authenticated_as=caller.participant.id,
            )
        )
        return JSONResponse({"answered": answered})

    @router.get(
        "/audit/recalls",
        tags=["audit"],
        dependencies=[requires(tokens, TRAIL)],
        responses={
            200: content("application/json", _RECALLS_SCHEMA, "In the order of their ids."),
            **protected(422),
        },
    )
    async def recalls(
        after: Annotated[
            str, Query(pattern=r"^([0-9a-f]{32})?$", description="Id of the last notice one has.")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_RECALLS)] = 100,
        overdue: Annotated[bool, Query(description="Only those that are overdue now.")] = False,
    ) -> JSONResponse:
        """Notices of recall and how each stands; nothing of any traveller."""
        found = await recalls_page(
            parts.store, parts.clock.now(), after=after, limit=limit, only_overdue=overdue
        )
        return JSONResponse(
            {
                "recalls": [one.to_values() for one in found],
                "next": found[-1].notice if found else after,
            }
        )

    return router
