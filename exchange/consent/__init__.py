"""Is there a basis? Pure rules over what travellers consented to and what law says.

docs/consent.md is the contract; `decision.decide` is where it comes together.
"""
