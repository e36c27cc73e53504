"""The codes of docs/consent.md, written down a second time for the naive reading."""


def words(text: str) -> list[str]:
    return text.split()


ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
ACTIONS = ["collect", "access", "use", "disclose", "correct"]
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PARTICIPANT = "urn:bhx:participant"
COUNTRY = "urn:iso:std:iso:3166"
PCF = "https://profiles.ihe.net/ITI/PCF/"
PCF_POLICIES = [
    PCF + "Policy-all-normal",
    PCF + "Policy-basic-normal",
    PCF + "Policy-break-glass-only",
    PCF + "Policy-deny",
]

# Sections 1 and 3: purposes, each with the one above it (v3-ActReason, purposes of use).
CLOSED_PURPOSES = words("TREAT ETREAT COC PUBHLTH THREAT DISASTER PATRQT BTG")
_BRANCHES = {
    "TREAT": "ETREAT COC CLINTRL POPHLTH TREATDS",
    "ETREAT": "BTG ERTREAT",
    "PUBHLTH": "DISASTER THREAT",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE ELIGDTRM ELIGVER ENROLLM MILDCRG REMITADV",
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP "
    "HQUALIMP HSYSADMIN LABELING MEMADMIN METAMGT MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT "
    "SYSDEV TRAIN",
    "RECORDMGT": "HTEST",
}
ABOVE = {below: above for above, all_below in _BRANCHES.items() for below in all_below.split()}
PURPOSES = {*ABOVE, *_BRANCHES, "HMARKT"}

# Section 3: v3-ActCode, sensitivity of information, without codes that only group others.
SENSITIVITY = set(
    words(
        "ADOL B CEL COGN DEMO DIA DOB DRGIS DVD EMOTDIS EMP EMPL ETH ETHUD GDIS GENDER HIV "
        "IDS LIVARG LOCIS MARST MH MST OPIOIDUD PDS PHY PREGNANT PRS PSY PSYTHPN RACE "
        "REL SCA SDV SEX SICKLE SSP STD TBOO VIO"
    )
)
STATUSES = words("draft proposed active rejected inactive entered-in-error")
CONFIDENTIALITY_ORDER = ["U", "L", "M", "N", "R", "V"]
VIEW_ORDER = ["full", "minimum", "pseudonymous", "verdict"]
R4_RESOURCES = set(
    words(
        "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment "
        "AppointmentResponse AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure "
        "Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem "
        "ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication "
        "CommunicationRequest CompartmentDefinition Composition ConceptMap Condition Consent "
        "Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse "
        "DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement "
        "DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis "
        "Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare "
        "EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit "
        "FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse "
        "HealthcareService ImagingStudy Immunization ImmunizationEvaluation "
        "ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage "
        "List Location Measure MeasureReport Media Medication MedicationAdministration "
        "MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement "
        "MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication "
        "MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction "
        "MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical "
        "MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence "
        "NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition "
        "OperationOutcome Organization OrganizationAffiliation Parameters Patient "
        "PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner "
        "PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse "
        "RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition "
        "ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule "
        "SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition "
        "StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer "
        "SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial "
        "SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities "
        "TestReport TestScript ValueSet VerificationResult VisionPrescription"
    )
)

# Section 3: the alpha-2 codes of ISO 3166-1.
COUNTRIES = set(
    words(
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO "
        "BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ "
        "DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP "
        "GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG "
        "KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML "
        "MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE "
        "PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL "
        "SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM "
        "US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
    )
)
