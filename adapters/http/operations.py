"""For whoever runs it: is it alive, can it serve, and what has it counted?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from adapters.http.describing import content, problems
from adapters.http.parts import Parts
from adapters.http.trail import trail_size
from adapters.telemetry import METRICS_CONTENT_TYPE, Metrics
from exchange.errors import Unavailable

#: Names what this process waits for; nothing when it can serve.
Readiness = Callable[[], Awaitable[Sequence[str]]]

ANSWER_WITHIN_SECONDS = 2.0

_HEALTH_SCHEMA = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"const": "alive"}},
}
_READINESS_SCHEMA = {
    "type": "object",
    "required": ["ready", "missing"],
    "properties": {
        "ready": {"type": "boolean"},
        "missing": {"type": "array", "items": {"type": "string"}},
    },
}


def readiness_of(parts: Parts) -> Readiness:
    """Whether the store, and the broker if there is one, answer within two seconds."""

    async def broker_answers() -> None:
        if parts.broker is not None:
            channel = await parts.broker.channel()
            await channel.close()

    async def missing() -> list[str]:
        checks = {"store": parts.store.directory_version, "broker": broker_answers}
        answers = await asyncio.gather(*(_answers(check) for check in checks.values()))
        return [name for name, answered in zip(checks, answers, strict=True) if not answered]

    return missing


def operation_routes(parts: Parts, metrics: Metrics, readiness: Readiness) -> APIRouter:
    """The routes that orchestrators and monitors use; keep them off the public network."""
    router = APIRouter(tags=["operations"])

    @router.get(
        "/healthz",
        responses={
            200: content("application/json", _HEALTH_SCHEMA, "The process runs."),
            **problems(),
        },
    )
    async def healthz() -> JSONResponse:
        """Whether the process runs; restart it when this does not answer."""
        return JSONResponse({"status": "alive"})

    @router.get(
        "/readyz",
        responses={
            200: content("application/json", _READINESS_SCHEMA, "It can serve."),
            **problems(),
            503: content("application/json", _READINESS_SCHEMA, "It waits for what is missing."),
        },
    )
    async def readyz() -> JSONResponse:
        """Whether it can serve; send it no requests while it cannot."""
        missing = list(await readiness())
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={
            200: content(METRICS_CONTENT_TYPE, {"type": "string"}, "Prometheus text format."),
            **problems(),
        },
    )
    async def exposition() -> Response:
        """What was counted since the process started."""
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                metrics.observe_trail_size(await trail_size(parts))
                overdue = await parts.store.overdue_recalls(parts.clock.now())
                metrics.observe_overdue_recalls(overdue)
        return Response(metrics.exposition(), headers={"Content-Type": METRICS_CONTENT_TYPE})

    return router


async def _answers(check: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            await check()
    except (Unavailable, TimeoutError):
        return False
    return True
