"""An exchange that is to be ended, embedded or with PostgreSQL and RabbitMQ, under load."""

import asyncio

import pytest

from tests.crash.scene import open_scene
from tests.services.processes import free_port


@pytest.fixture(params=["embedded over HTTP", "PostgreSQL and RabbitMQ"])
async def scene(request, tmp_path):
    settings = {
        "data": tmp_path / "data",
        "listen": f"127.0.0.1:{free_port()}",
        "resend_after_seconds": 1,
    }
    if request.param == "PostgreSQL and RabbitMQ":
        # Asked for only here, so that the embedded one needs no service.
        settings["broker"] = request.getfixturevalue("fresh_vhost")
        settings["database"] = request.getfixturevalue("fresh_database")
    async with asyncio.timeout(150), open_scene(settings, tmp_path) as opened:
        yield opened
