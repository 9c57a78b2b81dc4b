"""What the checks of this folder share: the driver, its configuration, a proxy that knows what is on its way, and figures."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "consumer/tests"))
GRIDWATCH = Path(os.environ.get("GRIDWATCH_BIN", ROOT / "target/debug/gridwatch"))
DRIVER = Path(os.environ.get("GRIDWATCH_DRIVER", ROOT / "target/debug/examples/under_load"))
RUNTIME = Path(os.environ.get("GRIDWATCH_ORT", ROOT / ".cache/onnxruntime/libonnxruntime.so"))
SCENES = ROOT / ".cache/lab/demo"
COUNTY, TOWN = "330902", "101"
SHORT = "--short" in sys.argv[1:]


def figure(**values: Any) -> None:
    """The line that scripts/torture gathers."""
    print("figure:", *(f"{key}={value}" for key, value in values.items()), flush=True)


def say(words: str) -> None:
    """How far it is."""
    print(f"[{time.strftime('%H:%M:%S')}] {words}", flush=True)


def skip(why: str) -> None:
    """Ends a check that this machine has no means for."""
    print(f"skipped: {why}", flush=True)
    sys.exit(0)


def fail_unless(found: dict[str, bool]) -> None:
    """Names everything that does not hold, and ends."""
    wrong = [name for name, holds in found.items() if not holds]
    if wrong:
        print("MISSED:", "; ".join(wrong), flush=True)
        sys.exit(1)


def configuration(gateway: str, mqtt_port: int, state: str, cameras: str = "", more: str = "") -> str:
    """Of a gateway; without cameras it has one that does not exist, to lend its name."""
    return (
        f'[gateway]\nid = "{gateway}"\ncounty_code = "{COUNTY}"\ntown_code = "{TOWN}"\nvillage_code = "330902101203"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {mqtt_port}\n[storage]\nstate_dir = "{state}"\n{more}'
        f'[inference]\nruntime_library = "{RUNTIME}"\nmodel = "{ROOT}/models/street-n.toml"\nthreads = 1\n'
        f"[alert_budget]\nopened_per_hour = 1000\n"
    ) + (cameras or (
        '[[camera]]\nid = "cam-load"\nurl = "rtsp://127.0.0.1:9/none"\n[[camera.zone]]\nid = "zone"\n'
        "polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]\n"
    ))


def pairs(line: str) -> dict[str, str]:
    """The `key=value` of a line."""
    return dict(re.findall(r"(\w+)=(\S*)", line))


class Driver:
    """The program `under_load`, and what it has said. `aim`: called in the moment in which something begins, with its name."""

    def __init__(self, config: Path, *options: str, log: Path | None = None, **popen: Any) -> None:
        self.committed: dict[tuple[str, int], tuple[int, str]] = {}
        self.state: dict[str, str] = {}
        self.states = 0
        self.opened: dict[str, str] = {}
        self.stage: str | None = None
        self.aim: Any = None
        self.begun = time.monotonic()
        with (log or Path(os.devnull)).open("ab") as errors:
            self.process = subprocess.Popen(
                [str(DRIVER), "--config", str(config), *options], stdout=subprocess.PIPE, stderr=errors, bufsize=0, **popen
            )
        self._pipe = self.process.stdout.fileno()
        self.pid = self.process.pid
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._pipe, 4096):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line.decode())

    def _take(self, line: str) -> None:
        words = line.split()
        if not words:
            return
        if words[0] in ("evidence", "enqueue"):
            if words[1] == "begin":
                self.stage = words[0]
                if self.aim:
                    self.aim(words[0])
            else:
                self.stage = None
                if len(words) > 3:
                    self.committed[words[3], int(words[4])] = (int(words[5]), words[6])
        elif words[0] == "open":
            self.opened = pairs(line)
        elif words[0] == "state" and "=" in line:
            self.state, self.states = pairs(line), self.states + 1

    def still_open(self) -> str | None:
        """What had begun and has not ended, as far as it has said; asked from `aim`."""
        readable, _, _ = select.select([self._pipe], [], [], 0)
        return None if readable else self.stage

    def kill(self) -> None:
        """Power cut of the process; everything that it had said is taken in."""
        self.process.kill()
        self.join()

    def join(self, timeout: float = 60) -> int:
        """Waits for its end."""
        code = self.process.wait(timeout)
        self._thread.join(10)
        return code

    def stop(self, timeout: float = 60) -> int:
        """As the service manager does it."""
        self.process.send_signal(signal.SIGTERM)
        return self.join(timeout)

    def quiet(self) -> None:
        """No further incidents."""
        self.process.send_signal(signal.SIGUSR1)


class Proxy:
    """A line between a gateway and its broker: takes `delay_s` each way, and knows which publications the broker has not
    acknowledged to the gateway yet. `on_publish` is called when one has been passed on."""

    def __init__(self, port: int, delay_s: float = 0.02) -> None:
        self._to, self.delay_s, self.on_publish = port, delay_s, None
        self.waiting: set[tuple[int, int]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            inner, _ = self._listener.accept()
            outer = socket.create_connection(("127.0.0.1", self._to))
            for one in (inner, outer):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = inner.fileno()
            threading.Thread(target=self._pump, args=(inner, outer, connection, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(outer, inner, connection, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, connection: int, is_up: bool) -> None:
        rest = b""
        try:
            while chunk := source.recv(65536):
                time.sleep(self.delay_s)
                target.sendall(chunk)
                rest = self._watch(rest + chunk, connection, is_up)
        except OSError:
            pass
        finally:
            self.waiting = {one for one in self.waiting if one[0] != connection}
            for one in (source, target):
                one.close()

    def _watch(self, data: bytes, connection: int, is_up: bool) -> bytes:
        """Takes whole MQTT packets from the front (MQTT 5, section 2.1)."""
        while True:
            length, shift, at = 0, 0, 1
            while True:
                if len(data) <= at:
                    return data
                byte = data[at]
                length, shift, at = length | (byte & 127) << shift, shift + 7, at + 1
                if byte < 128:
                    break
            if len(data) < at + length:
                return data
            packet, kind = data[at:at + length], data[0] >> 4
            if is_up and kind == 3 and data[0] >> 1 & 3:
                topic = int.from_bytes(packet[:2], "big")
                self.waiting.add((connection, int.from_bytes(packet[2 + topic:4 + topic], "big")))
                if self.on_publish:
                    self.on_publish()
            elif not is_up and kind == 4:
                self.waiting.discard((connection, int.from_bytes(packet[:2], "big")))
            data = data[at + length:]


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found
