"""What a payload must be before anything of it is stored: the contract's own schemas, and what no schema can say."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from .topics import Address

MAX_EVENT_BYTES = 1024 * 1024
MAX_PICTURE_BYTES = 256 * 1024
# The contract needs fewer than ten. What the parser can just read, the validator or the database's writer may not be able to walk.
_MOST_LEVELS = 64
# `gridwatch emit-test` numbers its events in an epoch of zeros: it belongs to no outbox and has no other numbers.
NO_EPOCH = UUID(int=0)


class Invalid(Exception):
    """Why a payload goes into quarantine: in words, without the payload's own."""


@dataclass(frozen=True)
class Event:
    """A valid event. `envelope` is the whole message as parsed, `sha256` of the bytes that came."""

    event_id: UUID
    revision: int
    epoch: UUID
    seq: int
    gone: list[dict[str, Any]]
    envelope: dict[str, Any]
    sha256: str

    @property
    def data(self) -> dict[str, Any]:
        """What `grid-event-1.schema.json` describes."""
        return self.envelope["data"]


@dataclass(frozen=True)
class Number:
    """Of an event: which life of the gateway's outbox, and its place there."""

    epoch: UUID
    seq: int


def sha256(payload: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


class Contract:
    """The schemas of one folder, loaded once."""

    def __init__(self, folder: Path) -> None:
        read = lambda name: json.loads((folder / f"{name}-1.schema.json").read_text(encoding="utf-8"))  # noqa: E731
        event = read("grid-event")
        registry = Registry().with_resource(event["$id"], Resource.from_contents(event))
        validator = lambda name: Draft202012Validator(read(name), registry=registry)  # noqa: E731
        self._envelope, self._metrics, self._response = validator("envelope"), validator("metrics"), validator("response")

    def event(self, address: Address, payload: bytes) -> Event:
        """The event, or `Invalid`."""
        envelope = _parse(payload, MAX_EVENT_BYTES)
        _validate(self._envelope, envelope)
        data = envelope["data"]
        _same("id", envelope["id"], f"{data['event_id']}.{data['revision']}")
        _same("subject", envelope["subject"], data["event_id"])
        _same("source", envelope["source"], address.place.source, "the topic")
        _same("data.kind", data["kind"], address.rest[0], "the topic")
        moments = [("time", envelope["time"]), *((f"times.{key}", at) for key, at in data["times"].items())]
        moments += [("evidence.captured_at", entry["captured_at"]) for entry in data["evidence"]]
        for where, moment in moments:
            _date(where, moment)
        sequence = data["sequence"]
        for told in sequence.get("gone", []):
            if not told["from"] <= told["to"] < sequence["seq"]:
                raise Invalid("data.sequence.gone: a range that is empty, or not below the event's own number")
        event_id, epoch = UUID(data["event_id"]), UUID(sequence["epoch"])
        return Event(
            event_id, data["revision"], epoch, sequence["seq"], sequence.get("gone", []), envelope, sha256(payload)
        )

    def metrics(self, payload: bytes) -> Number:
        """Epoch and highest number that a gateway's counters tell, or `Invalid`."""
        told = _parse(payload, MAX_EVENT_BYTES)
        _validate(self._metrics, told)
        return Number(UUID(told["epoch"]), told["last_seq"])

    def response(self, payload: bytes) -> dict[str, Any]:
        """An answer to a command, or `Invalid`."""
        told = _parse(payload, MAX_EVENT_BYTES)
        _validate(self._response, told)
        return told


def number_of(payload: bytes) -> tuple[Number, dict[str, Any]] | None:
    """The number of an event that is not valid, where it can be read, and the whole message, of which nothing is
    checked."""
    try:
        envelope = _parse(payload, MAX_EVENT_BYTES)
        sequence = envelope["data"]["sequence"]
        epoch, seq = UUID(sequence["epoch"]), sequence["seq"]
    except (Invalid, KeyError, TypeError, ValueError, AttributeError):
        return None
    is_number = isinstance(seq, int) and not isinstance(seq, bool) and 1 <= seq < 1 << 53
    return (Number(epoch, seq), envelope) if is_number and epoch != NO_EPOCH else None


def picture(payload: bytes) -> str:
    """Checks size and kind of a picture, or of an original that is sealed to the township's key; its SHA-256."""
    if len(payload) > MAX_PICTURE_BYTES:
        raise Invalid(f"a picture of {len(payload)} bytes, {MAX_PICTURE_BYTES} is the most")
    if not payload.startswith((b"\xff\xd8\xff", b"age-encryption.org/v1\n")):
        raise Invalid("neither a JPEG nor a sealed original")
    return sha256(payload)


def _parse(payload: bytes, limit: int) -> Any:
    """JSON that PostgreSQL's `jsonb` can hold as well: no NUL, no half of a surrogate pair, no endless numbers."""
    if len(payload) > limit:
        raise Invalid(f"{len(payload)} bytes, {limit} is the most")
    try:
        value = json.loads(payload.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
    except (ValueError, RecursionError):
        raise Invalid("not JSON in UTF-8, or a key twice, or a number or character that cannot be stored") from None
    if "\\u0000" in text:
        raise Invalid("holds a NUL character")
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [member for each in level for member in _members(each)]
        if not level:
            return value
    raise Invalid(f"more than {_MOST_LEVELS} levels deep")


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(_: str) -> None:
    raise ValueError


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice means one thing to one reader and another to the next."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _validate(validator: Draft202012Validator, value: Any) -> None:
    error = min(validator.iter_errors(value), key=lambda error: str(error.json_path), default=None)
    if error is not None:
        raise Invalid(f"{error.json_path}: breaks `{error.validator}` of the schema")


def _same(where: str, told: str, expected: str, of: str = "the event's own data") -> None:
    if told != expected:
        raise Invalid(f"{where}: does not agree with {of}")


def _date(where: str, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{where}: no such date") from None
