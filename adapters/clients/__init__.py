"""What participants import: publisher, subscriber, auditor."""
