"""What the bytes mean: strict JSON, envelopes, FHIR profiles, terminology, trail entries."""
