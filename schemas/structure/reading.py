"""From bytes to a resource that is FHIR R4: fast where it is plain, explained where it is not."""

from typing import Any

from schemas.strict_json import read_json
from schemas.structure.compiled import read_plain
from schemas.structure.everyday import read_everyday
from schemas.structure.explained import structure_problems
from schemas.violation import Problem


def read_resource(
    data: bytes, *, max_bytes: int = 1_048_576, max_depth: int = 64
) -> tuple[Any, list[Problem]]:
    """The JSON of a resource, and what is to mend in its structure.

    Without a problem of severity `error` the JSON is valid FHIR R4 4.0.1.

    Raises:
        SchemaViolation: the bytes are not strict JSON.
    """
    if len(data) <= max_bytes:
        everyday = read_everyday(data)
        if everyday is not None:
            return everyday[0], []
        plain = read_plain(data, max_depth=max_depth)
        if plain is not None:
            return plain, []
    tree = read_json(data, max_bytes=max_bytes, max_depth=max_depth)
    return tree, structure_problems(tree)
