"""Who received what: by a slip and without a login for travellers, and for operators.

A slip that is unknown, too old, or whose records were erased is answered alike, to the byte. The
token stands in the address, so nothing on the page leads elsewhere, nothing is kept in caches, and
no log of ours holds addresses.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from adapters.http.answers import answer_error, not_found, telling_for
from adapters.http.attempts import WINDOW, Attempts
from adapters.http.describing import content, problems, protected
from adapters.http.language import language_of, say_language
from adapters.http.parts import Parts
from adapters.http.reading import read_body
from adapters.http.scopes import DISCLOSURES, SLIPS
from adapters.http.tokens import AccessTokens, Caller, requires
from adapters.pages.document import content_security_policy
from adapters.pages.report_page import report_page
from adapters.pages.slip_page import later_page, opens_nothing_page
from adapters.pages.style import STYLE
from exchange.model import MessageIdentity
from exchange.slips import digest_of
from schemas.disclosure_report import DisclosureReport, Language
from schemas.slip import DisclosureRequest, SlipAnswer, SlipRequest
from schemas.trail_entry import entry_time
from schemas.violation import SchemaViolation

HTML: Final = "text/html"
#: Nobody mistypes an address so often; with 160 bits, guessing is hopeless anyway.
MOST_MISSES: Final = 30
#: Each reading is an entry in the trail.
MOST_READINGS: Final = 20

_MOST_REQUEST_BYTES: Final = 4_096
_PAGE_SCHEMA: Final = {"type": "string", "description": "A page for people."}
_REPORT_SCHEMA: Final = DisclosureReport.model_json_schema(mode="serialization")
_LANGUAGE_HEADER: Final[dict[str, Any]] = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": "RFC 9110: en or ru.",
    "schema": {"type": "string", "examples": ["ru, en;q=0.5"]},
}

Format = Literal["html", "json"]


def disclosure_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes about disclosures and slips."""
    router = APIRouter(tags=["disclosures"])
    misses = Attempts(parts.clock, MOST_MISSES)
    readings = Attempts(parts.clock, MOST_READINGS)

    @router.get(
        "/slip/{token}",
        response_class=Response,
        openapi_extra={"parameters": [_LANGUAGE_HEADER]},
        responses=_slip_answers(),
    )
    async def slip(
        request: Request,
        token: Annotated[str, Path(description="As it stands on the slip.")],
        lang: Annotated[Language | None, Query(description="Instead of Accept-Language.")] = None,
        wanted: Annotated[
            Format | None, Query(alias="format", description="Instead of Accept.")
        ] = None,
    ) -> Response:
        """Who received what about the traveller who holds this slip; no login.

        A page, unless Accept asks for JSON. That it was read is entered in the trail.
        """
        language = lang or _language_of(request)
        as_json = _wants_json(request) if wanted is None else wanted == "json"
        caller, digest = request.client.host if request.client else "", digest_of(token)
        if misses.are_used_up(caller) or readings.are_used_up(digest):
            answer = _answer(request, 429, later_page(language), as_json=as_json)
            answer.headers["Retry-After"] = str(int(WINDOW.total_seconds()))
            return _guarded(answer, language)
        report = await parts.disclosures.by_slip(token, language=language)
        if report is None:
            misses.count(caller)
            page = opens_nothing_page(language)
            return _guarded(_answer(request, 404, page, as_json=as_json), language)
        readings.count(digest)
        if as_json:
            return _guarded(JSONResponse(report.to_values()), language)
        page = report_page(report, on_web=True)
        return _guarded(Response(page, media_type=HTML), language)

    @router.post(
        "/slips",
        status_code=201,
        openapi_extra=_body_of(SlipRequest.model_json_schema()),
        response_model=SlipAnswer,
        response_description="Entered in the trail; it cannot be asked for a second time.",
        responses=protected(404, 408, 413, 415, 422),
    )
    async def issue(
        request: Request, caller: Annotated[Caller, requires(tokens, SLIPS)]
    ) -> Response:
        """A slip for the traveller of one of the caller's own accepted messages.

        The message need not name a document. Print the URL as a QR code and hand it over.
        """
        body = await read_body(request, max_bytes=_MOST_REQUEST_BYTES)
        try:
            asked = SlipRequest.from_bytes(body)
        except SchemaViolation as violation:
            return answer_error(request, telling_for(422), violation.problems)
        publisher = caller.participant.id
        issued = await parts.slips.issue(
            MessageIdentity(publisher, asked.message), issuer=publisher
        )
        if issued is None:
            raise not_found()
        answer = SlipAnswer(
            token=issued.token, url=issued.url, expires_at=entry_time(issued.expires_at)
        )
        return JSONResponse(answer.to_values(), 201)

    @router.post(
        "/disclosures",
        openapi_extra=_body_of(DisclosureRequest.model_json_schema()),
        responses={
            200: content("application/json", _REPORT_SCHEMA, "Empty for who is not known here."),
            **protected(408, 413, 415, 422),
        },
    )
    async def disclosures(
        request: Request, caller: Annotated[Caller, requires(tokens, DISCLOSURES)]
    ) -> Response:
        """Who received what about the traveller with this document; diseases are not told.

        That it was read, and by whom, is entered in the trail.
        """
        body = await read_body(request, max_bytes=_MOST_REQUEST_BYTES)
        try:
            asked = DisclosureRequest.from_bytes(body)
        except SchemaViolation as violation:
            return answer_error(request, telling_for(422), violation.problems)
        language = _language_of(request)
        report = await parts.disclosures.about_document(
            asked.system, asked.value, reader=caller.participant.id, language=language
        )
        answer = JSONResponse(report.to_values())
        say_language(answer, language)
        return answer

    return router


def _language_of(request: Request) -> Language:
    return "ru" if language_of(request) == "ru" else "en"


def _wants_json(request: Request) -> bool:
    accepted = ",".join(request.headers.getlist("accept")).lower()
    return "application/json" in accepted and HTML not in accepted


def _answer(request: Request, status: int, page: bytes, *, as_json: bool) -> Response:
    if as_json:
        return answer_error(request, telling_for(status))
    return Response(page, status, media_type=HTML)


def _guarded(answer: Response, language: str) -> Response:
    """Kept nowhere, found by no search engine, and free to load nothing but its own style."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Security-Policy"] = content_security_policy(STYLE)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    answer.headers.setdefault("Content-Language", language)
    answer.headers["Vary"] = "Accept, Accept-Language"
    return answer


def _body_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _slip_answers() -> dict[int | str, dict[str, Any]]:
    page = {HTML: {"schema": _PAGE_SCHEMA}}
    told = problems(404, 422, 429, 503)
    for status in (404, 429):
        told[status]["content"] |= page
    report = content("application/json", _REPORT_SCHEMA, "The report.")
    report["content"] |= page
    return {200: report, **told}
