"""What the exchange says of itself in FHIR: the R4 CapabilityStatement."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from schemas.fhir_names import endpoint_of

#: This statement's own date: change it with the statement.
_DATE = "2026-11-24"


def software_version() -> str:
    """The installed version, or 0 when it runs from a source tree."""
    try:
        return version("border-health-exchange")
    except PackageNotFoundError:
        return "0"


def capability_statement(base_url: str, exchange: str) -> dict[str, Any]:
    """The CapabilityStatement of an exchange that participants reach at `base_url`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Border Health Exchange", "version": software_version()},
        "implementation": {
            "description": "A message broker for vaccination and test records.",
            "url": f"{base_url}/fhir",
        },
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    "Messaging only. $process-message is synchronous: every request is answered"
                    " with the decision, and async and response-url are ignored."
                ),
                "security": {
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": (
                                        "http://terminology.hl7.org/CodeSystem/"
                                        "restful-security-service"
                                    ),
                                    "code": "SMART-on-FHIR",
                                }
                            ]
                        }
                    ],
                    "description": (
                        "Messages carry a detached JWS of their sender in x-jws-signature;"
                        " everything else needs a SMART Backend Services login."
                    ),
                },
                "operation": [
                    {
                        "name": "process-message",
                        "definition": (
                            "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"
                        ),
                    }
                ],
            }
        ],
        "messaging": [
            {
                "endpoint": [
                    {
                        "protocol": {
                            "system": "http://terminology.hl7.org/CodeSystem/message-transport",
                            "code": "http",
                        },
                        "address": f"{base_url}/fhir/$process-message",
                    }
                ],
                "documentation": (
                    f"The exchange is {endpoint_of(exchange)}. The same bytes get the same answer"
                    " for as long as the trail is kept."
                ),
            }
        ],
    }
