"""Topic names of the contract, seen from the platform: what is subscribed to, and whose a message is."""

import re
from dataclasses import dataclass

from .config import Topics

EVENT, EVIDENCE, METRICS, RESPONSE = "event", "evidence", "metrics", "rsp"


@dataclass(frozen=True)
class Place:
    """One gateway. Its `key` is `{county}/{town}/{gateway}`, also its name in the database."""

    county: str
    town: str
    gateway: str

    @property
    def key(self) -> str:
        """As the tables name it."""
        return f"{self.county}/{self.town}/{self.gateway}"

    @property
    def source(self) -> str:
        """What its events must say in `source`."""
        return f"urn:gridwatch:{self.county}{self.town}:{self.gateway}"


@dataclass(frozen=True)
class Address:
    """A topic, taken apart: `rest` is what follows the channel's name."""

    place: Place
    channel: str
    rest: tuple[str, ...]


def parse(root: str, topic: str) -> Address | None:
    """The address of a topic below `root`; `None` for one that is not in the contract or not for a platform."""
    levels = topic.removeprefix(f"{root}/").split("/")
    if not topic.startswith(f"{root}/") or len(levels) < 4:
        return None
    county, town, gateway, channel, *rest = levels
    lengths = {EVENT: 1, EVIDENCE: 2, METRICS: 0}
    expected = lengths.get(channel, len(rest) if channel == RESPONSE and rest else -1)
    known = re.fullmatch(r"\d{6}", county) and re.fullmatch(r"\d{3}", town)
    if not known or not re.fullmatch(r"[a-z][a-z0-9-]{1,62}", gateway) or len(rest) != expected:
        return None
    return Address(Place(county, town, gateway), channel, tuple(rest))


def shared_filters(topics: Topics) -> list[str]:
    """What the consumers of a group divide among themselves; what the only consumer gets, where there is no group."""
    group = f"$share/{topics.share}/" if topics.share else ""
    return [group + each for each in _stored(f"{topics.root}/{topics.county}/{topics.town}/+")]


def asked_filters(root: str, gateway_key: str) -> list[str]:
    """What a consumer that has asked a gateway hears itself. In the group the answer might go to a member that is away:
    brokers deal the messages out in turn, and to sessions as to connections."""
    return _stored(f"{root}/{gateway_key}")


def _stored(base: str) -> list[str]:
    return [f"{base}/event/+", f"{base}/evidence/+/+"]


def own_filters(topics: Topics, client_id: str) -> list[str]:
    """What every consumer gets: counters, which tell the highest number, and answers to its own questions."""
    base = f"{topics.root}/{topics.county}/{topics.town}/+"
    return [f"{base}/metrics", f"{base}/rsp/{client_id}"]


def of(root: str, gateway_key: str, *levels: str) -> str:
    """A topic of the gateway that the database names `gateway_key`."""
    return "/".join((root, gateway_key, *levels))
