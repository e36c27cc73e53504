"""Checks a disclosure report from its JSON alone, with code of its own: RFC 6962, C2SP, Ed25519."""

import base64
import hashlib
import json

from tests.end_to_end.independent import checkpoint, leaf, unpadded


def root_from(index, size, hashed, path):
    """RFC 6962, 2.1.1, read backwards: the root that this path leads to from the leaf."""
    if size == 1:
        assert path == []
        return hashed
    split = 1
    while split * 2 < size:
        split *= 2
    *lower, sibling = path
    if index < split:
        left, right = root_from(index, split, hashed, lower), sibling
    else:
        left, right = sibling, root_from(index - split, size - split, hashed, lower)
    return hashlib.sha256(b"\x01" + left + right).digest()


def proven(told, trail):
    """The entry of a proof, once it leads to the root that the trail's key signed."""
    entry = unpadded(told["entry"])
    head, _, note = told["proof"].partition("\n\n")
    version, index, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    assert index == f"index {told['index']}"
    assert note == trail["checkpoint"]
    size, root = checkpoint(note, trail["key"])
    assert size == trail["size"]
    hashes = [base64.b64decode(one) for one in path]
    assert root_from(told["index"], size, leaf(entry), hashes) == root
    return json.loads(entry)


def require_true(report):
    """Every line of the report is what a proven entry says."""
    trail = report["trail"]
    reading = proven(report["reading"], trail)
    assert (reading["type"], reading["reader"]) == ("disclosures-read", report["reader"])
    for line in report["disclosures"]:
        entry = proven(line["proof"], trail)
        state = line["state"]["code"]
        assert entry["type"] == ("withheld" if state == "withheld" else "released")
        assert entry["delivery"] == line["delivery"]
        assert (entry["subscriber"], entry["number"]) == (line["recipient"]["id"], line["number"])
        assert entry["time"] == line["at"]
        if entry["type"] == "released":
            assert entry["purpose"] == line["purpose"]["code"]
            assert entry["view"] == line["view"]["code"]
            require_basis(entry["basis"], line["basis"])
        if "proof" in line.get("recall", {}):
            notice = proven(line["recall"]["proof"], trail)
            assert (notice["type"], notice["recalls"]) == ("recalled", line["delivery"])
            assert notice["deadline"] == line["recall"]["deadline"]
    for glass in report["broken_glass"]:
        assert proven(glass["proof"], trail)["grant"] == glass["grant"]


def require_basis(entered, told):
    if entered["kind"] == "sealed":
        assert (told["sealed"], entered["of"]) == (True, told["kind"])
    elif entered["kind"] == "mandate":
        for name in ("policy", "version", "mandate"):
            assert entered[name] == told[name]
    else:
        assert (entered["kind"], entered.get("entry")) == (told["kind"], told.get("entry"))
