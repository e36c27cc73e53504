"""What is told when RabbitMQ does not do what it was asked."""

import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from adapters.rabbitmq.connection import broker_errors
from exchange.errors import Unavailable


def test_a_queue_that_is_not_there_is_told_with_its_cure():
    with (
        pytest.raises(Unavailable, match="bhx serve --broker"),
        broker_errors("read the dead letters"),
    ):
        raise ChannelNotFoundEntity("NOT_FOUND - no queue")
