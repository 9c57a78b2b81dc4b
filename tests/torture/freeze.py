#!/usr/bin/env python3
"""Whether the watchdog's ping tells the truth.

    freeze.py [--short]

Each stage of the running program is frozen in turn, by stopping its thread with ptrace: the program has to be restarted within 75 s,
or to go on without the stage. A camera and a broker that are dead, or hang, must not cost a single ping: an hour of each, 40 s with
--short. Every stage has a program of its own, all at the same time.
"""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _manager import Frozen, Manager, is_computing, threads

ROOT = Path(__file__).resolve().parents[2]
GRIDWATCH = os.environ.get("GRIDWATCH_BIN", str(ROOT / "target/debug/gridwatch"))
RUNTIME = os.environ.get("GRIDWATCH_ORT", str(ROOT / ".cache/onnxruntime/libonnxruntime.so"))
SHORT = "--short" in sys.argv[1:]
DEAD_S = 40 if SHORT else 3600
PASS_S = 75.0
READY_S = 120.0


class Site:
    """A camera, a broker, and the program under a service manager."""

    def __init__(self, name: str, with_servers: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="freeze-"))
        self.servers: list[subprocess.Popen] = []
        rtsp, mqtt = (self._camera(), self._broker()) if with_servers else (_free_port(), _free_port())
        config = self.folder / "gridwatch.toml"
        config.write_text(
            '[gateway]\nid = "gw-freeze"\ncounty_code = "330902"\ntown_code = "101"\nvillage_code = "330902101203"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {mqtt}\n[storage]\nstate_dir = "state"\n'
            f'[inference]\nruntime_library = "{RUNTIME}"\nmodel = "{ROOT}/models/street-n.toml"\nthreads = 1\n'
            f'[[camera]]\nid = "cam-1"\nurl = "rtsp://127.0.0.1:{rtsp}/quiet"\n'
            '[[camera.zone]]\nid = "z"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]\n'
            '[[camera.encroachment]]\nid = "r"\nzone = "z"\n'
        )
        command = [GRIDWATCH, "run", "--config", str(config)]
        self.manager = Manager(command, self.folder, {"ORT_DISABLE_TELEMETRY": "1"})

    def _camera(self) -> int:
        clip = next((ROOT / ".cache/lab/demo/quiet").glob("pictures.h26?"))
        server = ["/usr/bin/python3", str(ROOT / "tests/servers/camera.py"), f"/quiet={clip}@25"]
        camera = subprocess.Popen(server, stdout=subprocess.PIPE, text=True)
        self.servers.append(camera)
        return int(camera.stdout.readline().removeprefix("port "))

    def _broker(self) -> int:
        port = _free_port()
        (self.folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        self.servers.append(subprocess.Popen([program, "-c", str(self.folder / "mosquitto.conf")], stderr=subprocess.DEVNULL))
        return port

    def until_well(self) -> None:
        """Waits until pictures are looked at."""
        if not self.manager.run(READY_S, lambda: "1/1 cameras" in self.manager.status):
            raise RuntimeError(f"no picture in time; status `{self.manager.status}`; the log:\n{self.manager.log()}")

    def close(self) -> None:
        self.manager.end()
        for server in self.servers:
            server.send_signal(signal.SIGCONT)
            server.kill()
            server.wait()
        shutil.rmtree(self.folder)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def freeze_threads(site: Site, name: str) -> dict:
    """Freezes every thread of this name; `main` is the first one of the process."""
    pid = site.manager.process.pid
    chosen = [pid] if name == "main" else [thread for thread, found in threads(pid).items() if found == name]
    if not chosen:
        raise RuntimeError(f"no thread is called {name}: {threads(pid)}")
    site.manager.frozen = [Frozen(thread) for thread in chosen]
    frozen_at = time.monotonic()
    restarted = site.manager.run(PASS_S + 60, lambda: bool(site.manager.restarts))
    took = site.manager.started_at - frozen_at
    ready = restarted and site.manager.run(READY_S, lambda: site.manager.ready_at is not None)
    return {"restart_s": took if restarted else None, "why": site.manager.restarts, "ready": ready, "threads": len(chosen)}


def freeze_decoder(site: Site) -> dict:
    """A decoder that hangs in a picture costs its thread, or its process, and not the program: looks go on."""
    manager = site.manager
    pid = manager.process.pid
    workers = _media_workers(pid)
    if workers:
        os.kill(workers[0], signal.SIGSTOP)
        replaced = lambda: workers[0] not in _media_workers(pid)  # noqa: E731
    else:
        manager.frozen = [_freeze_in_a_picture(manager)]
        replaced = lambda: "a decoder hangs; its thread is given up" in manager.log()  # noqa: E731
    frozen_at = time.monotonic()
    in_time = manager.run(PASS_S, replaced)
    took = time.monotonic() - frozen_at
    manager.run(30)
    goes_on = manager.run(READY_S, lambda: "1/1 cameras" in manager.status)
    return {"restart_s": took if in_time and goes_on else None, "why": manager.restarts, "ready": goes_on, "threads": 1}


def freeze_one_worker(site: Site) -> dict:
    """One of the threads that tasks run on: the others take over, or the program is restarted."""
    manager = site.manager
    worker = next(thread for thread, name in threads(manager.process.pid).items() if name == "worker")
    manager.frozen = [Frozen(worker)]
    frozen_at = time.monotonic()
    if manager.run(PASS_S + 60, lambda: bool(manager.restarts)):
        took = manager.started_at - frozen_at
        ready = manager.run(READY_S, lambda: manager.ready_at is not None)
        return {"restart_s": took, "why": manager.restarts, "ready": ready, "threads": 1}
    goes_on = "1/1 cameras" in manager.status and manager.longest_gap_s < 15
    return {"restart_s": 0.0 if goes_on else None, "why": [], "ready": goes_on, "threads": 1}


def _media_workers(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"media-worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def _freeze_in_a_picture(manager: Manager) -> Frozen:
    pid = manager.process.pid
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for thread in [thread for thread, name in threads(pid).items() if name == "decode"]:
            if Path(f"/proc/{pid}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()[0] != "R":
                continue
            frozen = Frozen(thread)
            if is_computing(pid, thread):
                return frozen
            frozen.thaw()
        manager.run(0.0)
        time.sleep(0.0005)
    raise RuntimeError("no decoder was met in a picture")


def outsiders(name: str) -> dict:
    """Camera and broker are dead, or hang."""
    site = Site(name, with_servers=name == "hanging")
    try:
        if name == "hanging":
            site.until_well()
            for server in site.servers:
                server.send_signal(signal.SIGSTOP)
        site.manager.run(READY_S, lambda: site.manager.ready_at is not None)
        before = site.manager.pings
        site.manager.run(DEAD_S)
        manager = site.manager
        return {"restarts": manager.restarts, "pings": manager.pings - before, "gap_s": manager.longest_gap_s}
    finally:
        site.close()


def stage(name: str) -> dict:
    """One stage of a healthy program."""
    site = Site(name)
    try:
        site.until_well()
        special = {"decode": freeze_decoder, "one worker": freeze_one_worker}
        return special[name](site) if name in special else freeze_threads(site, name)
    finally:
        site.close()


def _run(task: tuple[str, str]) -> tuple[str, dict]:
    what, name = task
    found = stage(name) if what == "stage" else outsiders(name)
    print(f"{what} {name}: {found}", flush=True)
    return name, found


def main() -> int:
    # `worker`: the threads on which every camera's analysis, the publisher and the housekeeper run.
    stages = ["main", "store", "inference", "worker", "one worker", "decode"]
    tasks = [("stage", name) for name in stages] + [("outsiders", name) for name in ("dead", "hanging")]
    # A process each: only the thread that has stopped another one may let it go.
    with multiprocessing.get_context("spawn").Pool(len(tasks), maxtasksperchild=1) as pool:
        found = dict(pool.map(_run, tasks, chunksize=1))
    slowest = [found[name]["restart_s"] for name in stages]
    false = sum(len(found[name]["restarts"]) for name in ("dead", "hanging")) + len(found["decode"]["why"])
    missed = [name for name in stages if found[name]["restart_s"] is None or not found[name]["ready"]]
    late = [name for name in stages if found[name]["restart_s"] and found[name]["restart_s"] > PASS_S]
    silent = [name for name in ("dead", "hanging") if found[name]["pings"] < DEAD_S / 15]
    worst = max((seconds for seconds in slowest if seconds is not None), default=float("nan"))
    if missed or late or silent or false:
        print(f"MISSED: not restarted {missed}, late {late}, without ping {silent}, {false} false restarts", flush=True)
    print(
        f"figure: freeze_stages={len(stages) - len(missed)} freeze_restart_s_max={worst:.0f} "
        f"freeze_false_restarts={false} freeze_outsiders_s={DEAD_S}",
        flush=True,
    )
    return 1 if missed or late or silent or false else 0


if __name__ == "__main__":
    sys.exit(main())
