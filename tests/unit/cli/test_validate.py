"""`bhx validate` as a post meets it: what it prints, how it ends, and that nothing hangs it."""

import json
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from adapters.cli import app
from tests.benchmarks.bundles import broken_message, four_entry_message

PATIENT = {"resourceType": "Patient", "name": [{"family": "Иванова"}], "birthDate": "1990-04-12"}
BROKEN = {**PATIENT, "gender": "f", "birthDate": "12.04.1990"}


@pytest.fixture
def validate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BHX_LANG"):
        monkeypatch.delenv(name, raising=False)

    def validate(*arguments, code=0, **options):
        result = CliRunner().invoke(app, ["validate", *map(str, arguments)], **options)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return validate


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def write(path, *resources):
    path.write_text("\n".join(json.dumps(one) for one in resources) + "\n")
    return path


def test_one_object_a_resource(validate, tmp_path):
    write(tmp_path / "one.json", BROKEN)

    (told,) = lines(validate("--json", "--level", "structure", "one.json", code=1))

    assert list(told) == ["file", "line", "resource_type", "valid", "level", "issues"]
    assert (told["file"], told["line"], told["resource_type"]) == ("one.json", 1, "Patient")
    assert (told["valid"], told["level"]) == (False, "structure")
    assert [list(one) for one in told["issues"]] == [
        ["severity", "code", "expression", "message"]
    ] * 2
    assert {one["expression"] for one in told["issues"]} == {"Patient.gender", "Patient.birthDate"}
    assert "12.04" not in json.dumps(told)


def test_a_message_passes_the_profile_and_every_fault_of_a_broken_one_is_told(validate, tmp_path):
    (tmp_path / "good.json").write_bytes(four_entry_message())
    (tmp_path / "bad.json").write_bytes(broken_message())

    good, bad = lines(validate("--json", "--at", "2026-06-01", "good.json", "bad.json", code=1))

    assert (good["valid"], good["level"], good["issues"]) == (True, "profile", [])
    assert {one["expression"] for one in bad["issues"]} >= {
        "Bundle.entry[0].resource.source",
        "Bundle.entry[1].resource.status",
        "Bundle.entry[1].resource.vaccineCode",
        "Bundle.entry[1].resource.occurrence",
        "Bundle.entry[2].resource.birthDate",
        "Bundle.entry[2].resource.gender",
        "Bundle.entry[3].resource.address",
        "Bundle.entry[3].resource.name",
    }


@pytest.mark.parametrize("name", ["many.ndjson", "many.json"])
def test_lines_are_numbered(validate, tmp_path, name):
    write(tmp_path / name, PATIENT, BROKEN, PATIENT)

    told = lines(validate("--json", name, code=1))

    assert [(one["line"], one["valid"]) for one in told] == [(1, True), (2, False), (3, True)]


def test_a_folder_is_all_json_in_it(validate, tmp_path):
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    write(tmp_path / "in" / "a.json", PATIENT)
    write(tmp_path / "in" / "deeper" / "b.NDJSON", PATIENT, PATIENT)
    (tmp_path / "in" / "notes.txt").write_text("no")

    assert [one["file"] for one in lines(validate("--json", "in"))] == [
        "in/a.json",
        "in/deeper/b.NDJSON",
        "in/deeper/b.NDJSON",
    ]


def test_blank_lines_count(validate, tmp_path):
    text = json.dumps(PATIENT)
    (tmp_path / "lines.json").write_text(f"\n{text}\n\n\n{text}\n")
    (tmp_path / "one.json").write_text(f"\n\n{text}\n\nx")

    told = lines(validate("--json", "--level", "structure", "lines.json", "one.json", code=2))

    assert [(one["line"], one["valid"]) for one in told] == [(2, True), (5, True), (3, False)]
    assert "line 5, column 1" in told[2]["issues"][0]["message"]


def test_a_folder_in_a_folder_is_no_file_and_an_empty_one_says_so(validate, tmp_path):
    (tmp_path / "in" / "archive.json").mkdir(parents=True)
    write(tmp_path / "in" / "a.json", PATIENT)
    (tmp_path / "empty").mkdir()

    told = lines(validate("--json", "--lang", "ru", "in", "empty", code=2))

    assert [(one["file"], one["valid"]) for one in told] == [("in/a.json", True), ("empty", False)]
    assert "В папке нет файлов" in told[1]["issues"][0]["message"]


def test_a_name_of_any_bytes_is_told_as_text_and_commands_no_terminal(validate, tmp_path):
    write(tmp_path / os.fsdecode(b"a\xff.json"), BROKEN)
    write(tmp_path / "b\x1b[31m.json", BROKEN)

    programs = validate("--json", ".", code=1).stdout_bytes
    people = validate(".", code=1).stdout

    names = [json.loads(line)["file"] for line in programs.decode().splitlines()]
    assert names == ["a\\xff.json", "b\x1b[31m.json"]
    assert "\x1b[31m" not in people
    assert "a\\xff.json:1" in people
    assert "b\\x1b[31m.json:1" in people


def test_standard_input_and_a_byte_order_mark(validate):
    text = b"\xef\xbb\xbf" + json.dumps(PATIENT).encode()

    (told,) = lines(validate("--json", "-", input=text))

    assert (told["file"], told["valid"]) == ("-", True)


def test_what_cannot_be_read_ends_with_2_and_the_rest_is_still_judged(validate, tmp_path):
    write(tmp_path / "good.json", PATIENT)
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "text.json").write_bytes(b"\x00\xff not JSON")
    os.mkfifo(tmp_path / "pipe.json")

    told = lines(
        validate("--json", "none.json", "empty.json", "text.json", "pipe.json", "good.json", code=2)
    )

    assert [(one["file"], one["valid"]) for one in told] == [
        ("none.json", False),
        ("empty.json", False),
        ("text.json", False),
        ("pipe.json", False),
        ("good.json", True),
    ]
    assert all(one["issues"] for one in told[:4])


def test_people_get_places_sentences_and_a_summary_in_their_language(validate, tmp_path):
    write(tmp_path / "many.ndjson", PATIENT, BROKEN)

    english = validate("many.ndjson", code=1).stdout
    russian = validate("--lang", "ru", "many.ndjson", code=1).stdout
    from_terminal = validate("many.ndjson", code=1, env={"LANG": "ru_RU.UTF-8"}).stdout

    assert "many.ndjson:2" in english
    assert "2 resources: 1 valid, 1 to be mended, 0 could not be read" in english
    assert "Ресурсов: 2" in russian
    assert russian == from_terminal


def test_the_language_can_be_set_once_for_all_commands(validate, tmp_path):
    write(tmp_path / "one.json", PATIENT)

    set_once = validate("one.json", env={"BHX_LANG": "ru", "LANG": "en_GB.UTF-8"}).stdout
    asked = validate("--lang", "en", "one.json", env={"BHX_LANG": "ru"}).stdout
    wrong = validate("one.json", env={"BHX_LANG": "kk"}, code=2).stderr

    assert "Ресурсов: 1" in set_once
    assert "1 resources" in asked
    assert "BHX_LANG" in wrong


@pytest.mark.parametrize("arguments", [["--lang", "kk"], ["--level", "deep"], ["--at", "soon"]])
def test_wrong_use_names_what_may_be_used(validate, tmp_path, arguments):
    write(tmp_path / "one.json", PATIENT)

    validate(*arguments, "one.json", code=2)


def test_a_line_over_the_limit_is_refused_and_the_next_is_read(tmp_path, monkeypatch):
    from adapters.resources_in_files import resources_in

    file = tmp_path / "long.ndjson"
    file.write_bytes(b'{"a": "' + b"x" * 5_000 + b'"}\n' + json.dumps(PATIENT).encode() + b"\n")

    read = []
    found = list(resources_in(file, most_bytes=1_000, on_read=read.append))

    assert [(one.line, one.fault and one.fault.code) for one in found] == [
        (1, "too-long"),
        (2, None),
    ]
    assert sum(read) == file.stat().st_size


@pytest.mark.parametrize("how", [["--json"], []])
def test_a_reader_that_leaves_early_is_no_error(tmp_path, how):
    file = write(tmp_path / "many.ndjson", *[BROKEN] * 2_000)

    with subprocess.Popen(
        [sys.executable, "-m", "adapters.cli", "validate", *how, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        running.stdout.close()
        _, told = running.communicate(timeout=60)

    assert told == b""
    assert running.returncode == 1


@pytest.mark.slow
def test_ten_thousand_small_resources(tmp_path):
    """The bound of the issue, with room: a machine twice as slow still passes."""
    file = write(tmp_path / "many.ndjson", *[PATIENT] * 10_000)
    began = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-m", "adapters.cli", "validate", "--json", str(file)],
        capture_output=True,
        check=False,
        timeout=60,
    )

    print(f"\n10,000 resources in {time.monotonic() - began:.1f} s")
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 10_000)
