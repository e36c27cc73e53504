"""The HTTP interface of an exchange."""

from typing import Any

from fastapi import FastAPI

from adapters.http.access import access_routes
from adapters.http.answers import add_error_answers
from adapters.http.audit import audit_routes
from adapters.http.break_glass import break_glass_routes
from adapters.http.capability import software_version
from adapters.http.deliveries import delivery_routes
from adapters.http.describing import describe_language
from adapters.http.directory import directory_routes
from adapters.http.disclosures import disclosure_routes
from adapters.http.messages import message_routes
from adapters.http.operations import Readiness, operation_routes, readiness_of
from adapters.http.parts import Parts
from adapters.http.recalls import recall_routes
from adapters.http.slips import slip_routes
from adapters.http.tokens import AccessTokens
from adapters.http.trail import trail_routes
from adapters.http.watching import WatchedRequests
from adapters.telemetry import Metrics

_DESCRIPTION = """
Border posts publish signed FHIR messages, registries fetch what they are entitled to, auditors
check the trail. Errors are OperationOutcomes under /fhir, RFC 9457 problems elsewhere, RFC 6749
errors at the token endpoint; none repeats what was sent.
"""


class _Described(FastAPI):
    """Also says what the routes share and FastAPI cannot see: errors are answered in a language."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made again only when routes were added."""
        before = self.openapi_schema
        document = super().openapi()
        if document is not before:
            describe_language(document)
        return document


def create_app(
    parts: Parts, *, metrics: Metrics | None = None, readiness: Readiness | None = None
) -> FastAPI:
    """The application; whoever runs it also runs `parts.intake`."""
    counted = metrics or Metrics()
    tokens = AccessTokens(parts)
    app = _Described(
        title="Border Health Exchange",
        version=software_version(),
        description=_DESCRIPTION.strip(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its spans and records would hold exception texts and rejected input.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    add_error_answers(app)
    app.add_middleware(
        WatchedRequests,
        metrics=counted,
        is_https=parts.settings.base_url.startswith("https://"),
    )
    for router in (
        message_routes(parts, tokens, counted),
        delivery_routes(parts, tokens),
        recall_routes(parts, tokens),
        break_glass_routes(parts, tokens),
        directory_routes(parts, tokens),
        disclosure_routes(parts, tokens),
        slip_routes(parts, tokens),
        # Before the public trail: /trail/tile/entries is no level of tiles.
        audit_routes(parts, tokens),
        trail_routes(parts),
        access_routes(parts, tokens),
        operation_routes(parts, counted, readiness or readiness_of(parts)),
    ):
        app.include_router(router)
    return app
