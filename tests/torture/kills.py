"""`kill -9` under load: gateway, media worker and consumer in turn, most of them while something is open.

    kills.py [--short] [--kills N]

A worker is a child process of the gateway with cameras; one time in four, and where there are none, it is that gateway itself.
Two gateways publish to one broker, behind a line that takes its time: the driver, which writes incidents through the real store and
publisher as fast as they are asked for, and the program itself with three cameras of rendered clips. The reference consumer stores
into PostgreSQL. A kill is aimed at the moment in which the driver says that an evidence write or an enqueue begins, or in which a
publication has left; whether it was still open at the kill is looked up then, and counted. What was acknowledged by the driver is compared with
the log of a subscriber of its own, and with the database.
"""

import collections
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

from _lib import COUNTY, GRIDWATCH, SCENES, SHORT, TOWN, Driver, Proxy, children, configuration, fail_unless, figure, say, skip
from _onlooker import Onlooker
from services import Broker, Postgres, wait
from township import HASTY, Process

KILLS = int(sys.argv[sys.argv.index("--kills") + 1]) if "--kills" in sys.argv else 12 if SHORT else 500
# Share of the kills that have to land while something is open.
LANDED = 0.8
AIMS = ("evidence", "enqueue", "publish")
PATIENCE_S = 180.0 if SHORT else 900.0


class Chain:
    """Everything that runs, and is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Broker("max_queued_messages 0\nmax_inflight_messages 100\n")
        self.postgres = Postgres()
        with self.postgres.connect("postgres") as admin:
            admin.execute("CREATE DATABASE township")
        self.onlooker = Onlooker(self.broker.port, folder / "messages.log")
        self.line, self.other_line = Proxy(self.broker.port), Proxy(self.broker.port)
        self.load, self.box, self.settings = (folder / name for name in ("load.toml", "box.toml", "consumer.toml"))
        roomy = "evidence_max_mib = 4096\n"
        self.load.write_text(configuration("gw-load", self.line.port, "load-state", more=roomy), encoding="utf-8")
        self.box.write_text(configuration("gw-box", self.other_line.port, "box-state", cameras(), roomy), encoding="utf-8")
        self.settings.write_text(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\nclient_id = "judge"\ntls = false\n'
            f'[topics]\ncounty = "{COUNTY}"\ntown = "{TOWN}"\nshare = ""\n[database]\ndsn = "{self.postgres.dsn("township")}"\n{HASTY}',
            encoding="utf-8")
        self.committed: dict[tuple[str, int], tuple[int, str]] = {}
        self.consumer, self.driver = self.start_consumer().wait(), self.start_driver()
        self.gateway = self.start_gateway()

    def start_driver(self) -> Driver:
        """With a new name for nothing: it is the same box."""
        return Driver(self.load, "--rate", "25", "--width", "96", log=self.folder / "driver.log")

    def start_consumer(self) -> Process:
        """The same consumer after a restart."""
        return Process(self.settings, self.folder / "consumer.log", {})

    def start_gateway(self) -> subprocess.Popen:
        """The program itself. It forgets that it was killed: after some times it would run in safe mode, without workers to kill."""
        (self.folder / "box-state/runs").unlink(missing_ok=True)
        with (self.folder / "gateway.log").open("ab") as log:
            return subprocess.Popen([GRIDWATCH, "run", "--config", self.box], stdout=log, stderr=log,
                                    env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"})

    def rows(self, sql: str) -> list[tuple]:
        """Of the township."""
        with self.postgres.connect("township") as connection:
            return connection.execute(sql).fetchall()

    def end(self) -> None:
        """Everything that is left."""
        for process in (self.driver.process, self.gateway, self.consumer.child):
            process.kill()
            process.wait()
        self.broker.remove()
        self.postgres.remove()


def cameras() -> str:
    """Three rendered streets, with rules that come round again."""
    text = ""
    for scene in ("encroachment", "dumping", "crowding"):
        folder = SCENES / scene
        clip = tomllib.loads((folder / "scene.toml").read_text(encoding="utf-8"))["clip"]
        _, zones, rules = (folder / "gridwatch.toml").read_text(encoding="utf-8").partition("[[camera.zone]]")
        text += f'[[camera]]\nid = "cam-{scene}"\nurl = "file:{folder}/{clip}"\nrepeat = true\n{zones}{rules}\n'
    return text


class Shot:
    """One kill, in the moment that it was aimed at, or after three seconds without such a moment."""

    def __init__(self, chain: Chain, aim: str, pid: int, dice: random.Random) -> None:
        self.chain, self.pid, self.delay_s = chain, pid, dice.choice((0, 0, 0.0005, 0.002))
        self.open: str | None = None
        self._done, self._lock = threading.Event(), threading.Lock()
        if aim == "publish":
            chain.line.on_publish = self.fire
        else:
            chain.driver.aim = lambda stage: self.fire() if stage == aim else None

    def fire(self) -> None:
        """Looks what is open, and kills, in one breath."""
        with self._lock:
            if self._done.is_set():
                return
            if self.delay_s:
                time.sleep(self.delay_s)
            os.kill(self.pid, signal.SIGKILL)
            self.open = self.chain.driver.still_open() or ("publish" if self.chain.line.waiting else None)
            self._done.set()

    def wait(self) -> str | None:
        """What was open when it was killed."""
        if not self._done.wait(3):
            self.fire()
        self.chain.line.on_publish = self.chain.driver.aim = None
        return self.open


def kill_all(chain: Chain, done: collections.Counter, landed: collections.Counter) -> None:
    """The loop."""
    dice = random.Random(4)
    for number in range(KILLS):
        aim = AIMS[number // 3 % 3]
        wait("driver that works", lambda: len(chain.driver.committed) > 3 or chain.driver.process.poll() is not None)
        if chain.driver.process.poll() is not None:
            raise AssertionError((chain.folder / "driver.log").read_text(encoding="utf-8")[-2000:])
        time.sleep(dice.uniform(0, 0.4))
        if number % 3 == 0:
            target, pid = "gateway", chain.driver.pid
        elif number % 3 == 1:
            wait("gateway with cameras that works", lambda: "gw-box" in chain.onlooker.metrics)
            workers = workers_of(chain)
            is_worker = workers and number % 12 != 1
            target, pid = ("worker", dice.choice(workers)) if is_worker else ("gateway with cameras", chain.gateway.pid)
        else:
            target, pid = "consumer", chain.consumer.child.pid
        landed[Shot(chain, aim, pid, dice).wait() or "nothing open"] += 1
        done[target] += 1
        if target == "gateway":
            chain.driver.join()
            chain.committed |= chain.driver.committed
            chain.driver = chain.start_driver()
        elif target == "gateway with cameras":
            chain.gateway.wait()
            chain.onlooker.metrics.pop("gw-box", None)
            chain.gateway = chain.start_gateway()
        elif target == "consumer":
            chain.consumer.child.wait()
            chain.consumer = chain.start_consumer()
        if number % 25 == 24:
            say(f"{number + 1} kills, {dict(landed)}, {chain.onlooker.messages} messages")


def workers_of(chain: Chain, patience_s: float = 15) -> list[int]:
    """Workers of the gateway with cameras; one that was killed is not back at once, and after some kills takes longer."""
    ends = time.monotonic() + patience_s
    while not (found := children(chain.gateway.pid)) and time.monotonic() < ends:
        time.sleep(0.1)
    return found


def settle(chain: Chain) -> dict[str, str]:
    """Until everything is delivered; the driver's last accounting."""
    chain.consumer.wait()
    chain.driver.quiet()
    before = chain.driver.states
    wait("driver without a backlog", lambda: chain.driver.states > before + 1 and chain.driver.state.get("pending") == "0", PATIENCE_S)
    if chain.driver.stop() != 0:
        raise AssertionError("the driver does not end well")
    chain.committed |= chain.driver.committed
    chain.gateway.send_signal(signal.SIGTERM)
    if chain.gateway.wait(60) != 0:
        raise AssertionError("the gateway does not end well")
    # It says at its next start how its accounting stands.
    chain.onlooker.metrics.pop("gw-box", None)
    text = chain.box.read_text(encoding="utf-8").partition("[[camera]]")[0]
    chain.box.write_text(text + quiet_camera(), encoding="utf-8")
    chain.gateway = chain.start_gateway()
    is_even = lambda: chain.onlooker.metrics.get("gw-box", {}).get("outbox", {}).get("pending") == 0  # noqa: E731
    ends = time.monotonic() + PATIENCE_S
    while not is_even() and time.monotonic() < ends:
        time.sleep(5)
        if not is_even():
            chain.gateway.send_signal(signal.SIGTERM)
            chain.gateway.wait(60)
            chain.gateway = chain.start_gateway()
            time.sleep(5)
    stored = "SELECT count(*) FROM evidence WHERE state = 'wanted'"
    wait("consumer that has every picture", lambda: chain.rows(stored) == [(0,)], PATIENCE_S)
    revisions = "SELECT count(*) FROM event_revision"
    wait("consumer that has every event", lambda: chain.rows(revisions)[0][0] >= len(chain.onlooker.events), PATIENCE_S)
    return chain.driver.state


def quiet_camera() -> str:
    """So that nothing new comes."""
    return '[[camera]]\nid = "cam-none"\nurl = "rtsp://127.0.0.1:9/none"\n[[camera.zone]]\nid = "zone"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]\n'


def judge(chain: Chain, done: collections.Counter, landed: collections.Counter, state: dict[str, str]) -> None:
    """Compares everything with everything."""
    heard, epoch = chain.onlooker, chain.driver.opened["epoch"]
    gone = heard.gone["gw-load", epoch]
    stored = {(str(event), revision): count for event, revision, count in
              chain.rows("SELECT event_id, revision, count(*) FROM event_revision GROUP BY 1, 2")}
    lost = [key for key, (seq, _) in chain.committed.items()
            if gone.get(seq) != "superseded" and (key not in heard.events or key not in stored)]
    box = {life: numbers for life, numbers in heard.numbers.items() if life[0] == "gw-box"}
    holes = sum(len(set(range(1, max(numbers) + 1)) - numbers - set(heard.gone[life])) for life, numbers in box.items())
    not_stored = [key for key in heard.events if key not in stored]
    kept = chain.rows("SELECT e.event_id, e.id, e.sha256, e.state, p.jpeg FROM evidence e LEFT JOIN picture p"
                      " ON p.event_id = e.event_id AND p.id = e.id AND p.sha256 = e.sha256 WHERE e.state <> 'replaced'")
    unreadable = sum(jpeg is None or hashlib.sha256(jpeg).hexdigest() != digest or not bytes(jpeg).endswith(b"\xff\xd9")
                     for _, _, digest, state, jpeg in kept)
    told = {digest for _, digest in chain.committed.values()} - {"none"}
    missing = told - {digest for _, _, digest, _, _ in kept}
    counters = heard.metrics.get("gw-box", {}).get("outbox", {})
    box_even = bool(counters) and counters["lost"] == counters["pending"] == 0 and counters["produced"] == (
        counters["acknowledged"] + counters["superseded"] + counters["quarantined"])
    quarantine = chain.rows("SELECT count(*) FROM quarantine")[0][0]
    landing = sum(count for what, count in landed.items() if what != "nothing open")
    say(f"killed: {dict(done)}; open at the kill: {dict(landed)}")
    figure(kills=sum(done.values()), lost=len(lost) + holes, duplicates=sum(count > 1 for count in stored.values()) + len(heard.differing),
           kills_landed_pct=round(100 * landing / sum(done.values()), 1),
           **{f"kills_in_{what.replace(' ', '_')}": count for what, count in sorted(landed.items())},
           kills_steps=len(chain.committed), kills_messages=heard.messages, unreadable_evidence=unreadable + len(missing))
    fail_unless({
        f"incidents lost: {lost[:3]}": not lost, f"holes in the other gateway's numbers: {holes}": holes == 0,
        f"not at the consumer: {not_stored[:3]}": not not_stored, "no row twice": max(stored.values()) == 1,
        f"a revision with two faces: {heard.differing[:3]}": not heard.differing, "nothing in quarantine": quarantine == 0,
        f"unreadable pictures: {unreadable}, missing: {len(missing)}": unreadable == 0 and not missing,
        f"accounting of the driver {state}": state["difference"] == state["lost"] == state["pending"] == state["quarantined"] == "0",
        f"accounting of the gateway {counters}": box_even, f"only {landing} landed": landing >= LANDED * sum(done.values()),
        "the gateway with cameras had something to say": bool(box),
    })


def main() -> None:
    """Kill, settle, compare."""
    if not (SCENES / "index.json").exists():
        skip("kills: the clips of lab/demo are not drawn")
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    chain, done, landed = Chain(folder), collections.Counter(), collections.Counter()
    try:
        first = lambda: any(life[0] == "gw-box" for life in list(chain.onlooker.numbers))  # noqa: E731
        wait("first event of the gateway with cameras", first, 240)
        kill_all(chain, done, landed)
        judge(chain, done, landed, settle(chain))
    except BaseException:
        for log in ("driver.log", "gateway.log", "consumer.log"):
            print(log, (folder / log).read_text(encoding="utf-8", errors="replace")[-1500:], sep="\n")
        raise
    finally:
        chain.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
