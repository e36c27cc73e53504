"""The transparency trail: RFC 6962 tree, C2SP tiles, checkpoints, proofs and their verification."""
