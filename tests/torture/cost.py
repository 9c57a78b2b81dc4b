"""What a camera costs: memory and time of the gateway and its media workers, with few and with many cameras.

    cost.py [--short]

A real camera server with a 1080p stream at 25 pictures and 4 Mbit/s a second and a keyframe every two seconds, and the real program,
which looks at every camera for crowding. Memory is the proportional share (PSS) of all processes together, after the rings have filled.
Time is compared with the ffmpeg program that only decodes one of the same streams, in the same minute: what is shown is a ratio.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from _lib import GRIDWATCH, ROOT, SHORT, children, configuration, fail_unless, figure, say
from services import free_port

FEW, MANY = (1, 4) if SHORT else (1, 16)
SETTLE_S, MEASURE_S = (8, 8) if SHORT else (30, 40)
TICKS = os.sysconf("SC_CLK_TCK")


def clip(folder: Path) -> Path:
    """Moving noise over a test picture: 4 Mbit/s are really used."""
    path = folder / "street.h264"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25,noise=alls=12:allf=t", "-t", "10", "-c:v", "libx264",
         "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "8M", "-g", "50", "-bf", "0",
         "-bsf:v", "dump_extra", str(path)], check=True)
    return path


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_mib(pid: int) -> float:
    """Its share of the memory in use."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def cameras(count: int, port: int) -> str:
    """Their part of the configuration; one stream serves all, by another name each, as no address may be watched twice."""
    return "".join(
        f'[[camera]]\nid = "cam-{number}"\nurl = "rtsp://127.0.0.1:{port}/street{number}"\n[[camera.zone]]\nid = "square"\n'
        "polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]\n[[camera.crowding]]\nid = \"crowd\"\nzone = \"square\"\n"
        'legal_basis = "none, a test"\ncontact = "nobody"\n'
        for number in range(count))


def measure(folder: Path, count: int, port: int) -> dict[str, float]:
    """One run of the program with so many cameras."""
    state = folder / f"state-{count}"
    config = folder / f"{count}.toml"
    config.write_text(configuration("gw-cost", 9, str(state), cameras(count, port)), encoding="utf-8")
    log = (folder / f"{count}.log").open("ab")
    process = subprocess.Popen([str(GRIDWATCH), "run", "--config", str(config)], stderr=log, stdout=log)
    try:
        time.sleep(SETTLE_S)
        workers = children(process.pid)
        before = {pid: cpu_s(pid) for pid in [process.pid, *workers]}
        time.sleep(MEASURE_S)
        if process.poll() is not None:
            raise SystemExit((folder / f"{count}.log").read_text(encoding="utf-8"))
        used = {pid: cpu_s(pid) - start for pid, start in before.items()}
        return {
            "workers": len(workers), "pss": sum(pss_mib(pid) for pid in before), "gateway_pss": pss_mib(process.pid),
            "worker_cpu_pct": 100 * sum(used[pid] for pid in workers) / MEASURE_S,
            "gateway_cpu_pct": 100 * used[process.pid] / MEASURE_S,
        }
    finally:
        process.terminate()
        process.wait(30)


def decoding_alone(port: int) -> float:
    """Per cent of a core that ffmpeg needs to decode one of the streams."""
    seconds = MEASURE_S
    process = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-threads", "1", "-i", f"rtsp://127.0.0.1:{port}/street0", "-t", str(seconds),
         "-f", "null", "-"], stdin=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return 100 * (usage.ru_utime + usage.ru_stime) / seconds


def main() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stream, port = clip(folder), free_port()
        mounts = [f"/street{number}={stream}@25" for number in range(MANY)]
        server = subprocess.Popen(["/usr/bin/python3", str(ROOT / "tests/servers/camera.py"), "--port", str(port), *mounts],
                                  stdout=subprocess.PIPE)
        try:
            assert server.stdout and server.stdout.readline().startswith(b"port")
            few, many = measure(folder, FEW, port), measure(folder, MANY, port)
            alone = decoding_alone(port)
        finally:
            server.kill()
    for count, found in ((FEW, few), (MANY, many)):
        say(f"{count} cameras: {found['pss']:.0f} MiB in {found['workers']:.0f} workers and the gateway ({found['gateway_pss']:.0f}); "
            f"workers {found['worker_cpu_pct']:.1f} %, gateway {found['gateway_cpu_pct']:.1f} % of a core")
    further = (many["pss"] - few["pss"]) / (MANY - FEW)
    each = many["worker_cpu_pct"] / MANY
    figure(cost_cameras=MANY, cost_mib_per_further_camera=f"{further:.1f}", cost_worker_cpu_pct_per_camera=f"{each:.2f}",
           cost_decoding_ratio=f"{each / alone:.2f}")
    fail_unless({f"each worker has its cameras ({many['workers']:.0f})": many["workers"] == -(-MANY // 8)})


if __name__ == "__main__":
    main()
