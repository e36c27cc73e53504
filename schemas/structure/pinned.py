"""What R4 4.0.1 says that the models of `fhir.resources.R4B` do not hold, or say otherwise.

The codes of required bindings are complete here; the models cut some lists short. The data is
`r4.json`, with its source.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The pinned facts.

    Attributes:
        not_read: resource types that R4 4.0.1 does not have or R4B reworked.
        targets: `Type.element` → the resource types a Reference there may lead to.
        codes: `Type.element` → the codes of its required binding.
        resource_types: what R4 4.0.1 calls a resource.
    """

    not_read: frozenset[str]
    targets: dict[str, frozenset[str]]
    codes: dict[str, frozenset[str]]
    resource_types: frozenset[str]


@cache
def pinned() -> Pinned:
    """The pinned facts, read once."""
    document = json.loads(
        files("schemas.structure").joinpath("r4.json").read_text(encoding="utf-8")
    )
    codes = {name: frozenset(members) for name, members in document["codes"].items()}
    return Pinned(
        not_read=frozenset(document["not_read"]),
        targets={path: frozenset(types) for path, types in document["targets"].items()},
        codes={path: codes[name] for path, name in document["bindings"].items()},
        resource_types=codes["resource-types"],
    )
