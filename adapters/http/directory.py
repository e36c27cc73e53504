"""Who takes part, shown to those who take part: the public keys that messages verify with."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters.http.answers import not_found
from adapters.http.describing import protected
from adapters.http.parts import Parts
from adapters.http.tokens import AccessTokens, Caller, requires
from schemas.participant import PARTICIPANT_ID, Participant


class Participants(BaseModel):
    """The directory."""

    participants: list[Participant]


def directory_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes that show the directory."""
    router = APIRouter(tags=["directory"])

    @router.get(
        "/participants",
        response_model=Participants,
        response_description="Ordered by id.",
        responses=protected(),
    )
    async def participants(_caller: Annotated[Caller, requires(tokens)]) -> JSONResponse:
        """Every participant's directory document."""
        directory = await parts.directory.checked()
        documents = [one.model_dump(mode="json") for one in directory.participants()]
        return JSONResponse({"participants": documents})

    @router.get(
        "/participants/{participant_id}",
        response_model=Participant,
        response_description="As it is now.",
        responses=protected(404, 422),
    )
    async def participant(
        _caller: Annotated[Caller, requires(tokens)],
        participant_id: Annotated[
            str,
            Path(pattern=f"^{PARTICIPANT_ID.pattern}$", max_length=64, examples=["poe:kz:ala"]),
        ],
    ) -> JSONResponse:
        """One participant's directory document."""
        found = (await parts.directory.checked()).participant(participant_id)
        if found is None:
            raise not_found()
        return JSONResponse(found.model_dump(mode="json"))

    return router
