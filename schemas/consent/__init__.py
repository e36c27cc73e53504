"""What a traveller decided: a FHIR R4 Consent, read into a statement that rules can be asked."""
