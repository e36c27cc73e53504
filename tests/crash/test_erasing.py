"""An erasure that is killed on the way is either not begun, or finished by the next start."""

import os
import signal
import subprocess
import sys

import pytest

from tests.crash.erasing_exchange import POINTS
from tests.crash.served import PROJECT
from tests.support.erasure_world import ANNA, SYSTEM, erasure_world

#: How the next start finds things: the causes of the `erased` entries, and travellers kept.
LEFT_BEHIND = {
    "before-ledger": ([], 1),
    "after-ledger": (["restored"], 0),
    "after-commit": (["request"], 0),
}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def settings(request):
    if request.param == "sqlite":
        return {}
    return {"database": request.getfixturevalue("fresh_database")}


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_on_the_way_leaves_nothing_half(tmp_path, settings, point):
    async with erasure_world(tmp_path, **settings) as world:
        await world.publish(ANNA)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BHX_")}
    chosen = {f"BHX_{name.upper()}": str(value) for name, value in settings.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.erasing_exchange", point, SYSTEM, ANNA],
        cwd=PROJECT,
        env=kept | chosen | {"BHX_DATA": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr

    async with erasure_world(tmp_path, **settings) as world:
        causes = [one.cause for one in await world.entries("erased")]
        assert (causes, len(await world.rows("subjects"))) == LEFT_BEHIND[point]
        assert len(await world.all_that_opens()) == LEFT_BEHIND[point][1]
        await world.require_sound()
