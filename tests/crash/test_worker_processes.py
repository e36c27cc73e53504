"""More worker processes on one queue, under load over AMQP and HTTP; one of them is killed.

`bhx serve --workers 2` is a process and a child of it. Half an exchange is worse than none: when
the child dies, the parent gives back what it holds and ends with an error, and whoever started it
starts it again. Nothing with a receipt is lost or doubled.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.evidence import require_nothing_lost_or_doubled
from tests.crash.load import Load, cast_for_load
from tests.crash.scene import admit
from tests.crash.served import SERVE, Served
from tests.crash.ways import AmqpWay, HttpWay
from tests.services.processes import free_port
from tests.support.waiting import until

SERVING = ("serve", "--json", "--workers", "2")
MESSAGES = 200


def children_of(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    """Whether it is there, and more than a process that nobody has waited for."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    return False


@pytest.fixture
async def exchange(fresh_vhost, fresh_database, tmp_path):
    settings = {
        "data": tmp_path / "data",
        "listen": f"127.0.0.1:{free_port()}",
        "broker": fresh_vhost,
        "database": fresh_database,
        "resend_after_seconds": 1,
    }
    load = Load(cast_for_load())
    await admit(settings, load.cast)
    served = Served(settings, tmp_path)
    ways = AmqpWay(load, fresh_vhost), HttpWay(load, served.url)
    try:
        async with asyncio.timeout(150):
            yield served, load, *ways
    finally:
        await load.cancel()
        served.remove()
        for way in ways:
            await way.close()


async def test_a_worker_that_is_killed_takes_the_others_with_it_and_nothing_is_lost(exchange):
    served, load, amqp, http = exchange
    await served.start(*SERVING, module=SERVE)
    await amqp.open()
    load.start(amqp.submit, http.submit)
    await until(lambda: load.answered >= MESSAGES // 4, what="a quarter")
    [worker] = children_of(served.pid)

    os.kill(worker, signal.SIGKILL)

    assert await served.ended(seconds=10) == 1
    assert "worker process" in served.said()
    await served.start(*SERVING, module=SERVE)
    await load.finish(MESSAGES)
    await until(amqp.has_all_deliveries, what="all deliveries")
    [worker] = children_of(served.pid)
    await served.stop()
    assert not is_running(worker)
    await amqp.settled()
    await require_nothing_lost_or_doubled(served.settings, load, amqp.deliveries)


async def test_a_worker_does_not_outlive_the_process_that_started_it(exchange):
    served, *_ = exchange
    await served.start(*SERVING, module=SERVE)
    [worker] = children_of(served.pid)

    os.kill(served.pid, signal.SIGKILL)

    assert await served.ended() == -signal.SIGKILL
    await until(lambda: not is_running(worker), what="the worker ended too")


async def test_a_stop_while_a_worker_is_still_starting_is_no_error(exchange):
    served, *_ = exchange
    await served.start(*SERVING, module=SERVE)
    [worker] = children_of(served.pid)

    await served.stop()

    assert not is_running(worker)
