"""Around every request: security headers, a count, and an answer for errors nobody foresaw."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.answers import answer_bug
from adapters.telemetry import Metrics

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Unless a route has its own, for a page.
_USUAL_POLICY = "default-src 'none'; frame-ancestors 'none'"
_STRICT_TRANSPORT = "max-age=31536000"


class WatchedRequests:
    """ASGI middleware; the text of an exception never leaves it, as it may quote a message."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, is_https: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._is_https = is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch what is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the server would log its text
            self._metrics.observe_bug(error)
            if status is None:
                await answer_bug(Request(scope))(scope, receive, watched)
        if status is not None:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.observe_request(method, _route_of(scope), status)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers[name] = value
        headers.setdefault("Content-Security-Policy", _USUAL_POLICY)
        headers.setdefault("Cache-Control", "no-store")
        if self._is_https:
            headers["Strict-Transport-Security"] = _STRICT_TRANSPORT


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _route_of(scope: Scope) -> str:
    """The template of the route, of which there are few; a path would hold ids."""
    return getattr(scope.get("route"), "path", "none")
