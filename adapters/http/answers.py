"""How an error is answered: an OperationOutcome under /fhir, an RFC 9457 problem elsewhere.

No answer repeats what was sent, and none shows the text of an error that nobody foresaw.
"""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from adapters.http.language import language_of, say_language
from adapters.http.reading import NotReadable
from adapters.problem_details import (
    BUG,
    RETRY_AFTER_SECONDS,
    Telling,
    problem_details,
    problems_of,
    telling_of,
)
from adapters.telemetry import log_unavailable
from exchange.errors import ExchangeError
from schemas.envelope import FHIR_JSON
from schemas.operation_outcome import operation_outcome
from schemas.violation import Problem, problem

PROBLEM_JSON = "application/problem+json"


class FhirResponse(JSONResponse):
    """JSON in FHIR's own media type."""

    media_type = FHIR_JSON


class ProblemResponse(JSONResponse):
    """An RFC 9457 problem."""

    media_type = PROBLEM_JSON


_HTTP_TELLINGS = {
    401: Telling(401, "login", "not-logged-in", "title.not-logged-in"),
    403: Telling(403, "forbidden", "not-allowed", "title.not-allowed"),
    404: Telling(404, "not-found", "not-found", "title.not-found"),
    405: Telling(405, "not-supported", "method-not-allowed", "title.method-not-allowed"),
    408: Telling(408, "timeout", "too-slow", "title.too-slow"),
    413: Telling(413, "too-long", "too-long", "title.too-long"),
    415: Telling(415, "not-supported", "encoded-body", "title.encoded-body"),
    422: Telling(422, "value", "invalid-request", "title.invalid-request"),
    429: Telling(429, "throttled", "too-many", "slip.later"),
}


def telling_for(status: int) -> Telling:
    """What an error of HTTP itself is told as."""
    return _HTTP_TELLINGS.get(status, BUG)


def answer_error(
    request: Request,
    telling: Telling,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error in the format of the path that was asked, in the language of who asked."""
    language = language_of(request)
    answer: Response
    if request.url.path.startswith("/fhir/"):
        body = operation_outcome(problems or [telling.problem], language)
        answer = FhirResponse(body, telling.status, headers=headers)
    else:
        body = problem_details(telling, problems, language)
        answer = ProblemResponse(body, telling.status, headers=headers)
    say_language(answer, language)
    return answer


def answer_bug(request: Request) -> Response:
    """The answer to an error that nobody foresaw; it tells nothing of it."""
    return answer_error(request, BUG)


def add_error_answers(app: FastAPI) -> None:
    """Answer every error that a route may raise."""
    app.add_exception_handler(ExchangeError, _exchange_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(NotReadable, _not_readable)
    app.add_exception_handler(ClientDisconnect, _gone)


async def _exchange_error(request: Request, error: Exception) -> Response:
    telling = telling_of(error)
    if telling.status == BUG.status:
        raise error  # counted and answered where bugs are
    headers = None
    if telling.status == 503:
        log_unavailable(error)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return answer_error(request, telling, problems_of(error), headers)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    telling = telling_for(error.status_code)
    return answer_error(request, telling, headers=error.headers)


async def _invalid_parameters(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        problem("request.parameter", "value", ".".join(str(step)[:40] for step in detail["loc"]))
        for detail in error.errors()[:10]
    ]
    return answer_error(request, _HTTP_TELLINGS[422], problems)


async def _not_readable(request: Request, error: Exception) -> Response:
    if not isinstance(error, NotReadable):
        raise error
    # What is left of the body is not read, so the connection cannot serve another request.
    headers = {"Connection": "close"}
    return answer_error(request, _HTTP_TELLINGS[error.status], [error.problem], headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def not_found() -> HTTPException:
    """What a route raises when there is nothing of that name."""
    return HTTPException(404)
