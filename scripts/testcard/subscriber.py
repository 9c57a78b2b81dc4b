#!/usr/bin/python3
"""A platform in miniature: receives what gridwatch publishes, checks it, saves the pictures, answers `received`.

    subscriber.py --port N --schemas FOLDER --pictures FOLDER [--once] [--seconds N]

One line per event as it arrives. With --once it ends with 0 when one opened incident of each kind has come, valid and with all its
pictures, and with 1 when a message is invalid, the quiet camera reports anything, or the time is up.
Needs mosquitto-clients and python3-jsonschema.
"""

import argparse
import datetime
import hashlib
import json
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema

KINDS = ("encroachment", "dumping", "crowding")
QUIET_CAMERA = "cam-quiet"


def clock(text):
    """The time of day of an RFC 3339 time."""
    return text[11:19] if text else "-"


class Platform:
    """What has been received so far."""

    def __init__(self, args):
        self.args = args
        envelope = json.loads((args.schemas / "envelope.schema.json").read_text())
        # The envelope may refer to the event's schema; each part is checked against its own.
        envelope.setdefault("properties", {})["data"] = True
        self.envelope = jsonschema.Draft202012Validator(envelope)
        self.event = jsonschema.Draft202012Validator(json.loads((args.schemas / "event.schema.json").read_text()))
        self.pictures = {}
        self.expected = {}
        self.opened = {}
        self.camera_states = {}
        self.failures = 0

    def say(self, text=""):
        print(text, flush=True)

    def fail(self, text):
        self.failures += 1
        self.say(f"  ✗ {text}")

    def handle(self, topic, payload):
        levels = topic.split("/")[5:]
        if levels[:1] == ["event"]:
            self.handle_event(topic, payload)
        elif levels[:1] == ["evidence"]:
            self.pictures[topic] = payload
            self.save(topic)
        elif levels[:1] == ["cam"] and payload:
            self.handle_camera(levels[1], json.loads(payload))
        elif levels == ["state"]:
            self.say(f"{time.strftime('%H:%M:%S')}  gateway {topic.split('/')[4]} {'online' if json.loads(payload)['online'] else 'offline'}")

    def handle_camera(self, camera, state):
        word = state.get("state")
        if self.camera_states.get(camera) != word:
            self.camera_states[camera] = word
            self.say(f"{time.strftime('%H:%M:%S')}  camera {camera}: {word}")

    def handle_event(self, topic, payload):
        event = json.loads(payload)
        data = event.get("data", {})
        errors = [*self.envelope.iter_errors(event), *self.event.iter_errors(data)]
        problems = [f"{'/'.join(map(str, error.absolute_path)) or 'event'}: {error.message[:160]}" for error in errors]
        times, place = data.get("times", {}), data.get("place", {})
        camera = data.get("camera", {}).get("id", "?")
        phase = data.get("phase", "?") + (f" ({data['close_reason']})" if data.get("close_reason") else "")
        self.say(
            f"{time.strftime('%H:%M:%S')}  {data.get('kind', '?'):<12} {phase:<18} {camera:<12} zone {place.get('zone', {}).get('id', '?'):<8} "
            f"seen {clock(times.get('first_seen'))}-{clock(times.get('last_seen'))}, met {clock(times.get('confirmed'))}  "
            f"{data.get('event_id', '?')} r{data.get('revision', '?')}  {'valid' if not problems else 'INVALID'}"
        )
        for problem in problems:
            self.fail(problem)
        if camera == QUIET_CAMERA:
            self.fail("the quiet camera has nothing to report")
        for picture in data.get("evidence", []):
            where = picture.get("delivery", {}).get("topic")
            if where and where not in self.expected:
                name = f"{data['kind']}-{data['event_id'][-12:]}-{picture['id']}-{picture['role']}.jpg"
                self.expected[where] = (picture, self.args.pictures / name)
                self.save(where)
        if data.get("phase") == "opened" and not problems and not data.get("test"):
            topics = [picture["delivery"]["topic"] for picture in data["evidence"] if picture["delivery"].get("topic")]
            self.opened.setdefault(data["kind"], []).append(topics)
        if not problems:
            self.answer(topic.split("/event/")[0], event)

    def save(self, topic):
        """Writes a picture once both it and the event that speaks of it are here."""
        if topic not in self.pictures or topic not in self.expected:
            return
        picture, path = self.expected[topic]
        payload = self.pictures[topic]
        if hashlib.sha256(payload).hexdigest() != picture["sha256"] or payload[:2] != b"\xff\xd8":
            self.fail(f"{topic} is not the picture that the event speaks of")
            return
        if not path.exists():
            path.write_bytes(payload)
            shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            self.say(f"          picture {picture['role']:<11} {len(payload) // 1024:>4} KiB  {shown}")

    def answer(self, base, event):
        """The receipt that lets the gateway forget the message."""
        data = event["data"]
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        feedback = {
            "specversion": "1.0", "id": f"demo-{event['id']}", "source": "urn:platform:demo", "type": "gridwatch.feedback.v1",
            "subject": data["event_id"], "time": now, "datacontenttype": "application/json",
            "data": {"event_id": data["event_id"], "revision_seen": data["revision"], "seq": data["revision"], "state": "received"},
        }
        command = ["mosquitto_pub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(self.args.port), "-q", "1", "-t", f"{base}/feedback", "-s"]
        subprocess.run(command, input=json.dumps(feedback).encode(), check=False, timeout=10)

    def complete(self):
        """Kinds of which an opened incident is here with every picture it names."""
        def whole(topics):
            return topics and all(topic in self.expected and self.expected[topic][1].exists() for topic in topics)

        return [kind for kind in KINDS if any(whole(topics) for topics in self.opened.get(kind, []))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--schemas", required=True, type=Path, help="holds event.schema.json and envelope.schema.json")
    parser.add_argument("--pictures", required=True, type=Path)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--seconds", type=float)
    args = parser.parse_args()
    args.pictures.mkdir(parents=True, exist_ok=True)
    platform = Platform(args)
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    command = [shutil.which("mosquitto_sub") or "mosquitto_sub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(args.port), "-q", "1",
               "-i", "demo-platform", "-t", "grid/v1/+/+/+/state", "-t", "grid/v1/+/+/+/cam/+/state",
               "-t", "grid/v1/+/+/+/event/+", "-t", "grid/v1/+/+/+/evidence/+/+", "-F", "%t %x"]
    receiver = subprocess.Popen(command, stdout=subprocess.PIPE)
    ends = time.monotonic() + args.seconds if args.seconds else None
    buffer = b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(receiver.stdout, selectors.EVENT_READ)
            while ends is None or time.monotonic() < ends:
                if not selector.select(timeout=1):
                    continue
                chunk = receiver.stdout.read1(1 << 20)
                if not chunk:
                    sys.exit("the broker closed the connection")
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    topic, _, payload = line.decode().partition(" ")
                    platform.handle(topic, bytes.fromhex(payload))
                if args.once and platform.failures:
                    break
                if args.once and len(platform.complete()) == len(KINDS):
                    platform.say("One opened incident of each kind was received and validated, with its pictures.")
                    return
    except KeyboardInterrupt:
        return
    finally:
        receiver.terminate()
        receiver.wait()
    if args.once:
        missing = [kind for kind in KINDS if kind not in platform.complete()]
        sys.exit(f"failed: {platform.failures} bad messages; kinds not seen complete: {', '.join(missing) or 'none'}")
    sys.exit(1 if platform.failures else 0)


if __name__ == "__main__":
    main()
