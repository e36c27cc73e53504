"""`bhx slip` and `bhx disclosures`, from a post's desk to a traveller's browser."""

import json

import httpx2
import pytest
from typer.testing import CliRunner

from adapters.cli import app
from tests.support.offline import require_true
from tests.support.world import ALA, KZ, consent, vaccination
from tests.unit.cli.test_cli import Served, write_participants

SUBJECT = "urn:bhx:test:passport|N 1234567"


@pytest.fixture
def bhx(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("BHX_DATA", "BHX_DATABASE", "BHX_BROKER", "BHX_PUBLIC_URL", "BHX_LANG"):
        monkeypatch.delenv(name, raising=False)

    def bhx(*arguments, code=0, stdin=None):
        result = CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return bhx


@pytest.fixture
def served(bhx, tmp_path):
    write_participants(bhx)
    with Served(tmp_path / "bhx-data") as url:
        yield url


@pytest.fixture
def message_id(bhx, served, tmp_path):
    """A record that was published, about a traveller with a passport."""
    found, body = vaccination(consent(recipients=[KZ]))
    (tmp_path / "record.json").write_bytes(body)
    bhx("publish", "record.json", "--as", ALA, "--key", "0.key", "--to", served)
    return found


def as_json(result):
    return json.loads(result.stdout.splitlines()[-1])


def test_a_post_prints_a_slip_that_opens_the_report(bhx, served, message_id, tmp_path):
    post = ["--url", served, "--as", ALA, "--key", "0.key"]

    slip = as_json(bhx("slip", "--message", message_id, *post, "-o", "s.html", "--lang", "ru",
                       "--json"))  # fmt: skip

    paper = (tmp_path / "s.html").read_text()
    assert slip["url"] in paper
    assert 'lang="ru"' in paper
    assert (tmp_path / "s.html").stat().st_mode & 0o777 == 0o600
    page = httpx2.get(slip["url"], headers={"Accept-Language": "ru"})
    assert page.status_code == 200
    assert "Кто получил ваши медицинские записи" in page.text
    report = httpx2.get(slip["url"], headers={"Accept": "application/json"}).json()
    require_true(report)
    assert [one["recipient"]["id"] for one in report["disclosures"]] == [KZ]
    assert httpx2.get(slip["url"] + "x").status_code == 404
    audited = as_json(bhx("audit", "verify", "--json"))
    assert (audited["verified"], audited["entries_by_type"]["slip-issued"]) == (True, 1)


@pytest.mark.parametrize(("name", "starts"), [("s.png", b"\x89PNG"), ("s.SVG", b"<?xml")])
def test_the_code_alone_is_saved_as_a_picture(bhx, message_id, tmp_path, name, starts):
    shown = bhx("slip", "--message", message_id, "--data", "bhx-data", "-o", name)

    assert (tmp_path / name).read_bytes().startswith(starts)
    assert shown.stdout == ""
    assert "BHX_PUBLIC_URL is not set" in shown.stderr


def test_without_a_file_the_address_is_printed(bhx, message_id, monkeypatch):
    monkeypatch.setenv("BHX_PUBLIC_URL", "https://exchange.example/")

    shown = bhx("slip", "--message", message_id)

    assert shown.stdout.startswith("https://exchange.example/slip/")
    assert "BHX_PUBLIC_URL" not in shown.stderr


def test_no_slip_is_made_that_could_not_be_handed_out(bhx, served, message_id, tmp_path):
    post = ["--url", served, "--as", ALA, "--key", "0.key"]

    assert "no accepted message" in bhx("slip", "--message", "nothing", *post, code=1).stderr
    assert "no accepted message" in bhx("slip", "--message", "nothing", code=1).stderr
    bhx("slip", "--message", message_id, "-o", "s.pdf", code=2)
    bhx("slip", "--message", message_id, "--url", served, code=2)
    bhx("slip", "--message", message_id, "--url", served, "--as", KZ, "--key", "1.key", code=1)

    report = as_json(bhx("audit", "verify", "--json"))
    assert "slip-issued" not in report["entries_by_type"]


def test_the_operator_shows_who_received_what(bhx, message_id, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = bhx("disclosures", "--subject", SUBJECT)
    printed = bhx("disclosures", "--subject", "-", "--html", "r.html", "--lang", "ru", "--json",
                  stdin=SUBJECT + "\n")  # fmt: skip

    assert KZ in shown.stdout
    assert "Public health" in shown.stdout
    report = as_json(printed)
    require_true(report)
    assert report["reader"] == "operator"
    assert "diseases" not in report["disclosures"][0]["record"]
    page = (tmp_path / "r.html").read_text()
    assert "Кто получил ваши медицинские записи" in page
    assert "href" not in page
    assert (tmp_path / "r.html").stat().st_mode & 0o777 == 0o600
    for secret in ("Иванова", "1234567", "yellow"):
        assert secret not in shown.output + printed.output + page


def test_diseases_are_named_when_asked_for(bhx, message_id, tmp_path):
    shown = bhx("disclosures", "--subject", SUBJECT, "--diseases", "--html", "r.html",
                "--lang", "ru", "--json")  # fmt: skip

    assert as_json(shown)["disclosures"][0]["record"]["diseases"] == ["yellow-fever"]
    assert "Жёлтая лихорадка".lower() in (tmp_path / "r.html").read_text().lower()


def test_nobody_known_is_an_empty_report_and_is_entered_too(bhx, message_id):
    shown = bhx("disclosures", "--subject", "urn:bhx:test:passport|X")

    assert "Nothing about you was sent to anybody." in shown.stdout
    report = as_json(bhx("audit", "verify", "--json"))
    assert (report["verified"], report["entries_by_type"]["disclosures-read"]) == (True, 1)


@pytest.mark.parametrize("subject", ["N1", "|N1", "system|", " | "])
def test_a_document_has_a_system_and_a_value(bhx, subject):
    assert "SYSTEM|VALUE" in bhx("disclosures", "--subject", subject, code=2).output


def test_looking_makes_no_exchange(bhx, tmp_path):
    for look in (["disclosures", "--subject", SUBJECT], ["slip", "--message", "x"]):
        assert "holds no exchange" in bhx(*look, "--data", "none", code=2).stderr
    assert list(tmp_path.iterdir()) == []
