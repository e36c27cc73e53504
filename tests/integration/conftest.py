"""Resources of one test on a real RabbitMQ, closed in reverse order."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.integration.rabbitmq_ground import connect


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack, asyncio.timeout(90):
        yield stack


@pytest.fixture
async def connection(stack, fresh_vhost):
    return await connect(stack, fresh_vhost)
