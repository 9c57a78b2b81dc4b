"""A scripted gateway: its outbox is a list, and it does what it is told, also what the real one never would."""

import copy
import hashlib
import json
import threading
import uuid
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from services import wait

EXAMPLE = json.loads((Path(__file__).parents[2] / "contract/examples/event-opened.json").read_text(encoding="utf-8"))
COUNTY = "330902"


def new_event_id() -> str:
    """Of the form of a UUIDv7."""
    text = uuid.uuid4().hex
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"


class Gateway:
    """Numbers events from 1. `silent`: answers nothing. `forgotten`: numbers that it will not send again, and does not
    say so; `not_kept`: such that it names, with a reason. `old`: knows `since_seq` alone."""

    def __init__(self, port: int, town: str, name: str = "gw-0007", login: tuple[str, str] | None = None) -> None:
        self.town, self.name, self.base = town, name, f"grid/v1/{COUNTY}/{town}/{name}"
        self.key = f"{COUNTY}/{town}/{name}"
        self.epoch = str(uuid.uuid4())
        self.outbox: dict[int, tuple[str, bytes]] = {}
        self.pictures: dict[tuple[str, str], bytes] = {}
        self.receipts: list[dict[str, Any]] = []
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.forgotten: set[int] = set()
        self.not_kept: dict[int, str] = {}
        self.old = False
        self.silent = False
        self._seq, self._lock = 0, threading.Lock()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, f"{town}-{name}-rx", protocol=mqtt.MQTTv5)
        if login:
            self.client.username_pw_set(*login)
        self.client.on_connect = lambda client, *_: client.subscribe([(f"{self.base}/feedback", 1), (f"{self.base}/cmd/+", 1)])
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self.client.loop_start()
        wait("gateway that listens", ready.is_set)

    def close(self) -> None:
        """Says goodbye."""
        self.client.disconnect()
        self.client.loop_stop()

    def write(self, pictures: int = 0, event_id: str | None = None, phase: str = "opened", revision: int = 1,
              gone: list[dict[str, Any]] | None = None, **data: Any) -> int:
        """Puts an event into the outbox, with pictures e1, e2, …; its number."""
        event = copy.deepcopy(EXAMPLE)
        event_id = event_id or new_event_id()
        with self._lock:
            self._seq += 1
            seq = self._seq
        told = event["data"]
        told.update({"event_id": event_id, "revision": revision, "phase": phase, **data})
        told["sequence"] = {"epoch": self.epoch, "seq": seq} | ({"gone": gone} if gone else {})
        if phase == "closed":
            told["close_reason"] = "cleared"
        entry, told["evidence"] = told["evidence"][0], []
        for number in range(1, pictures + 1):
            jpeg = b"\xff\xd8\xff\xe0" + f"{event_id} {number} {revision}".encode() * 40
            self.pictures[event_id, f"e{number}"] = jpeg
            topic = f"{self.base}/evidence/{event_id}/e{number}"
            told["evidence"].append({**entry, "id": f"e{number}", "bytes": len(jpeg), "sha256": hashlib.sha256(jpeg).hexdigest(),
                                     "delivery": {"mode": "mqtt", "topic": topic}})
        event.update({"id": f"{event_id}.{revision}", "subject": event_id, "type": f"gridwatch.event.{phase}.v1",
                      "source": f"urn:gridwatch:{COUNTY}{self.town}:{self.name}"})
        self.outbox[seq] = (event_id, json.dumps(event).encode())
        return seq

    def event_id(self, seq: int) -> str:
        """Of the event with this number."""
        return self.outbox[seq][0]

    def send(self, *numbers: int, pictures: bool = True) -> None:
        """Publishes events, each followed by its pictures."""
        for seq in numbers:
            event_id, payload = self.outbox[seq]
            self.publish("event/encroachment", payload)
            if pictures:
                self.send_pictures(event_id)

    def send_pictures(self, event_id: str) -> None:
        """Those that are kept."""
        for (of, picture), jpeg in self.pictures.items():
            if of == event_id:
                self.publish(f"evidence/{event_id}/{picture}", jpeg)

    def publish(self, topic: str, payload: bytes, properties: Properties | None = None) -> mqtt.MQTTMessageInfo:
        """Below the gateway's own level, QoS 1."""
        return self.client.publish(f"{self.base}/{topic}", payload, qos=1, properties=properties)

    def metrics(self, last_seq: int) -> None:
        """Counters that tell the highest number."""
        zero = dict.fromkeys(("produced", "acknowledged", "pending", "superseded", "quarantined", "lost"), 0)
        told = {"at": "2026-11-28T10:00:00.000+08:00", "uptime_s": 1, "epoch": self.epoch, "last_seq": last_seq,
                "outbox": zero, "lost": {}, "counters": {}}
        self.publish("metrics", json.dumps(told).encode())

    def asked(self, name: str) -> list[dict[str, Any]]:
        """Payloads of the commands of this name so far."""
        return [payload for command, payload in self.commands if command == name]

    def _on_message(self, _: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        told = json.loads(message.payload)
        if message.topic.endswith("/feedback"):
            self.receipts.append(told)
            return
        name = message.topic.rpartition("/")[2]
        self.commands.append((name, told))
        if not self.silent:
            self._answer(name, told, message.properties)

    def _answer(self, name: str, told: dict[str, Any], asked: Properties) -> None:
        status, more = "ok", {}
        if name == "resync":
            status, more = self._resync(told)
        elif name == "get-evidence":
            jpeg = self.pictures.get((told["event_id"], told["id"]))
            if jpeg is None:
                status, more = "failed", {"detail": "the picture is not kept any more"}
            else:
                self.publish(f"evidence/{told['event_id']}/{told['id']}", jpeg)
        answer = {"command": name, "status": status, "at": "2026-11-28T10:00:00.000+08:00", **more}
        properties = Properties(PacketTypes.PUBLISH)
        properties.CorrelationData = asked.CorrelationData
        self.client.publish(asked.ResponseTopic, json.dumps(answer).encode(), qos=1, properties=properties)

    def _resync(self, told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if self.old and len(told) > 1:
            return "refused", {"detail": "payload does not have the expected form at line 1, column 20"}
        if told.get("epoch", self.epoch) != self.epoch:
            words = f"epoch {told['epoch']} is over or was never this gateway's; its numbers are of epoch {self.epoch}"
            return "refused", {"detail": words}
        asked = [seq for seq in sorted(self.outbox) if told["since_seq"] <= seq <= told.get("until_seq", seq)]
        again = [seq for seq in asked if seq not in self.forgotten and seq not in self.not_kept]
        self.send(*again)
        result: dict[str, Any] = {"messages": len(again)}
        if "epoch" in told:
            gone = [{"from": seq, "to": seq, "reason": self.not_kept[seq]} for seq in asked if seq in self.not_kept]
            # As few as one a time, so that asking for the rest is tried.
            result |= {"not_kept": gone[:1]} | ({"more": True} if gone[1:] else {})
        return "ok", {"result": result}
