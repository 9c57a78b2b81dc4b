"""A subscriber of its own, whose log is the count."""

import collections
import hashlib
import json
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from _lib import COUNTY, TOWN

BASE = f"grid/v1/{COUNTY}/{TOWN}"


class Onlooker:
    """Hears everything from the broker itself, whoever else is killed; every message is a line of its log."""

    def __init__(self, port: int, log: Path) -> None:
        self.events: dict[tuple[str, int], tuple[int, str]] = {}
        self.numbers: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
        self.gone: dict[tuple[str, str], dict[int, str]] = collections.defaultdict(dict)
        self.pictures: dict[tuple[str, str], str] = {}
        self.metrics: dict[str, dict[str, Any]] = {}
        self.messages = 0
        self.differing: list[str] = []
        self._log = log.open("a", encoding="utf-8")
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "independent", protocol=mqtt.MQTTv5)
        client.on_message = lambda _, __, message: self._take(message)
        client.on_connect = lambda client, *_: client.subscribe(
            [(f"{BASE}/+/event/+", 1), (f"{BASE}/+/evidence/+/+", 1), (f"{BASE}/+/metrics", 1)])
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 86_400
        client.connect("127.0.0.1", port, clean_start=False, properties=session)
        client.loop_start()

    def _take(self, message: mqtt.MQTTMessage) -> None:
        self.messages += 1
        gateway, what, *rest = message.topic.split("/")[4:]
        digest = hashlib.sha256(message.payload).hexdigest()
        self._log.write(f"{message.topic} {len(message.payload)} {digest}\n")
        if what == "metrics":
            self.metrics[gateway] = json.loads(message.payload)
        elif what == "evidence":
            self.pictures[rest[0], rest[1]] = digest
        else:
            told = json.loads(message.payload)["data"]
            sequence, key = told["sequence"], (told["event_id"], told["revision"])
            if self.events.setdefault(key, (sequence["seq"], digest)) != (sequence["seq"], digest):
                self.differing.append(str(key))
            life = gateway, sequence["epoch"]
            self.numbers[life].add(sequence["seq"])
            for hole in sequence.get("gone", []):
                self.gone[life].update(dict.fromkeys(range(hole["from"], hole["to"] + 1), hole["reason"]))
