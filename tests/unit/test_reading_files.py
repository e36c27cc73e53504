"""Any file that somebody may name is read to its end or refused in one sentence; none hangs."""

import os
import threading

import pytest

from adapters.key_files import read_signing_key
from adapters.reading_files import read_file
from exchange.errors import ConfigurationError


def test_a_file_is_read_as_it_is(tmp_path):
    (tmp_path / "f").write_bytes(b"\xff\0" * 70_000)

    assert read_file(tmp_path / "f") == b"\xff\0" * 70_000


def test_a_pipe_with_a_writer_is_read_to_its_end():
    reading, writing = os.pipe()
    filling = threading.Thread(
        target=lambda: (os.write(writing, b"x" * 200_000), os.close(writing))
    )
    filling.start()

    assert read_file(f"/dev/fd/{reading}") == b"x" * 200_000
    filling.join()
    os.close(reading)


def directory(path):
    path.mkdir()


def loop(path):
    path.symlink_to(path)


def nothing(path):
    pass


def endless(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [directory, loop, nothing, endless])
def test_what_is_no_file_is_a_setting(tmp_path, make):
    make(tmp_path / "f")

    with pytest.raises(ConfigurationError) as refused:
        read_file(tmp_path / "f")
    assert "\n" not in str(refused.value)


def test_no_file_has_a_name_with_nul():
    with pytest.raises(ConfigurationError):
        read_file("a\0b")


def test_a_pipe_without_a_writer_is_empty_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "f", 0o600)

    assert read_file(tmp_path / "f") == b""
    with pytest.raises(ConfigurationError, match="must hold one private JWK"):
        read_signing_key(tmp_path / "f")


def test_more_than_asked_for_is_not_read(tmp_path):
    (tmp_path / "f").write_bytes(b"12345")

    assert read_file(tmp_path / "f", most_bytes=5) == b"12345"
    with pytest.raises(ConfigurationError, match="longer than the 4 bytes"):
        read_file(tmp_path / "f", most_bytes=4)


def test_a_key_that_is_nested_without_end_is_no_key(tmp_path):
    (tmp_path / "f").write_bytes(b"[" * 100_000)
    (tmp_path / "f").chmod(0o600)

    with pytest.raises(ConfigurationError, match="must hold one private JWK"):
        read_signing_key(tmp_path / "f")


def test_a_file_that_others_may_read_is_no_secret(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0o640)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_file(tmp_path / "f", only_owner=True)
