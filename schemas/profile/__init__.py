"""What the exchange accepts, on top of structurally valid FHIR R4 (STANDARDS 2.2, design)."""
