"""The tree as C2SP tiles of height 8: what to store, what to load, and the proofs they give.

Tile n of level l holds the hashes of up to 256 complete subtrees of 256**l leaves each
(c2sp.org/tlog-tiles). All functions are pure: ask which tiles are needed, load them, then compute.
A stored tile may have grown beyond the tree that is asked about; only the hashes that belong to
the asked size are ever read, so proofs at older sizes need no old copies.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from exchange.errors import IntegrityBroken
from exchange.trail.errors import ProofInvalid
from exchange.trail.merkle import EMPTY_ROOT, HASH_BYTES, node_hash
from exchange.trail.tile_paths import TILE_WIDTH, tile_path

TILE_HEIGHT = 8
TILE_BYTES = TILE_WIDTH * HASH_BYTES


class TileId(NamedTuple):
    """The place of a tile: level (0 holds leaf hashes) and index within the level."""

    level: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here


@dataclass(frozen=True, slots=True)
class Growth:
    """The tree after an append, and the full content of every tile that the append changed."""

    size: int
    root: bytes
    tiles: dict[TileId, bytes]


def tile_width(tile: TileId, size: int) -> int:
    """Return how many hashes (0 to 256) of the tile belong to the tree of `size` leaves."""
    complete = size >> (TILE_HEIGHT * tile.level)
    return max(0, min(TILE_WIDTH, complete - tile.index * TILE_WIDTH))


def right_edge(size: int) -> list[TileId]:
    """Return the tiles needed to append to the tree of `size` leaves and to compute its root."""
    return _tiles_under([(0, size)])


def tree_root(size: int, tiles: Mapping[TileId, bytes]) -> bytes:
    """Return the root of the tree of `size` leaves, given the tiles of `right_edge(size)`."""
    return _TreeReader(tiles).root_of(0, size) if size else EMPTY_ROOT


def grow(size: int, tiles: Mapping[TileId, bytes], leaf_hashes: Sequence[bytes]) -> Growth:
    """Append leaves to the tree of `size` leaves, given the tiles of `right_edge(size)`.

    Raises:
        IntegrityBroken: a tile of the edge is missing or too short; nothing may be appended.
    """
    if any(len(value) != HASH_BYTES for value in leaf_hashes):
        raise IntegrityBroken("A leaf hash is not 32 bytes long")
    changed: dict[TileId, bytes] = {}
    level, complete, added = 0, size, list(leaf_hashes)
    while added:
        first = TileId(level, complete // TILE_WIDTH)
        row = _edge_content(tiles, first, complete % TILE_WIDTH) + b"".join(added)
        added = []
        for number, start in enumerate(range(0, len(row), TILE_BYTES)):
            content = row[start : start + TILE_BYTES]
            changed[TileId(level, first.index + number)] = content
            if len(content) == TILE_BYTES:
                added.append(_full_tile_root(content))
        level, complete = level + 1, complete // TILE_WIDTH
    new_size = size + len(leaf_hashes)
    return Growth(new_size, tree_root(new_size, {**tiles, **changed}), changed)


def tiles_for_inclusion(index: int, size: int) -> list[TileId]:
    """Return the tiles that an inclusion proof of leaf `index` in the tree of `size` needs."""
    _require_leaf(index, size)
    return _tiles_under(_siblings(index, size))


def inclusion_proof(index: int, size: int, tiles: Mapping[TileId, bytes]) -> list[bytes]:
    """Return the sibling hashes of leaf `index`, leaf's sibling first (RFC 6962, 2.1.1)."""
    return inclusion_proofs([index], size, tiles)[0]


def inclusion_proofs(
    indexes: Sequence[int], size: int, tiles: Mapping[TileId, bytes]
) -> list[list[bytes]]:
    """Return one inclusion proof for each index, in the order asked; shared nodes hash once.

    Raises:
        ProofInvalid: an index lies outside the tree.
        IntegrityBroken: a needed tile is missing or too short.
    """
    for index in indexes:
        _require_leaf(index, size)
    reader = _TreeReader(tiles)
    proofs: dict[int, tuple[bytes, ...]] = {}
    # One walk from the root serves all leaves: each step splits them between the two subtrees.
    walk: list[tuple[int, int, list[int], tuple[bytes, ...]]] = [
        (0, size, sorted(set(indexes)), ())
    ]
    while walk:
        start, end, inside, above = walk.pop()
        if end - start == 1:
            proofs[start] = above
            continue
        middle = _middle(start, end)
        cut = bisect_left(inside, middle)
        if cut:
            walk.append((start, middle, inside[:cut], (reader.root_of(middle, end), *above)))
        if cut < len(inside):
            walk.append((middle, end, inside[cut:], (reader.root_of(start, middle), *above)))
    return [list(proofs[index]) for index in indexes]


def tiles_for_consistency(first: int, second: int) -> list[TileId]:
    """Return the tiles that a consistency proof between the two tree sizes needs."""
    return _tiles_under(_consistency_nodes(first, second))


def consistency_proof(first: int, second: int, tiles: Mapping[TileId, bytes]) -> list[bytes]:
    """Return the proof that the tree of `second` leaves extends that of `first` (RFC 6962, 2.1.2).

    Raises:
        ProofInvalid: `first` is larger than `second`.
        IntegrityBroken: a needed tile is missing or too short.
    """
    reader = _TreeReader(tiles)
    return [reader.root_of(start, end) for start, end in _consistency_nodes(first, second)]


class _TreeReader:
    """Computes nodes from tiles, each at most once."""

    def __init__(self, tiles: Mapping[TileId, bytes]) -> None:
        self._tiles = tiles
        self._complete: dict[tuple[int, int], bytes] = {}
        self._ranges: dict[tuple[int, int], bytes] = {}

    def root_of(self, start: int, end: int) -> bytes:
        """Return the hash of the subtree over leaves `start` to `end` (exclusive)."""
        known = self._ranges.get((start, end))
        if known is not None:
            return known
        *left, last = _complete_subtrees(start, end)
        value = self._subtree(*last)
        for height, index in reversed(left):
            value = node_hash(self._subtree(height, index), value)
        self._ranges[start, end] = value
        return value

    def _subtree(self, height: int, index: int) -> bytes:
        known = self._complete.get((height, index))
        if known is not None:
            return known
        if height % TILE_HEIGHT == 0:
            value = self._stored(height // TILE_HEIGHT, index)
        else:
            below = height - 1
            value = node_hash(self._subtree(below, 2 * index), self._subtree(below, 2 * index + 1))
        self._complete[height, index] = value
        return value

    def _stored(self, level: int, position: int) -> bytes:
        tile = TileId(level, position // TILE_WIDTH)
        at = position % TILE_WIDTH * HASH_BYTES
        value = self._tiles.get(tile, b"")[at : at + HASH_BYTES]
        return value if len(value) == HASH_BYTES else _refuse(tile)


def _edge_content(tiles: Mapping[TileId, bytes], tile: TileId, width: int) -> bytes:
    """Return the first `width` hashes of a stored tile, which may have grown beyond them."""
    content = tiles.get(tile, b"")[: width * HASH_BYTES]
    return content if len(content) == width * HASH_BYTES else _refuse(tile)


def _refuse(tile: TileId) -> NoReturn:
    raise IntegrityBroken(f"Trail tile {tile_path(*tile)} is missing or too short")


def _full_tile_root(content: bytes) -> bytes:
    row = [content[at : at + HASH_BYTES] for at in range(0, TILE_BYTES, HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _middle(start: int, end: int) -> int:
    """Return where RFC 6962 splits: the largest power of two below the number of leaves."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _complete_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (height, index) of the complete subtrees that make up a node, left to right."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    start, end = 0, size
    siblings: list[tuple[int, int]] = []
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def _consistency_nodes(first: int, second: int) -> list[tuple[int, int]]:
    if not 0 <= first <= second:
        raise ProofInvalid("The older tree is larger than the newer one")
    if first in (0, second):
        return []
    start, end = 0, second
    nodes: list[tuple[int, int]] = []
    while end != first:
        middle = _middle(start, end)
        if first <= middle:
            nodes.append((middle, end))
            end = middle
        else:
            nodes.append((start, middle))
            start = middle
    # When start is 0 the node is the whole first tree, whose root the verifier already has.
    return ([(start, end)] if start else []) + nodes[::-1]


def _tiles_under(nodes: Iterable[tuple[int, int]]) -> list[TileId]:
    needed: dict[TileId, None] = {}
    for start, end in nodes:
        for height, index in _complete_subtrees(start, end):
            level, rise = divmod(height, TILE_HEIGHT)
            needed[TileId(level, (index << rise) // TILE_WIDTH)] = None
    return list(needed)


def _require_leaf(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ProofInvalid("The leaf index lies outside the tree")
