"""Deliveries by cursor, and the signed acknowledgements that let more of them out."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from adapters.http.describing import MOST, protected, signed_request
from adapters.http.parts import Parts
from adapters.http.reading import read_body, signature_of
from adapters.http.scopes import ACKNOWLEDGEMENTS, DELIVERIES
from adapters.http.tokens import AccessTokens, Caller, requires
from exchange.model import ReceivedMessage
from exchange.ports import DeliveryRow
from schemas.acknowledgement import Acknowledgement
from schemas.delivery import Delivery
from schemas.envelope import ACKNOWLEDGEMENT

MOST_DELIVERIES = 100
LONGEST_WAIT_SECONDS = 30

_LOOK_EVERY_SECONDS = 0.25
#: An acknowledgement of the most deliveries there may be in one takes about 35 KB.
_MOST_ACKNOWLEDGEMENT_BYTES = 131_072


class Deliveries(BaseModel):
    """Some deliveries, in the order of their numbers."""

    deliveries: list[Delivery]
    next: Annotated[int, Field(description="The `after` to go on with.")]


class Acknowledged(BaseModel):
    """How many deliveries an acknowledgement newly acknowledged."""

    acknowledged: Annotated[int, Field(ge=0)]


def delivery_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes that subscribers use."""
    router = APIRouter(tags=["deliveries"])

    @router.get(
        "/deliveries",
        response_model=Deliveries,
        response_description="In the order of their numbers.",
        responses=protected(422),
    )
    async def deliveries(
        request: Request,
        caller: Annotated[Caller, requires(tokens, DELIVERIES)],
        after: Annotated[
            int, Query(ge=0, le=MOST, description="Number of the last delivery one has.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_DELIVERIES)] = 50,
        wait: Annotated[
            int, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for one.")
        ] = 0,
    ) -> JSONResponse:
        """The caller's own deliveries, each with the publisher's bytes and its proof.

        A delivery that was erased or recalled is left out, and so is one that was acknowledged and
        whose basis no longer holds; its number stays in the numbering. At most as many
        as the participant's window are let out and not yet acknowledged.
        """
        rows = await _rows(parts, request, caller, after=after, limit=limit, wait=wait)
        found = await parts.redeliveries.deliveries_of(rows)
        return JSONResponse(
            {
                "deliveries": [one.to_values() for one in found],
                "next": rows[-1].pending.number if rows else after,
            }
        )

    @router.post(
        "/acknowledgements",
        openapi_extra=signed_request(ACKNOWLEDGEMENT, Acknowledgement.model_json_schema()),
        response_model=Acknowledged,
        response_description="Recorded in the trail.",
        responses=protected(400, 408, 413, 415, 422),
    )
    async def acknowledgements(
        request: Request, caller: Annotated[Caller, requires(tokens, ACKNOWLEDGEMENTS)]
    ) -> JSONResponse:
        """Record that the caller holds deliveries; sending it again acknowledges nothing new."""
        body = await read_body(request, max_bytes=_MOST_ACKNOWLEDGEMENT_BYTES)
        acknowledged = await parts.acknowledgements.accept(
            ReceivedMessage(
                body=body,
                signature=signature_of(request),
                authenticated_as=caller.participant.id,
            )
        )
        return JSONResponse({"acknowledged": acknowledged})

    return router


async def _rows(
    parts: Parts, request: Request, caller: Caller, *, after: int, limit: int, wait: int
) -> Sequence[DeliveryRow]:
    """What is there, or what comes within so many seconds while the caller stays."""
    clock = asyncio.get_running_loop().time
    until = clock() + wait
    while True:
        rows = await parts.store.delivery_rows(caller.participant.id, after=after, limit=limit)
        if rows or clock() >= until or await request.is_disconnected():
            return rows
        await asyncio.sleep(min(_LOOK_EVERY_SECONDS, max(0.0, until - clock())))
