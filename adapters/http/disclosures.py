"""Who received what about a traveller, for operators."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from adapters.http.answers import answer_error, telling_for
from adapters.http.describing import content, protected
from adapters.http.language import language_of, say_language
from adapters.http.parts import Parts
from adapters.http.reading import read_body
from adapters.http.scopes import DISCLOSURES
from adapters.http.tokens import AccessTokens, Caller, requires
from schemas.disclosure_report import DisclosureReport, Language
from schemas.slip import MOST_REQUEST_BYTES, DisclosureRequest
from schemas.violation import SchemaViolation
from schemas.wire_json import WireDocument

REPORT_SCHEMA: Final = DisclosureReport.model_json_schema(mode="serialization")


def disclosure_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The route that operators use."""
    router = APIRouter(tags=["disclosures"])

    @router.post(
        "/disclosures",
        openapi_extra=small_body(DisclosureRequest),
        responses={
            200: content("application/json", REPORT_SCHEMA, "Empty for who is not known here."),
            **protected(408, 413, 415, 422),
        },
    )
    async def disclosures(
        request: Request, caller: Annotated[Caller, requires(tokens, DISCLOSURES)]
    ) -> Response:
        """Who received what about the traveller with this document; diseases are not told.

        That it was read, and by whom, is entered in the trail.
        """
        body = await read_body(request, max_bytes=MOST_REQUEST_BYTES)
        try:
            asked = DisclosureRequest.from_bytes(body)
        except SchemaViolation as violation:
            return answer_error(request, telling_for(422), violation.problems)
        language = report_language(request)
        report = await parts.disclosures.about_document(
            asked.system, asked.value, reader=caller.participant.id, language=language
        )
        answer = JSONResponse(report.to_values())
        say_language(answer, language)
        return answer

    return router


def report_language(request: Request) -> Language:
    """The language of a report to this caller."""
    return "ru" if language_of(request) == "ru" else "en"


def small_body(document: type[WireDocument]) -> dict[str, Any]:
    """What OpenAPI says of a body that is this document."""
    schema = document.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
