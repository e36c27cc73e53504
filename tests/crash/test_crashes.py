"""The exchange is killed under load at every step, started again, and must have lost nothing.

Each test: publishers send all the while, each message until it has its receipt. In the end every
message has one proven decision, everybody entitled got it once under one delivery id, the numbers
have no gap, no half of a batch is in the database, and the whole trail verifies.
"""

import asyncio
import random

import pytest

from tests.crash.crashing_exchange import POINTS
from tests.crash.held_head import decisions_in, tree_head_held
from tests.crash.served import SERVE

#: At its first batch under load, and again some batches after the next start.
PASSES = (1, 4)


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_this_point_loses_and_doubles_nothing(scene, point):
    first, *others = PASSES
    await scene.begin("--point", point, "--number", str(first))
    assert await scene.served.ended() == -9
    for number in others:
        await scene.served.start("--point", point, "--number", str(number))
        assert await scene.served.ended() == -9
    await scene.served.start()
    await scene.finish()

    await scene.require_nothing_lost_or_doubled()


async def test_a_kill_at_any_moment_loses_and_doubles_nothing(scene):
    await scene.begin()
    for _ in range(3):
        await scene.answered(random.randrange(10, 40))
        # Not a wait for anything: the moment is to be random within a batch as well.
        await asyncio.sleep(random.uniform(0, 0.05))
        await scene.served.kill()
        await scene.served.start()
    await scene.finish()

    await scene.require_nothing_lost_or_doubled()


async def test_a_graceful_stop_is_quick_and_repeats_nothing(scene):
    # Nobody died, so nothing may be sent again: not even what took long on a busy machine.
    scene.served.settings["resend_after_seconds"] = 300
    # Many at once, so that full batches are in hand whenever it is told to stop.
    scene.load.lanes = 200
    await scene.begin("serve", "--json", module=SERVE)
    for _ in range(2):
        await scene.answered(300)
        await scene.served.stop(seconds=10)
        await scene.served.start("serve", "--json", module=SERVE)
    await scene.finish(at_least=1_000)

    await scene.require_nothing_lost_or_doubled(repeats_allowed=False)


async def test_what_is_in_hand_when_told_to_stop_is_finished_first(scene):
    # Were anything sent again for lack of an end, it would not be within this test.
    scene.served.settings["resend_after_seconds"] = 300
    await scene.begin("serve", "--json", module=SERVE)
    await scene.answered(50)
    async with tree_head_held(scene.served.settings) as head:
        await scene.all_lanes_wait()
        await head.somebody_waits()
        before = await head.decisions()
        scene.served.tell_to_stop()
        await scene.served.stopped_listening()
        assert scene.served.lives, "it ended with a batch in hand"
    assert await scene.served.ended(10) == 0, scene.served.said()

    decided = await decisions_in(scene.served.settings)
    assert decided > before
    # Their receipts went out before the end: there is nobody now who could send them.
    await scene.answered(decided - scene.load.answered)
    await scene.served.start("serve", "--json", module=SERVE)
    await scene.finish()

    await scene.require_nothing_lost_or_doubled(repeats_allowed=False)
