"""What auditors read of the trail: entries, every checkpoint, and all that one message led to."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from adapters.http.answers import not_found
from adapters.http.describing import MOST, MessageId, content, protected
from adapters.http.parts import Parts
from adapters.http.scopes import TRAIL
from adapters.http.tokens import AccessTokens, requires
from adapters.http.trail import (
    BINARY_SCHEMA,
    FOREVER,
    OCTETS,
    TEXT,
    TEXT_SCHEMA,
    Place,
    signed_checkpoint,
    trail_size,
)
from exchange.errors import IntegrityBroken
from exchange.trail.errors import TileInvalid
from exchange.trail.tile_paths import TILE_WIDTH, encode_bundle, parse_bundle_path
from schemas.wire_json import encode_bytes

MOST_SIZES = 10_000

_SIZES_SCHEMA = {
    "title": "CheckpointSizes",
    "type": "object",
    "required": ["sizes"],
    "properties": {"sizes": {"type": "array", "items": {"type": "integer"}}},
}
_ENTRIES_SCHEMA = {
    "title": "ProvenEntries",
    "type": "object",
    "required": ["entries"],
    "properties": {
        "entries": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["index", "entry", "proof"],
                "properties": {
                    "index": {"type": "integer"},
                    "entry": {
                        "type": "string",
                        "description": "The leaf's exact bytes in unpadded base64url.",
                    },
                    "proof": {"type": "string", "description": "c2sp.org/tlog-proof@v1 text."},
                },
            },
        }
    },
}


def audit_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes that auditors use."""
    router = APIRouter(tags=["audit"], prefix="/trail", dependencies=[requires(tokens, TRAIL)])

    @router.get(
        "/tile/entries/{path:path}",
        response_class=Response,
        responses={
            200: content(OCTETS, BINARY_SCHEMA, "Entries, each after its u16 length."),
            **protected(404, 422),
        },
    )
    async def entries(path: Place) -> Response:
        """An entry bundle, full or, as `<path>.p/<width>`, its first entries."""
        bundle = await _bundle(parts, f"tile/entries/{path}")
        headers = {"Cache-Control": f"private, {FOREVER}"}
        return Response(bundle, media_type=OCTETS, headers=headers)

    @router.get(
        "/checkpoints",
        responses={
            200: content("application/json", _SIZES_SCHEMA, "Ascending; empty at the end."),
            **protected(422),
        },
    )
    async def checkpoints(
        after: Annotated[int, Query(ge=0, le=MOST)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_SIZES)] = 1_000,
    ) -> JSONResponse:
        """Sizes above `after` at which a checkpoint was signed."""
        sizes = await parts.store.checkpoint_sizes(after, limit)
        return JSONResponse({"sizes": list(sizes)})

    @router.get(
        "/checkpoints/{size}",
        response_class=PlainTextResponse,
        responses={
            200: content(TEXT, TEXT_SCHEMA, "A signed note (c2sp.org/tlog-checkpoint)."),
            **protected(404, 422),
        },
    )
    async def checkpoint_of(
        size: Annotated[int, Path(ge=0, le=MOST, examples=[2])],
    ) -> PlainTextResponse:
        """The checkpoint signed at exactly that size."""
        note = await signed_checkpoint(parts, size)
        headers = {"Cache-Control": f"private, {FOREVER}"}
        return PlainTextResponse(note, headers=headers)

    @router.get(
        "/messages/{message_id}",
        responses={
            200: content("application/json", _ENTRIES_SCHEMA, "In the order of the trail."),
            **protected(404, 422),
        },
    )
    async def message_entries(
        message_id: MessageId,
    ) -> JSONResponse:
        """All that a message id led to: decisions, releases, tombstones, acknowledgements."""
        return JSONResponse({"entries": await _entries_about(parts, message_id)})

    return router


async def _bundle(parts: Parts, path: str) -> bytes:
    try:
        index, named_width = parse_bundle_path(path)
    except TileInvalid:
        raise not_found() from None
    start, width = index * TILE_WIDTH, named_width or TILE_WIDTH
    if start + width > await trail_size(parts):
        raise not_found()
    found = await parts.store.entries(start, width)
    if len(found) != width:
        msg = "Entries below the checkpoint are missing."
        raise IntegrityBroken(msg)
    return encode_bundle(found)


async def _entries_about(parts: Parts, message_id: str) -> list[dict[str, Any]]:
    found = await parts.store.message_entries(message_id)
    if not found:
        raise not_found()
    # Read after the entries, so that the checkpoint covers them all.
    size = await trail_size(parts)
    proven = await parts.proofs.proven_entries([(index, size) for index, _ in found])
    return [
        {
            "index": index,
            "entry": encode_bytes(proven[index, size].entry),
            "proof": proven[index, size].proof,
        }
        for index, _ in found
    ]
