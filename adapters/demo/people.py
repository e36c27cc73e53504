"""Invented travellers: plain common names of the region, each in its script, with invented papers.

No entry is a person: given and family names are drawn apart from lists of frequent names, birth
dates are random, and every document number comes from a system whose name says that it is a demo.
"""

import random as random_module
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

#: One name as it is written and as a machine-readable passport transliterates it (ICAO 9303-3).
Spelling = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Traveller:
    """One invented traveller.

    Attributes:
        key: number of the traveller in this demo.
        nationality: ISO 3166-1 alpha-2; chooses the names and papers, and stands in no record.
        family: family name, written and transliterated.
        given: given name, written and transliterated.
        identifiers: `(system, value)` of travel documents; empty for people without papers.
    """

    key: int
    nationality: str
    gender: str
    family: Spelling
    given: Spelling
    birth_date: date
    identifiers: tuple[tuple[str, str], ...]
    with_transliteration: bool


@dataclass(frozen=True, slots=True)
class _Names:
    """Frequent names of one country; family names as (male, female) pairs of spellings."""

    male: tuple[Spelling, ...]
    female: tuple[Spelling, ...]
    families: tuple[tuple[Spelling, Spelling], ...]


def _same(*names: str) -> tuple[Spelling, ...]:
    """Names already written in Latin letters that need no transliteration."""
    return tuple((name, name) for name in names)


def _pairs(*names: tuple[str, str, str, str]) -> tuple[tuple[Spelling, Spelling], ...]:
    return tuple(((name[0], name[1]), (name[2], name[3])) for name in names)


def _unisex(*names: Spelling) -> tuple[tuple[Spelling, Spelling], ...]:
    return tuple((name, name) for name in names)


_NAMES = {
    "KZ": _Names(
        male=(("Нұрлан", "Nurlan"), ("Ерлан", "Yerlan"), ("Асқар", "Askar"), ("Дәурен", "Dauren")),
        female=(("Айгүл", "Aigul"), ("Жанар", "Zhanar"), ("Мәдина", "Madina"), ("Әсел", "Assel")),
        families=_pairs(
            ("Ахметов", "Akhmetov", "Ахметова", "Akhmetova"),
            ("Жұмабеков", "Zhumabekov", "Жұмабекова", "Zhumabekova"),
            ("Оспанов", "Ospanov", "Оспанова", "Ospanova"),
            ("Қасымов", "Kassymov", "Қасымова", "Kassymova"),
        ),
    ),
    "KG": _Names(
        male=(("Азамат", "Azamat"), ("Бакыт", "Bakyt"), ("Нурбек", "Nurbek"), ("Өмүр", "Omur")),
        female=(("Айзада", "Aizada"), ("Гүлнара", "Gulnara"), ("Назгүл", "Nazgul")),
        families=_pairs(
            ("Асанов", "Asanov", "Асанова", "Asanova"),
            ("Токтогулов", "Toktogulov", "Токтогулова", "Toktogulova"),
            ("Мамытов", "Mamytov", "Мамытова", "Mamytova"),
        ),
    ),
    "TJ": _Names(
        male=(("Фирдавс", "Firdavs"), ("Далер", "Daler"), ("Ҷамшед", "Jamshed"), ("Умед", "Umed")),
        female=(("Мадина", "Madina"), ("Зарина", "Zarina"), ("Ситора", "Sitora")),
        families=(
            *_unisex(("Раҳимзода", "Rahimzoda"), ("Шарифзода", "Sharifzoda")),
            *_pairs(
                ("Назаров", "Nazarov", "Назарова", "Nazarova"),
                ("Қурбонов", "Qurbonov", "Қурбонова", "Qurbonova"),
            ),
        ),
    ),
    "UZ": _Names(
        male=(
            ("Шерзод", "Sherzod"),
            ("Жасур", "Jasur"),
            ("Улуғбек", "Ulugbek"),
            ("Ботир", "Botir"),
        ),
        female=(("Дилноза", "Dilnoza"), ("Нигора", "Nigora"), ("Гулчеҳра", "Gulchehra")),
        families=_pairs(
            ("Каримов", "Karimov", "Каримова", "Karimova"),
            ("Юсупов", "Yusupov", "Юсупова", "Yusupova"),
            ("Тўраев", "Turaev", "Тўраева", "Turaeva"),
        ),
    ),
    "RU": _Names(
        male=(("Алексей", "Aleksei"), ("Дмитрий", "Dmitrii"), ("Сергей", "Sergei")),
        female=(("Анна", "Anna"), ("Ольга", "Olga"), ("Наталья", "Natalia")),
        families=_pairs(
            ("Иванов", "Ivanov", "Иванова", "Ivanova"),
            ("Смирнов", "Smirnov", "Смирнова", "Smirnova"),
            ("Соловьёв", "Solovev", "Соловьёва", "Soloveva"),
        ),
    ),
    "UA": _Names(
        male=(("Андрій", "Andrii"), ("Олексій", "Oleksii"), ("Тарас", "Taras")),
        female=(("Оксана", "Oksana"), ("Наталія", "Nataliia"), ("Ірина", "Iryna")),
        families=_unisex(
            ("Шевченко", "Shevchenko"), ("Бондаренко", "Bondarenko"), ("Ткачук", "Tkachuk")
        ),
    ),
    "MD": _Names(
        male=(*_same("Ion", "Vasile"), ("Ștefan", "Stefan")),
        female=(*_same("Maria", "Elena"), ("Ștefania", "Stefania")),
        families=_unisex(("Rusu", "Rusu"), ("Ceban", "Ceban"), ("Țurcanu", "Turcanu")),
    ),
    "AZ": _Names(
        male=(("Elçin", "Elchin"), ("Rəşad", "Rashad"), ("Orxan", "Orkhan")),
        female=(("Günel", "Gunel"), ("Aygün", "Aygun"), ("Leyla", "Leyla")),
        families=_pairs(
            ("Məmmədov", "Mammadov", "Məmmədova", "Mammadova"),
            ("Əliyev", "Aliyev", "Əliyeva", "Aliyeva"),
        ),
    ),
    "TR": _Names(
        male=(("Mehmet", "Mehmet"), ("Oğuz", "Oguz"), ("Emre", "Emre")),
        female=(("Ayşe", "Ayse"), ("Fatma", "Fatma"), ("Zeynep", "Zeynep")),
        families=_unisex(("Yılmaz", "Yilmaz"), ("Demir", "Demir"), ("Çelik", "Celik")),
    ),
    "PL": _Names(
        male=(("Piotr", "Piotr"), ("Paweł", "Pawel")),
        female=(("Katarzyna", "Katarzyna"), ("Małgorzata", "Malgorzata")),
        families=(
            *_unisex(("Nowak", "Nowak")),
            *_pairs(("Kowalski", "Kowalski", "Kowalska", "Kowalska")),
        ),
    ),
}

#: (youngest, oldest) in years, and how often: mostly people of working age, with families.
_AGES = ((0, 2, 6), (3, 15, 12), (16, 45, 56), (46, 64, 18), (65, 84, 8))

_WITHOUT_PAPERS = 0.12
_WITH_TRANSLITERATION = 0.5
_WITH_SECOND_DOCUMENT = 0.15


def travellers(random: random_module.Random, *, count: int, today: date) -> list[Traveller]:
    """`count` different travellers, always the same for the same state of `random`."""
    return [_traveller(random, key, today) for key in range(count)]


def _traveller(random: random_module.Random, key: int, today: date) -> Traveller:
    nationality = random.choice(list(_NAMES))
    names = _NAMES[nationality]
    gender = random.choice(("male", "female"))
    family = random.choice(names.families)[gender == "female"]
    given = random.choice(names.male if gender == "male" else names.female)
    return Traveller(
        key=key,
        nationality=nationality,
        gender=gender,
        family=family,
        given=given,
        birth_date=_birth_date(random, today),
        identifiers=tuple(_documents(random, nationality, key)),
        with_transliteration=(
            (family[0], given[0]) != (family[1], given[1])
            and random.random() < _WITH_TRANSLITERATION
        ),
    )


def _birth_date(random: random_module.Random, today: date) -> date:
    youngest, oldest = random.choices(
        [(low, high) for low, high, _ in _AGES], weights=[weight for *_, weight in _AGES]
    )[0]
    # At least two weeks old: before that nothing in the demo's products may have been given.
    return today - timedelta(days=random.randint(max(youngest * 366, 14), oldest * 365 + 364))


def _documents(
    random: random_module.Random, nationality: str, key: int
) -> Iterator[tuple[str, str]]:
    """Papers with the traveller's number in them, so that no two travellers share one."""
    if random.random() < _WITHOUT_PAPERS:
        return
    country = nationality.lower()
    yield f"urn:bhx:demo:passport:{country}", f"{nationality}{random.randint(10, 99)}{key:05d}"
    if random.random() < _WITH_SECOND_DOCUMENT:
        yield f"urn:bhx:demo:national-id:{country}", f"DEMO-{random.randint(1000, 9999)}-{key:05d}"


def human_names(traveller: Traveller) -> Sequence[dict[str, object]]:
    """The FHIR HumanNames of a traveller: as written, and at times as the passport spells it."""
    names: list[dict[str, object]] = [
        {"use": "official", "family": traveller.family[0], "given": [traveller.given[0]]}
    ]
    if traveller.with_transliteration:
        names.append({"use": "usual", "family": traveller.family[1], "given": [traveller.given[1]]})
    return names
