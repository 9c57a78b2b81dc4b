"""Pictures into a clip, through the ffmpeg program."""

import subprocess
from pathlib import Path
from types import TracebackType

import numpy as np

CODECS = ("h264", "h265")
# Seconds between keyframes of a long group of pictures, as "smart codecs" have it.
_LONG_GOP_S = 60


class Encoder:
    """Takes RGB pictures (HxWx3 uint8) of one size and writes a clip of them."""

    def __init__(self, file: Path, size: tuple[int, int], rate: str, arguments: list[str]) -> None:
        self._file = file
        command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
        command += ["-r", rate, "-i", "-", "-an", "-pix_fmt", "yuv420p", "-threads", "1", *arguments, str(file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def add(self, picture: np.ndarray) -> None:
        """The next picture."""
        assert self._process.stdin is not None
        self._process.stdin.write(np.ascontiguousarray(picture).tobytes())

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait() != 0 and error is None:
            raise RuntimeError(f"ffmpeg could not write {self._file}")


def looks_encoder(file: Path, size: tuple[int, int], step_s: int) -> Encoder:
    """Every picture a keyframe, one every `step_s` seconds."""
    arguments = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-g", "1", "-bf", "0", "-tune", "zerolatency"]
    return Encoder(file, size, f"1/{step_s}", [*arguments, "-movflags", "+faststart"])


def camera_encoder(file: Path, size: tuple[int, int], fps: int, codec: str, gop: str) -> Encoder:
    """As a camera sends it: no B-pictures, a limited bit rate, keyframes at a fixed distance."""
    distance = _LONG_GOP_S * fps if gop == "long" else int(gop)
    arguments = ["-b:v", "1800k", "-maxrate", "2400k", "-bufsize", "2400k", "-preset", "veryfast", "-bf", "0"]
    if codec == "h264":
        arguments += ["-c:v", "libx264", "-g", str(distance), "-keyint_min", str(distance), "-sc_threshold", "0"]
    else:
        options = f"keyint={distance}:min-keyint={distance}:scenecut=0:bframes=0:log-level=error:pools=1"
        arguments += ["-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", options]
    return Encoder(file, size, str(fps), arguments)
