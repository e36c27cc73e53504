"""Does a RabbitMQ or a PostgreSQL answer at this URL and let us in? Asked in its own protocol."""

import socket
import struct
from urllib.parse import unquote, urlsplit

CONNECTION_TUNE = (10, 30)


def amqp_answers(url: str, timeout_seconds: float = 2.0) -> bool:
    """Return whether a broker at the URL accepts its user name and password (AMQP 0-9-1, 2.2.4)."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    answer = f"\0{user}\0{password}".encode()
    start_ok = (
        struct.pack(">HHI", 10, 11, 0)
        + b"\x05PLAIN"
        + struct.pack(">I", len(answer))
        + answer
        + b"\x05en_US"
    )
    try:
        with socket.create_connection(
            (parts.hostname or "127.0.0.1", parts.port or 5672), timeout_seconds
        ) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            _frame(connection)
            connection.sendall(struct.pack(">BHI", 1, 0, len(start_ok)) + start_ok + b"\xce")
            return struct.unpack(">HH", _frame(connection)[:4]) == CONNECTION_TUNE
    except (OSError, EOFError, struct.error):
        return False


def postgres_answers(url: str, timeout_seconds: float = 2.0) -> bool:
    """Return whether a server at the URL lets its user in without a password (protocol 3.0)."""
    parts = urlsplit(url)
    fields = [b"user", unquote(parts.username or "postgres").encode()]
    fields += [b"database", (parts.path.strip("/") or "postgres").encode()]
    body = struct.pack(">I", 196608) + b"\0".join(fields) + b"\0\0"
    try:
        with socket.create_connection(
            (parts.hostname or "127.0.0.1", parts.port or 5432), timeout_seconds
        ) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(struct.pack(">I", len(body) + 4) + body)
            return _exactly(connection, 9) == b"R" + struct.pack(">II", 8, 0)
    except (OSError, EOFError):
        return False


def tcp_answers(url: str, default_port: int, timeout_seconds: float = 2.0) -> bool:
    """Return whether anything listens at the URL."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or default_port)
    try:
        socket.create_connection(address, timeout_seconds).close()
    except OSError:
        return False
    return True


def _frame(connection: socket.socket) -> bytes:
    _, _, size = struct.unpack(">BHI", _exactly(connection, 7))
    return _exactly(connection, size + 1)[:-1]


def _exactly(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = connection.recv(size - len(read))
        if not more:
            raise EOFError
        read += more
    return read
