"""What a command says reaches its reader, whatever the terminal can write."""

import json

import pytest
from typer.testing import CliRunner

from adapters.cli import app
from schemas.sentences.catalogue import template

BROKEN = {"resourceType": "Patient", "gender": "f"}


@pytest.fixture
def told(tmp_path):
    """What `bhx validate --lang ru` writes to a stdout of this encoding."""
    (tmp_path / "one.json").write_text(json.dumps(BROKEN))

    def told(encoding, *options):
        command = ["validate", "--lang", "ru", *options, str(tmp_path / "one.json")]
        result = CliRunner(charset=encoding).invoke(app, command)
        assert result.exit_code == 1, result.exception
        return result.stdout_bytes

    return told


@pytest.mark.parametrize(
    ("encoding", "written"), [("ascii", "utf-8"), ("utf-8", "utf-8"), ("koi8-r", "koi8-r")]
)
def test_russian_is_written_as_the_terminal_reads_it_and_as_utf_8_where_it_was_not_told(
    told, encoding, written
):
    assert template("validate.invalid", "ru") in told(encoding).decode(written)


def test_what_an_encoding_lacks_is_escaped(told):
    escaped = template("validate.invalid", "ru").encode("latin-1", "backslashreplace")

    assert escaped in told("latin-1")


@pytest.mark.parametrize("encoding", ["ascii", "koi8-r", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(told, encoding):
    assert json.loads(told(encoding, "--json")) == json.loads(told("utf-8", "--json"))
