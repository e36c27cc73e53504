"""The disclosure report as a page that a person without technical knowledge understands."""

from collections import Counter
from typing import Final
from xml.etree import ElementTree as ET

from adapters.pages.document import Child, day, document, element, foreign, moment
from adapters.pages.style import STYLE
from schemas.disclosure_report import (
    Disclosure,
    DisclosureReport,
    Party,
    ReportedBasis,
    ReportedGlass,
    ReportedRecall,
)
from schemas.sentences.catalogue import LANGUAGES, say
from schemas.terminology.diseases import disease_names

_NAMES: Final = {"en": "English", "ru": "Русский"}


def report_page(report: DisclosureReport, *, on_web: bool = False) -> bytes:
    """The page, in the report's language.

    Args:
        report: what is told.
        on_web: whether it answers at an address, where the other language and the copy for
            computers can be asked for.
    """
    return _ReportPage(report, on_web=on_web).page()


def top(language: str, exchange: str | None = None, *, switch: bool = False) -> ET.Element:
    """The line above every page; with `switch` the other languages can be asked for."""
    links = [
        element("a", _NAMES[other], href=f"?lang={other}", lang=other, class_="on-screen")
        for other in LANGUAGES
        if switch and other != language
    ]
    named = None if exchange is None else foreign(exchange)
    brand = element("span", say("page.brand", (), language), " · " if named is not None else "")
    if named is not None:
        brand.append(named)
    return element("div", brand, element("span", *links), class_="top")


class _ReportPage:
    def __init__(self, report: DisclosureReport, *, on_web: bool) -> None:
        self._report = report
        self._on_web = on_web
        self._language = report.language

    def page(self) -> bytes:
        title = self._say("report.title")
        report = self._report
        return document(
            title=title,
            language=self._language,
            style=STYLE,
            body=[
                top(self._language, report.exchange, switch=self._on_web),
                element("h1", title),
                element("p", self._say("report.lead", self._moment(report.made_at))),
                *self._lines(),
                *self._glass(),
                element("div", self._objecting(), self._checking(), class_="columns"),
                self._trail(),
                *self._slips(),
            ],
        )

    def _say(self, key: str, *words: str) -> str:
        return say(key, words, self._language)

    def _moment(self, time: str) -> str:
        return moment(time, self._language)

    def _day(self, time: str) -> str:
        return day(time, self._language)

    def _lines(self) -> list[Child]:
        lines = self._report.disclosures
        if not lines:
            return [element("p", self._say("report.nothing"), class_="none")]
        states = Counter(one.state.code for one in lines)
        counts = (states["released"] + states["recalled"], states["withheld"], states["recalled"])
        columns = {
            "date": self._say("report.when"),
            "who": self._say("report.who"),
            "what": self._say("report.what"),
            "why": self._say("report.why"),
            "since": self._say("report.since"),
        }
        heads = [element("th", text, class_=name, scope="col") for name, text in columns.items()]
        rows = [
            element(
                "tr",
                *(
                    element("td", *cell, data_label=label)
                    for label, cell in zip(columns.values(), self._cells(one), strict=True)
                ),
            )
            for one in lines
        ]
        return [
            element("p", element("b", self._say("report.counts", *map(str, counts)))),
            element("table", element("thead", element("tr", *heads)), element("tbody", *rows)),
        ]

    def _cells(self, one: Disclosure) -> list[list[Child]]:
        diseases = ", ".join(_disease(key, self._language) for key in one.record.diseases or ())
        return [
            [
                _line(self._moment(one.at)),
                _soft(self._say("report.entry", str(one.proof.index))),
            ],
            [
                element("div", element("b", _name_of(one.recipient))),
                _soft(_place_of(one.recipient)),
            ],
            [
                _line(element("b", one.record.type.text)),
                _line(one.view.text),
                _line(self._say("report.diseases", diseases)) if diseases else None,
                _soft(
                    self._say("report.entered-by"),
                    " ",
                    _name_of(one.sender),
                    f", {self._day(one.record.accepted.at)}",
                ),
            ],
            [_line(element("b", one.purpose.text)), *self._basis(one.basis)],
            [
                _line(element("span", one.state.text, class_=f"state {one.state.code}")),
                *self._since(one),
            ],
        ]

    def _basis(self, basis: ReportedBasis) -> list[Child]:
        given = ", ".join(dict.fromkeys(self._day(one.given_at) for one in basis.consents or ()))
        cited = [one for one in (basis.law, basis.citation) if one]
        country = f" ({basis.jurisdiction})" if cited and basis.jurisdiction else None
        return [
            _line(basis.text),
            _line(self._say("report.consent-of", given)) if given else None,
            *(_soft(foreign(text)) for text in cited[:1]),
            *(_soft(foreign(text), country) for text in cited[1:]),
        ]

    def _since(self, one: Disclosure) -> list[Child]:
        if one.state.code == "withheld":
            return [_line(one.reason.text)] if one.reason else []
        told: list[Child] = [_line(self._say("report.not-signed-for"))]
        if one.acknowledged is not None:
            told = [_line(self._say("report.signed-for", self._day(one.acknowledged.at)))]
        return told if one.recall is None else [*told, *self._recall(one.recall)]

    def _recall(self, recall: ReportedRecall) -> list[Child]:
        told: list[Child] = [_line(self._say("report.will-be-told", recall.cause.text))]
        if recall.at is not None:
            at = self._day(recall.at)
            told = [_line(self._say("report.told-to-stop", at, recall.cause.text))]
        deadline = self._day(recall.deadline)
        if recall.answer is not None and recall.answered is not None:
            at = self._day(recall.answered.at)
            told.append(_line(self._say("report.answered", at, recall.answer.text)))
        elif recall.is_overdue:
            told.append(element("div", self._say("report.overdue", deadline), class_="late"))
        else:
            told.append(_line(self._say("report.answer-by", deadline)))
        return told

    def _glass(self) -> list[Child]:
        grants = self._report.broken_glass
        if not grants:
            return []
        lines = [element("li", *self._grant(one)) for one in grants]
        return [element("h2", self._say("report.glass-title")), element("ul", *lines)]

    def _grant(self, one: ReportedGlass) -> list[Child]:
        opened = self._moment(one.opened_at), self._moment(one.until)
        outcome = one.outcome.text if one.outcome else self._say("report.glass-open")
        line: list[Child] = [
            element("b", _name_of(one.participant)),
            ". ",
            self._say("report.glass", *opened),
            " ",
            self._say("report.glass-why"),
            " ",
            foreign(one.reason.text),
            ".",
        ]
        if one.approver is not None:
            line += [" ", self._say("report.glass-approver"), " ", _name_of(one.approver), "."]
        return [*line, f" {outcome}"]

    def _objecting(self) -> ET.Element:
        ways = ("report.object-consent", "report.object-law", "report.object-erase")
        return element(
            "section",
            element("h2", self._say("report.object-title")),
            element("ul", *(element("li", self._say(way)) for way in ways)),
        )

    def _checking(self) -> ET.Element:
        copy: list[Child] = [self._say("report.copy-of-operator")]
        if self._on_web:
            address = f"?format=json&lang={self._language}"
            copy = [
                element("a", self._say("report.copy"), href=address, class_="on-screen"),
                element("span", self._say("report.copy-on-paper"), class_="on-paper"),
            ]
        return element(
            "section",
            element("h2", self._say("report.check-title")),
            element("p", self._say("report.check")),
            element("p", *copy),
        )

    def _trail(self) -> ET.Element:
        trail = self._report.trail
        root = trail.checkpoint.split("\n")[2]
        return element(
            "div",
            _line(self._say("report.trail", trail.origin, str(trail.size))),
            _line(self._say("report.root"), " ", element("code", root)),
            _line(self._say("report.key"), " ", element("code", trail.key)),
            _line(self._say("report.reading", str(self._report.reading.index))),
            class_="proof",
        )

    def _slips(self) -> list[Child]:
        slips = self._report.slips
        if not slips:
            return []
        lines = [
            self._say("report.slip", self._day(one.issued_at), self._day(one.expires_at))
            for one in slips
        ]
        return [
            element("h2", self._say("report.slips-title")),
            element("ul", *(element("li", one) for one in lines)),
            element("p", self._say("report.slips"), class_="soft"),
        ]


def _line(*children: Child) -> ET.Element:
    return element("div", *children)


def _soft(*children: Child) -> ET.Element:
    return element("div", *children, class_="soft")


def _disease(key: str, language: str) -> str:
    """Its name; one that our terminology has no longer keeps its key."""
    try:
        return disease_names(key).get(language, key)
    except KeyError:
        return key


def _name_of(party: Party) -> ET.Element:
    return foreign(party.name or party.id)


def _place_of(party: Party) -> str:
    return party.id if party.jurisdiction in {None, "*"} else f"{party.id} · {party.jurisdiction}"
