"""Slips: read by travellers without a login, issued to them by posts.

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
from adapters.http.disclosures import REPORT_SCHEMA, report_language, small_body
from adapters.http.parts import Parts
from adapters.http.reading import read_body
from adapters.http.scopes import SLIPS
from adapters.http.tokens import AccessTokens, Caller, requires
from adapters.pages.document import content_security_policy
from adapters.pages.report_page import report_page
from adapters.pages.slip_page import later_page, opens_nothing_page
from adapters.pages.style import STYLE
from exchange.model import MessageIdentity
from exchange.slips import digest_of
from schemas.disclosure_report import Language
from schemas.slip import MOST_REQUEST_BYTES, SlipAnswer, SlipRequest
from schemas.trail_entry import entry_time
from schemas.violation import SchemaViolation

HTML: Final = "text/html"
#: Nobody mistypes an address so often; with 160 bits, guessing is hopeless anyway.
MOST_MISSES: Final = 30
#: Each reading is an entry in the trail.
MOST_READINGS: Final = 20

_PAGE: Final = {HTML: {"schema": {"type": "string", "description": "A page for people."}}}

_VARY: Final = {
    "Vary": {
        "description": "It depends on what was asked.",
        "schema": {"const": "Accept, Accept-Language"},
        "required": True,
    }
}

Format = Literal["html", "json"]


def slip_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes about slips."""
    router = APIRouter(tags=["disclosures"])
    window = _Window(parts)

    @router.get(
        "/slip/{token}",
        response_class=Response,
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
        as_json = _wants_json(request) if wanted is None else wanted == "json"
        language = lang or report_language(request)
        answer = await window.answer(request, token, language, as_json=as_json)
        return _guarded(answer, language)

    @router.post(
        "/slips",
        status_code=201,
        openapi_extra=small_body(SlipRequest),
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
        body = await read_body(request, max_bytes=MOST_REQUEST_BYTES)
        try:
            asked = SlipRequest.from_bytes(body)
        except SchemaViolation as violation:
            return answer_error(request, telling_for(422), violation.problems)
        publisher = caller.participant.id
        identity = MessageIdentity(publisher, asked.message)
        issued = await parts.slips.issue(identity, issuer=publisher)
        if issued is None:
            raise not_found()
        answer = SlipAnswer(
            token=issued.token, url=issued.url, expires_at=entry_time(issued.expires_at)
        )
        return JSONResponse(answer.to_values(), 201)

    return router


class _Window:
    """Shows reports to who holds slips, and counts who tries too often."""

    def __init__(self, parts: Parts) -> None:
        self._disclosures = parts.disclosures
        self._misses = Attempts(parts.clock, MOST_MISSES)
        self._readings = Attempts(parts.clock, MOST_READINGS)

    async def answer(
        self, request: Request, token: str, language: Language, *, as_json: bool
    ) -> Response:
        """The report, or that there is none."""
        caller, digest = request.client.host if request.client else "", digest_of(token)
        if self._misses.are_used_up(caller) or self._readings.are_used_up(digest):
            answer = _none(request, 429, later_page(language), as_json=as_json)
            answer.headers["Retry-After"] = str(int(WINDOW.total_seconds()))
            return answer
        report = await self._disclosures.by_slip(token, language=language)
        if report is None:
            self._misses.count(caller)
            return _none(request, 404, opens_nothing_page(language), as_json=as_json)
        self._readings.count(digest)
        if as_json:
            return JSONResponse(report.to_values())
        return Response(report_page(report, on_web=True), media_type=HTML)


def _wants_json(request: Request) -> bool:
    accepted = ",".join(request.headers.getlist("accept")).lower()
    return "application/json" in accepted and HTML not in accepted


def _none(request: Request, status: int, page: bytes, *, as_json: bool) -> Response:
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


def _slip_answers() -> dict[int | str, dict[str, Any]]:
    told = problems(404, 422, 429, 503)
    for status in (404, 429):
        told[status]["content"] = told[status]["content"] | _PAGE
        told[status]["headers"] = told[status]["headers"] | _VARY
    report = content("application/json", REPORT_SCHEMA, "The report.")
    return {200: {**report, "content": report["content"] | _PAGE}, **told}
