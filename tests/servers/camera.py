#!/usr/bin/python3
"""An RTSP camera for the tests, made of GStreamer's RTSP server.

    camera.py [--user NAME --password SECRET --scheme digest|basic] [--drop P] MOUNT=FILE@FPS ...

Each FILE is an Annex B stream (.h264, .h265) that repeats for ever. The server picks a free port of
127.0.0.1 and prints `port N` when it listens. Signals: USR1 mutes and unmutes the pictures while RTSP
and RTCP go on; STOP and KILL do what they always do.
"""

import argparse
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ROLE = "viewer"


def login(server, name, password, scheme):
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
    auth = GstRtspServer.RTSPAuth.new()
    if scheme == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(name, password, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    server.set_auth(auth)


def pipeline(path, fps, drop):
    kind = "h265" if path.endswith(".h265") else "h264"
    caps = f"video/x-{kind},stream-format=byte-stream,framerate={fps}/1"
    pay = f"rtp{kind}pay pt=96 config-interval=-1"
    tail = f"name=payloader ! identity drop-probability={drop} name=pay0" if drop else "name=pay0"
    return f"( multifilesrc location={path} loop=true caps={caps} ! {kind}parse ! identity sync=true ! {pay} {tail} )"


class Camera:
    def __init__(self):
        self.muted = False

    def toggle_mute(self):
        self.muted = not self.muted
        return True

    def gate(self, _pad, info):
        buffer = info.get_buffer()
        # Elementary streams carry decoding times only, and the payloader sends presentation times.
        if buffer.pts == Gst.CLOCK_TIME_NONE:
            buffer.pts = buffer.dts
        return Gst.PadProbeReturn.DROP if self.muted else Gst.PadProbeReturn.OK

    def configure(self, _factory, media):
        bin_ = media.get_element()
        payloader = bin_.get_by_name("payloader") or bin_.get_by_name("pay0")
        payloader.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self.gate)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", default="0")
    options.add_argument("--user")
    options.add_argument("--password", default="")
    options.add_argument("--scheme", choices=["digest", "basic"], default="digest")
    options.add_argument("--drop", type=float, default=0.0)
    options.add_argument("mounts", nargs="+")
    given = options.parse_args()

    Gst.init(None)
    camera = Camera()
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    if given.user:
        login(server, given.user, given.password, given.scheme)
    for mount in given.mounts:
        path, _, clip = mount.partition("=")
        clip, _, fps = clip.rpartition("@")
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(pipeline(clip, fps, given.drop))
        factory.set_shared(True)
        factory.connect("media-configure", camera.configure)
        if given.user:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_role(ROLE)
            permissions.add_permission_for_role(ROLE, "media.factory.access", True)
            permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        sys.exit("cannot listen")

    loop = GLib.MainLoop()
    GLib.timeout_add_seconds(2, lambda: (server.get_session_pool().cleanup(), True)[1])
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, camera.toggle_mute)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    print("port", server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
