"""Is this JSON valid FHIR R4 4.0.1? One path that is fast, one that explains; the same rules."""
