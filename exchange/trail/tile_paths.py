"""How tiles and entries of the trail are named and laid out when served (c2sp.org/tlog-tiles)."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from exchange.errors import IntegrityBroken
from exchange.trail.errors import TileInvalid

TILE_WIDTH = 256
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 0xFFFF

_PLACE = re.compile(r"((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_TILE = re.compile(r"tile/(0|[1-9][0-9]?)/(.+)")


class TilePath(NamedTuple):
    """What a served tile's path names; `width` is None for a full tile, else 1 to 255 hashes."""

    level: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    width: int | None


def tile_path(level: int, index: int, width: int | None = None) -> str:
    """Return the path of a tile below the log's prefix, such as `tile/0/x001/x234/067.p/12`."""
    return f"tile/{level}/{_place(index, width)}"


def parse_tile_path(text: str) -> TilePath:
    """Read the path of a tile; only the one spelling that `tile_path` writes is accepted.

    Raises:
        TileInvalid: no tile can have this path.
    """
    match = _TILE.fullmatch(text)
    if match is None or int(match[1]) > MAX_LEVEL:
        raise TileInvalid("A tile path is tile/<level 0-63>/<index in groups>[.p/<width 1-255>]")
    return TilePath(int(match[1]), *_read_place(match[2]))


def bundle_path(index: int, width: int | None = None) -> str:
    """Return the path of the entry bundle beside level-0 tile `index`: `tile/entries/…`."""
    return f"tile/entries/{_place(index, width)}"


def parse_bundle_path(text: str) -> tuple[int, int | None]:
    """Read the path of an entry bundle into tile index and width (None for a full bundle).

    Raises:
        TileInvalid: no entry bundle can have this path.
    """
    prefix = "tile/entries/"
    if not text.startswith(prefix):
        raise TileInvalid("An entry bundle's path begins with tile/entries/")
    return _read_place(text.removeprefix(prefix))


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: for each entry its length (u16, big-endian) and its bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise IntegrityBroken("A trail entry is longer than 65535 bytes")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle, at most 256.

    Raises:
        TileInvalid: the bundle ends inside an entry or holds more than 256.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle) or len(entries) == TILE_WIDTH:
            raise TileInvalid("An entry bundle is cut short or holds more than 256 entries")
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


def _place(index: int, width: int | None) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width is None else f"{path}.p/{width}"


def _read_place(text: str) -> tuple[int, int | None]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise TileInvalid("A tile index is written in 3-digit groups, all but the last with an x")
    index = int(match[1].replace("/", "").replace("x", ""))
    width = None if match[2] is None else int(match[2])
    if (width or 1) >= TILE_WIDTH or _place(index, width) != text:
        raise TileInvalid("A tile index has no needless groups and a width is 1 to 255")
    return index, width
