"""A request's body: exactly the bytes that came, and never more than allowed."""

import asyncio

from starlette.requests import Request

from schemas.violation import Problem, problem

SIGNATURE_HEADER = "x-jws-signature"
#: Enough for the largest usual message over a slow line; who sends without end is not waited for.
BODY_SECONDS = 180.0


class NotReadable(Exception):
    """The body is not read to its end; nothing was recorded.

    Attributes:
        status: 408, 413 or 415.
        problem: what to mend.
    """

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.text)
        self.status = status
        self.problem = problem


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The exact bytes of the body.

    Raises:
        NotReadable: it is longer than `max_bytes`, which is found out without reading on, or it
            is encoded, so that what was signed is not what came, or it stops coming.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise NotReadable(
            415,
            problem("request.encoded", "not-supported", "Content-Encoding"),
        )
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > max_bytes:
        raise _too_long(max_bytes)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _streamed(request, max_bytes)
    except TimeoutError:
        raise _too_slow() from None


async def _streamed(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_long(max_bytes)
    return bytes(body)


def signature_of(request: Request) -> str | None:
    """The detached JWS that came along; two of them are none that could verify."""
    given = request.headers.getlist(SIGNATURE_HEADER)
    return ", ".join(given) if given else None


def _too_slow() -> NotReadable:
    return NotReadable(408, problem("title.too-slow", "timeout", "Bundle"))


def _too_long(max_bytes: int) -> NotReadable:
    return NotReadable(413, problem("request.too-long", "too-long", "Bundle", str(max_bytes)))
