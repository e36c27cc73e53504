"""Vaccines and tests that the demo's records are about: real products and pinned codes."""

from dataclasses import dataclass
from decimal import Decimal

from schemas.fhir_names import ATC, CVX, EU_MEDICINAL_PRODUCTS, ICD_11, LOINC, SNOMED_CT

#: FHIR Coding as (system, code, display).
Coding = tuple[str, str, str]

INTRAMUSCULAR: Coding = (SNOMED_CT, "78421000", "Intramuscular route")
SUBCUTANEOUS: Coding = (SNOMED_CT, "34206005", "Subcutaneous route")
INTRADERMAL: Coding = (SNOMED_CT, "372464004", "Intradermal route")
ORAL: Coding = (SNOMED_CT, "26643006", "Oral route")

DETECTED: Coding = (SNOMED_CT, "260373001", "Detected")
NOT_DETECTED: Coding = (SNOMED_CT, "260415000", "Not detected")
POSITIVE: Coding = (SNOMED_CT, "10828004", "Positive")
NEGATIVE: Coding = (SNOMED_CT, "260385009", "Negative")

NASOPHARYNGEAL_SWAB: Coding = (SNOMED_CT, "258500001", "Nasopharyngeal swab")
VENOUS_BLOOD: Coding = (SNOMED_CT, "122555007", "Venous blood specimen")
SPUTUM: Coding = (SNOMED_CT, "119334006", "Sputum specimen")


@dataclass(frozen=True, slots=True)
class Vaccine:
    """One product.

    Attributes:
        disease: key of our terminology.
        target: what protocolApplied says; None leaves the disease to the product code.
        dose: millilitres, with the digits a record shows.
        ages: youngest and oldest age in years at which the demo gives it.
        doses: length of the series.
    """

    disease: str
    name: str
    manufacturer: str
    lot_prefix: str
    codings: tuple[Coding, ...]
    target: Coding | None
    dose: Decimal
    route: Coding
    ages: tuple[int, int]
    doses: int


@dataclass(frozen=True, slots=True)
class LaboratoryTest:
    """One examination; `specimen` is a Coding or, where no code is pinned, plain words."""

    disease: str
    name: str
    coding: Coding
    specimen: Coding | str
    results: tuple[Coding, Coding]
    youngest: int = 0


_YELLOW_FEVER: Coding = (SNOMED_CT, "16541001", "Yellow fever")
_POLIOMYELITIS: Coding = (SNOMED_CT, "398102009", "Acute poliomyelitis")
_MEASLES: Coding = (SNOMED_CT, "14189004", "Measles")
_MENINGOCOCCAL: Coding = (SNOMED_CT, "23511006", "Meningococcal infectious disease")
_CHOLERA: Coding = (SNOMED_CT, "63650001", "Cholera")
_INFLUENZA: Coding = (SNOMED_CT, "6142004", "Influenza")
_COVID_19: Coding = (SNOMED_CT, "840539006", "COVID-19")

VACCINES = (
    Vaccine(
        "yellow-fever", "Stamaril", "Sanofi Pasteur", "V3J",
        (
            (CVX, "183", "Yellow fever vaccine live - alt"),
            (ICD_11, "XM3418", "Yellow fever, live attenuated"),
        ),
        _YELLOW_FEVER, Decimal("0.50"), SUBCUTANEOUS, (1, 59), 1,
    ),
    Vaccine(
        "yellow-fever", "Yellow fever vaccine (Chumakov)", "Chumakov Center", "610",
        ((ATC, "J07BL01", "yellow fever, live attenuated"),),
        _YELLOW_FEVER, Decimal("0.5"), SUBCUTANEOUS, (1, 59), 1,
    ),
    Vaccine(
        "poliomyelitis", "Imovax Polio", "Sanofi Pasteur", "R1C",
        (
            (CVX, "10", "IPV"),
            (ATC, "J07BF03", "poliomyelitis, trivalent, inactivated, whole virus"),
        ),
        _POLIOMYELITIS, Decimal("0.50"), INTRAMUSCULAR, (0, 70), 3,
    ),
    Vaccine(
        "poliomyelitis", "BiVac polio", "Chumakov Center", "BVP",
        ((ICD_11, "XM79H3", "Poliomyelitis oral, bivalent, live attenuated"),),
        _POLIOMYELITIS, Decimal("0.20"), ORAL, (0, 15), 3,
    ),
    Vaccine(
        "measles", "Priorix", "GlaxoSmithKline", "A69C",
        ((CVX, "03", "MMR"), (ICD_11, "XM8TF3", "Measles, combinations with mumps and rubella")),
        _MEASLES, Decimal("0.50"), SUBCUTANEOUS, (1, 50), 2,
    ),
    Vaccine(
        "measles", "Measles and rubella vaccine", "Serum Institute of India", "012N",
        (
            (CVX, "04", "M/R"),
            (ATC, "J07BD53", "measles, combinations with rubella, live attenuated"),
        ),
        None, Decimal("0.50"), SUBCUTANEOUS, (1, 50), 2,
    ),
    Vaccine(
        "meningococcal", "Nimenrix", "Pfizer", "EX",
        ((CVX, "203", "meningococcal conjugate quadrivalent, MenACWY-TT (MCV4)"),),
        _MENINGOCOCCAL, Decimal("0.50"), INTRAMUSCULAR, (1, 60), 1,
    ),
    Vaccine(
        "cholera", "Euvichol-Plus", "EuBiologics", "EUV",
        ((CVX, "173", "cholera, BivWC"), (ATC, "J07AE01", "cholera, inactivated, whole cell")),
        _CHOLERA, Decimal("1.50"), ORAL, (2, 70), 2,
    ),
    Vaccine(
        "influenza", "Ultrix Quadri", "FORT", "UQ",
        ((ATC, "J07BB02", "influenza, inactivated, split virus or surface antigen"),),
        _INFLUENZA, Decimal("0.50"), INTRAMUSCULAR, (1, 90), 1,
    ),
    Vaccine(
        "influenza", "Vaxigrip Tetra", "Sanofi Pasteur", "W3B",
        ((CVX, "150", "influenza, injectable, quadrivalent, preservative free"),),
        None, Decimal("0.50"), INTRAMUSCULAR, (1, 90), 1,
    ),
    Vaccine(
        "covid-19", "Comirnaty", "BioNTech", "HM",
        (
            (CVX, "309", "COVID-19, mRNA, LNP-S, PF, tris-sucrose, 30 mcg/0.3 mL"),
            (EU_MEDICINAL_PRODUCTS, "EU/1/20/1528", "Comirnaty"),
        ),
        _COVID_19, Decimal("0.30"), INTRAMUSCULAR, (12, 90), 2,
    ),
    Vaccine(
        "covid-19", "Sputnik V", "Gamaleya Research Institute", "I-",
        ((CVX, "505", "COVID-19 VVnr Non-US Vaccine (Sputnik V)"),),
        _COVID_19, Decimal("0.50"), INTRAMUSCULAR, (18, 90), 2,
    ),
    Vaccine(
        "mpox", "Jynneos", "Bavarian Nordic", "FDP",
        ((CVX, "206", "Vaccinia, smallpox Mpox vaccine live, PF, SQ or ID injection"),),
        None, Decimal("0.50"), SUBCUTANEOUS, (18, 60), 2,
    ),
    Vaccine(
        "tuberculosis", "BCG vaccine", "Serum Institute of India", "037G",
        ((CVX, "19", "BCG"), (ATC, "J07AN01", "tuberculosis, live attenuated")),
        None, Decimal("0.05"), INTRADERMAL, (0, 1), 1,
    ),
    Vaccine(
        "hpv", "Gardasil 9", "Merck Sharp & Dohme", "X01",
        ((CVX, "165", "HPV9"), (ATC, "J07BM03", "papillomavirus (9 human types)")),
        None, Decimal("0.50"), INTRAMUSCULAR, (9, 26), 2,
    ),
    Vaccine(
        "rsv", "Abrysvo", "Pfizer", "HJ",
        ((CVX, "305", "RSV, bivalent, protein subunit RSVpreF"),),
        None, Decimal("0.50"), INTRAMUSCULAR, (60, 90), 1,
    ),
)  # fmt: skip

TESTS = (
    LaboratoryTest(
        "covid-19", "Real-time PCR",
        (LOINC, "94500-6", "SARS-CoV-2 RNA Resp Ql NAA+probe"),
        NASOPHARYNGEAL_SWAB, (NOT_DETECTED, DETECTED),
    ),
    LaboratoryTest(
        "covid-19", "Rapid immunoassay",
        (LOINC, "94558-4", "SARS-CoV-2 Ag Resp Ql IA.rapid"),
        NASOPHARYNGEAL_SWAB, (NOT_DETECTED, DETECTED),
    ),
    LaboratoryTest(
        "tuberculosis", "Interferon-gamma release assay",
        (
            LOINC,
            "71773-6",
            "Mycobacterium tuberculosis stimulated gamma interferon [Presence] in Blood",
        ),
        VENOUS_BLOOD, (NEGATIVE, POSITIVE), 5,
    ),
    LaboratoryTest(
        "tuberculosis", "Real-time PCR",
        (
            LOINC,
            "38379-4",
            "Mycobacterium tuberculosis complex DNA [Presence] in Specimen by NAA with probe "
            "detection",
        ),
        SPUTUM, (NOT_DETECTED, DETECTED), 5,
    ),
    LaboratoryTest(
        "influenza", "Real-time PCR",
        (
            LOINC,
            "92142-9",
            "Influenza virus A RNA [Presence] in Respiratory specimen by NAA with probe detection",
        ),
        NASOPHARYNGEAL_SWAB, (NOT_DETECTED, DETECTED),
    ),
    LaboratoryTest(
        "measles", "Real-time PCR",
        (LOINC, "48508-6", "Measles virus RNA [Presence] in Specimen by NAA with probe detection"),
        NASOPHARYNGEAL_SWAB, (NOT_DETECTED, DETECTED),
    ),
    LaboratoryTest(
        "mpox", "Real-time PCR",
        (
            LOINC,
            "100383-9",
            "Monkeypox virus DNA [Presence] in Specimen by NAA with probe detection",
        ),
        "Swab from a skin lesion", (NOT_DETECTED, DETECTED), 16,
    ),
)  # fmt: skip
