"""How long tests look that could look for ever: as long as they may in CI, a sample at a desk.

`CI=true` makes every case run; `BHX_DIFFERENTIAL_CASES` sets the number of the differential tests.
"""

import os

from tests.services.discover import is_ci

#: A desk looks at one in so many, and at so many at least.
_SAMPLE = 10
_LEAST = 20


def differential_cases(full: int) -> int:
    """How many damaged resources or messages are compared."""
    given = os.environ.get("BHX_DIFFERENTIAL_CASES")
    if given is not None:
        return int(given)
    return full if is_ci() else full // _SAMPLE


def examples(full: int) -> int:
    """How many examples hypothesis draws."""
    return full if is_ci() else max(_LEAST, full // _SAMPLE)
