"""Whether an event is really its gateway's: Ed25519 over the canonical form (RFC 8785) of the envelope without `signature`.

Trusted keys are files of one folder, `{gateway}.json`: what `gridwatch keys show` printed on the box, handed over by
another way than the broker; or `{gateway}.*.json`, for a box of before under the same name. They are read anew for every event.
"""

import base64
import binascii
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .contract import Invalid
from .topics import Address


def canonical(value: Any) -> bytes:
    """RFC 8785 for what valid events hold: keys of ASCII, whole numbers, fractions of four digits."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check(folder: Path, gateway: str, envelope: dict[str, Any]) -> None:
    """Raises `Invalid` unless a key of this gateway has signed the event as it is."""
    key_id, signature = envelope.get("sigkeyid"), envelope.get("signature")
    if key_id is None or signature is None:
        raise Invalid("is not signed")
    key = _keys(folder, gateway, envelope["source"]).get(key_id)
    if key is None:
        raise Invalid(f"signed by key {key_id}, which no file of this gateway in the folder of keys holds")
    bare = {name: member for name, member in envelope.items() if name != "signature"}
    if not _verifies(key, signature, canonical(bare)):
        raise Invalid("the signature does not hold: changed on the way, or made up")


def holds(folder: Path, address: Address, envelope: dict[str, Any]) -> bool:
    """Whether a message that is not valid is all the same the gateway's own and meant for this topic. Nothing else of
    it has been checked: any member may be missing or of any kind."""
    try:
        is_meant = (envelope["source"], envelope["data"]["kind"]) == (address.place.source, address.rest[0])
        check(folder, address.place.gateway, envelope)
    except (Invalid, KeyError, TypeError, ValueError, RecursionError):
        return False
    return is_meant


def _keys(folder: Path, gateway: str, source: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for path in sorted([*folder.glob(f"{gateway}.json"), *folder.glob(f"{gateway}.*.json")]):
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))["keys"]
            told = [(entry["id"], base64.b64decode(entry["public_key"]), entry["gateway"]) for entry in listed]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Invalid(f"the file of keys {path.name} cannot be used: {type(error).__name__}") from None
        keys |= {name: key for name, key, owner in told
                 if owner == source and hashlib.sha256(key).hexdigest()[:32] == name}
    return keys


def _verifies(key: bytes, signature: str, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature), message)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
