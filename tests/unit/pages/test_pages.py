"""Pages for travellers: well-formed, in their language, and deaf to what names try."""

import re
import struct
import zlib
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from adapters.pages.report_page import report_page
from adapters.pages.slip_page import (
    later_page,
    opens_nothing_page,
    slip_on_terminal,
    slip_page,
    slip_picture,
)
from schemas.disclosure_report import (
    Coded,
    Disclosure,
    DisclosureReport,
    GivenConsent,
    Moment,
    Party,
    Proof,
    RecordKind,
    ReportedBasis,
    ReportedGlass,
    ReportedRecall,
    ReportedSlip,
    TrailName,
)

HOSTILE = "<script>alert('1')</script>\" onload=\"x &amp; \u202eabc\u2066\x00"
LONG = "Республиканское государственное учреждение «Департамент контроля» " * 3
URL = "https://exchange.example/slip/abcdefghijklmnopqrstuvwxyz234567"
EXPIRES = datetime(2027, 6, 1, tzinfo=UTC)
VOID = {"meta"}
AT = "2026-06-01T12:00:00.000Z"


class Read(HTMLParser):
    """A strict reader: every element that is opened is closed, in order."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.texts = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def proof(index):
    return Proof(index=index, entry=b"{}", proof="p")


def coded(code, text="text"):
    return Coded(code=code, text=text)


def disclosure(number, *, name=LONG, **members):
    usual = {
        "delivery": f"d{number}",
        "number": number,
        "state": coded("released", "Sent"),
        "at": AT,
        "recipient": Party(id="registry:kz", name=name, jurisdiction="KZ"),
        "sender": Party(id="poe:kz:ala", name=name, jurisdiction="KZ"),
        "record": RecordKind(
            type=coded("immunization"), event="e", accepted=Moment(at=AT, index=1)
        ),
        "view": coded("full"),
        "purpose": coded("PUBHLTH"),
        "basis": ReportedBasis(
            kind="consent",
            text="Your consent",
            entry=1,
            consents=(GivenConsent(identity="a|b", given_at="2026-05-01T10:00:00.000Z"),),
        ),
        "proof": proof(number + 10),
    }
    return Disclosure(**{**usual, **members})


def report(*disclosures, language="en", **members):
    return DisclosureReport(
        language=language,
        exchange="exchange:cis",
        made_at=AT,
        reader="slip",
        trail=TrailName(
            origin="exchange.example/trail",
            key="exchange.example/trail+7a1b2c3d+AUq1",
            size=99,
            checkpoint="exchange.example/trail\n99\nROOT=\n\n— x y\n",
        ),
        reading=proof(98),
        disclosures=disclosures,
        **members,
    )


def whole_report(language, name):
    recall = ReportedRecall(
        notice="n",
        number=2,
        cause=coded("consent-withdrawn"),
        deadline="2026-06-04T12:00:00.000Z",
        is_overdue=True,
        at=AT,
        proof=proof(5),
    )
    law = ReportedBasis(kind="mandate", text="law", law=name, citation=name, jurisdiction="KZ")
    glass = ReportedGlass(
        grant="g",
        participant=Party(id="registry:kz", name=name),
        reason=coded(name, name),
        opened_at=AT,
        until=AT,
        proof=proof(7),
        approver=Party(id="registry:kg", name=name),
    )
    lines = [
        disclosure(1, name=name, state=coded("recalled"), recall=recall, basis=law),
        disclosure(2, name=name, state=coded("withheld"), reason=coded("no-basis")),
        *(disclosure(number, name=name) for number in range(3, 13)),
    ]
    return report(
        *lines,
        language=language,
        broken_glass=(glass,),
        slips=(ReportedSlip(issued_at=AT, expires_at=AT),),
    )


PAGES = {
    "report": lambda language: report_page(whole_report(language, HOSTILE)),
    "report on the web": lambda language: report_page(whole_report(language, HOSTILE), on_web=True),
    "empty report": lambda language: report_page(report(language=language)),
    "slip": lambda language: slip_page(URL, EXPIRES, language),
    "opens nothing": opens_nothing_page,
    "later": later_page,
}


@pytest.fixture(params=PAGES)
def make(request):
    return PAGES[request.param]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_page_is_well_formed_and_says_its_language(make, language):
    page = make(language).decode()
    read = Read(page)

    assert page.startswith("<!DOCTYPE html>\n")
    assert [attributes for tag, attributes in read.tags if tag == "html"] == [{"lang": language}]
    assert [attributes for tag, attributes in read.tags if "charset" in attributes] == [
        {"charset": "utf-8"}
    ]
    assert [tag for tag, _ in read.tags].count("h1") == 1
    (title,) = re.findall("<title>(.*?)</title>", page)
    assert bool(re.search("[А-я]", title)) == (language == "ru")


def test_a_page_leads_nowhere_and_runs_nothing(make):
    page = make("en").decode()
    read = Read(page)

    allowed = {"html", "head", "meta", "title", "style", "body", "div", "span", "a", "h1", "h2",
               "p", "b", "bdi", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "section",
               "code", "main", "svg", "path"}  # fmt: skip
    assert {tag for tag, _ in read.tags} <= allowed
    for _, attributes in read.tags:
        assert attributes.keys().isdisjoint({"src", "style", "onload"})
        assert attributes.get("href", "?").startswith("?")
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    assert not re.search(r"url\(|@import|https?:|</", style)


@pytest.mark.parametrize("on_web", [True, False])
def test_hostile_names_are_only_text(on_web):
    read = Read(report_page(whole_report("en", HOSTILE), on_web=on_web).decode())

    shown = "<script>alert('1')</script>\" onload=\"x &amp; \ufffdabc\ufffd\ufffd"
    # Recipient and sender in each line; law, citation, participant, reason and approver.
    assert read.texts.count(shown) == 12 * 2 + 5
    for text in read.texts:
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00]", text)


def test_every_line_has_its_place_in_the_log():
    text = report_page(whole_report("en", LONG)).decode()

    for number in range(1, 13):
        assert f"log entry {number + 10}<" in text
    assert "ROOT=" in text
    assert "exchange.example/trail+7a1b2c3d+AUq1" in text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Nothing about you was sent to anybody."),
        ("ru", "Никому ничего о вас не передавали."),
    ],
)
def test_a_report_of_nothing_says_so(language, said):
    page = report_page(report(language=language)).decode()

    assert said in page
    assert "<table" not in page


def test_only_a_page_on_the_web_has_links():
    assert "href" not in report_page(report(disclosure(1))).decode()
    web = report_page(report(disclosure(1)), on_web=True).decode()
    assert re.findall('href="(.*?)"', web) == ["?lang=ru", "?format=json&amp;lang=en"]


def test_a_slip_shows_its_address_and_how_long_it_holds():
    page = slip_page(URL, EXPIRES, "ru").decode()

    assert f"<code>{URL}</code>" in page
    assert "Действует до 1 июня 2027" in page


def dark_squares(url):
    """The modules of a QR code as the PNG shows them, one dot for each scaled square."""
    data = slip_picture(url, "png")
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth = struct.unpack(">IIB", data[16:25])
    assert (width == height, depth) == (True, 1)
    packed = b"".join(re.findall(rb"IDAT(.*?).{4}.{4}(?:IEND|IDAT)", data, re.DOTALL))
    return width, zlib.decompress(packed)


def test_the_code_is_drawn_as_png_svg_and_on_a_terminal():
    width, raw = dark_squares(URL)
    assert len(raw) == width * ((width + 7) // 8 + 1)
    assert width > 400

    svg = slip_picture(URL, "svg").decode()
    assert svg.startswith("<?xml")
    assert "<svg" in svg
    lines = slip_on_terminal(URL).splitlines()
    assert len(lines) > 15
