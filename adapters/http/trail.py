"""The public trail: checkpoints, tiles and proofs (c2sp.org/tlog-tiles, tlog-proof).

Leaves hold salted commitments, and their hashes tell nothing, so anybody may check that the trail
only grows. The entries themselves are for auditors (`adapters.http.audit`).
"""

import base64
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from adapters.http.answers import not_found
from adapters.http.describing import MOST, content, problems
from adapters.http.parts import Parts
from exchange.errors import IntegrityBroken
from exchange.trail.errors import TileInvalid
from exchange.trail.merkle import HASH_BYTES
from exchange.trail.proof import write_proof
from exchange.trail.tile_paths import TILE_WIDTH, parse_tile_path
from exchange.trail.tiles import (
    TileId,
    consistency_proof,
    inclusion_proof,
    tile_width,
    tiles_for_consistency,
    tiles_for_inclusion,
)

OCTETS = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
BINARY_SCHEMA = {"type": "string", "format": "binary"}
TEXT_SCHEMA = {"type": "string"}
#: A tile or bundle of a given width never changes.
FOREVER = "max-age=31536000, immutable"

#: Index of a tile in groups of three digits, and its width when it is not full.
Place = Annotated[
    str,
    Path(
        pattern=r"^(x[0-9]{3}/){0,5}[0-9]{3}(\.p/[1-9][0-9]{0,2})?$",
        max_length=40,
        examples=["000.p/1"],
    ),
]

_SHORTLY = "public, max-age=2"
_HASHES_SCHEMA = {
    "type": "array",
    "maxItems": 63,
    "items": {"type": "string", "description": "Standard base64 of 32 bytes."},
}
_VERIFIER_SCHEMA = {
    "title": "VerifierKey",
    "type": "object",
    "required": ["origin", "verifier_key"],
    "properties": {"origin": {"type": "string"}, "verifier_key": {"type": "string"}},
}
_INCLUSION_SCHEMA = {
    "title": "InclusionProof",
    "type": "object",
    "required": ["index", "size", "hashes"],
    "properties": {
        "index": {"type": "integer"},
        "size": {"type": "integer"},
        "hashes": _HASHES_SCHEMA,
    },
}
_CONSISTENCY_SCHEMA = {
    "title": "ConsistencyProof",
    "type": "object",
    "required": ["first", "second", "hashes"],
    "properties": {
        "first": {"type": "integer"},
        "second": {"type": "integer"},
        "hashes": _HASHES_SCHEMA,
    },
}

Index = Annotated[int, Query(ge=0, le=MOST, examples=[0])]
Size = Annotated[int, Query(ge=0, le=MOST, examples=[1])]


async def trail_size(parts: Parts) -> int:
    """How many entries the latest checkpoint covers."""
    latest = await parts.store.checkpoint()
    return 0 if latest is None else latest[0]


async def signed_checkpoint(parts: Parts, size: int | None = None) -> str:
    """The latest checkpoint, or that of exactly this size.

    Raises:
        HTTPException: 404, there is none.
    """
    signed = await parts.store.checkpoint(size)
    if signed is None:
        raise not_found()
    return signed[1]


def trail_routes(parts: Parts) -> APIRouter:
    """The routes that anybody may use."""
    router = APIRouter(tags=["trail"], prefix="/trail")
    verifier = {
        "origin": parts.settings.origin,
        "verifier_key": parts.keys.note_signer.verifier_key,
    }

    @router.get(
        "/verifier-key",
        responses={
            200: content("application/json", _VERIFIER_SCHEMA, "A signed-note verifier key."),
            **problems(),
        },
    )
    async def verifier_key() -> JSONResponse:
        """The key that checkpoints verify with; get it by another way, and compare."""
        return JSONResponse(verifier)

    @router.get(
        "/checkpoint",
        response_class=PlainTextResponse,
        responses={
            200: content(TEXT, TEXT_SCHEMA, "A signed note (c2sp.org/tlog-checkpoint)."),
            **problems(404, 503),
        },
    )
    async def checkpoint() -> PlainTextResponse:
        """The latest signed checkpoint; 404 while the trail is empty."""
        note = await signed_checkpoint(parts)
        return PlainTextResponse(note, headers={"Cache-Control": _SHORTLY})

    @router.get(
        "/tile/{level}/{path:path}",
        response_class=Response,
        responses={
            200: content(OCTETS, BINARY_SCHEMA, "Up to 256 hashes of 32 bytes."),
            **problems(404, 422, 503),
        },
    )
    async def tile(
        level: Annotated[str, Path(pattern=r"^(0|[1-9][0-9]?)$", examples=["0"])],
        path: Place,
    ) -> Response:
        """A tile, full or, as `<path>.p/<width>`, its first hashes; 404 until it has so many."""
        octets = await _tile(parts, f"tile/{level}/{path}")
        headers = {"Cache-Control": f"public, {FOREVER}"}
        return Response(octets, media_type=OCTETS, headers=headers)

    @router.get(
        "/proof/inclusion",
        responses={
            200: {
                "description": "JSON, or the tlog-proof text where `Accept` is text/plain.",
                "content": {
                    "application/json": {"schema": _INCLUSION_SCHEMA},
                    TEXT: {"schema": TEXT_SCHEMA},
                },
            },
            **problems(404, 422, 503),
        },
    )
    async def inclusion(request: Request, index: Index, size: Size) -> Response:
        """The proof that entry `index` is in the tree of `size` entries.

        As text only for sizes that have a checkpoint of their own.
        """
        hashes = await _inclusion(parts, index, size)
        vary = {"Vary": "Accept"}
        if request.headers.get("accept", "").startswith("text/plain"):
            note = await signed_checkpoint(parts, size)
            return PlainTextResponse(write_proof(index, hashes, note), headers=vary)
        return JSONResponse(
            {"index": index, "size": size, "hashes": _written(hashes)}, headers=vary
        )

    @router.get(
        "/proof/consistency",
        responses={
            200: content("application/json", _CONSISTENCY_SCHEMA, "RFC 6962, 2.1.2."),
            **problems(404, 422, 503),
        },
    )
    async def consistency(first: Size, second: Size) -> JSONResponse:
        """The proof that the tree of `second` entries extends that of `first`."""
        hashes = await _consistency(parts, first, second)
        return JSONResponse({"first": first, "second": second, "hashes": _written(hashes)})

    return router


async def _tile(parts: Parts, path: str) -> bytes:
    try:
        named = parse_tile_path(path)
    except TileInvalid:
        raise not_found() from None
    place, width = TileId(named.level, named.index), named.width or TILE_WIDTH
    if tile_width(place, await trail_size(parts)) < width:
        raise not_found()
    octets = (await parts.store.tiles([place])).get(place, b"")[: width * HASH_BYTES]
    if len(octets) != width * HASH_BYTES:
        msg = "A tile below the checkpoint is missing or too short."
        raise IntegrityBroken(msg)
    return octets


async def _inclusion(parts: Parts, index: int, size: int) -> list[bytes]:
    if not index < size <= await trail_size(parts):
        raise not_found()
    tiles = await parts.store.tiles(tiles_for_inclusion(index, size))
    return inclusion_proof(index, size, tiles)


async def _consistency(parts: Parts, first: int, second: int) -> list[bytes]:
    if not first <= second <= await trail_size(parts):
        raise not_found()
    tiles = await parts.store.tiles(tiles_for_consistency(first, second))
    return consistency_proof(first, second, tiles)


def _written(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(value).decode() for value in hashes]
