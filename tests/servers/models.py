#!/usr/bin/python3
"""A web server for the tests of downloads, with the habits of bad ones.

    models.py FOLDER LOG [CERTIFICATE KEY]

Serves the files of FOLDER below a habit: `/HABIT/NAME`, where HABIT is one of

    plain          ranges and a strong ETag, as it should be
    no-range       always the whole file
    no-etag        ranges, and nothing to tell versions apart
    drop-N         as plain, but the connection ends after N bytes
    hold-N         as plain, but after N bytes nothing comes any more
    changed-N      first N bytes of an older version with its own ETag, then as plain
    wrong          the right number of wrong bytes
    longer         more than the file, without saying how much
    short          another size than the catalogue knows
    page           a web page with status 200
    status-N       nothing but that status
    redirect       leads to plain
    downgrade      leads to plain, by http
    ranged-wrong   answers a range with another one

With a certificate and its key it speaks https. As a proxy, CONNECT leads to this server itself. LOG gets a line of JSON for each request. The server picks a
free port of 127.0.0.1 and prints `port N` when it listens.
"""

import json
import pathlib
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = pathlib.Path(sys.argv[1])
LOG = pathlib.Path(sys.argv[2])
LOCK = threading.Lock()
REQUESTS = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self):
        global REQUESTS
        with LOCK, LOG.open("a") as log:
            REQUESTS += 1
            asked = {"method": self.command, "path": self.path, "range": self.headers.get("Range")}
            asked["if_range"] = self.headers.get("If-Range")
            log.write(json.dumps(asked) + "\n")
            return REQUESTS

    def do_CONNECT(self):
        self.note()
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        number = self.note()
        habit, _, name = self.path.strip("/").partition("/")
        habit, _, value = habit.partition("-") if habit[-1].isdigit() else (habit, "", "")
        if habit == "status":
            return self.plain_answer(int(value), b"", "text/plain")
        if habit == "page":
            return self.plain_answer(200, b"<html>Please log in</html>", "text/html; charset=utf-8")
        if habit in ("redirect", "downgrade"):
            self.send_response(302)
            host = f"http://127.0.0.1:{self.server.server_port}" if habit == "downgrade" else ""
            self.send_header("Location", f"{host}/plain/{name}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data = (FOLDER / name).read_bytes()
        etag = '"1"'
        if habit == "wrong":
            data = bytes(255 - byte for byte in data)
        if habit == "short":
            data = data[:-10]
        if habit == "changed" and number == 1:
            data, etag = bytes(len(data)), '"0"'
        if habit == "longer":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            return self.pour(data * 3)
        older = habit != "changed" or etag == '"0"'
        self.send_file(habit, data, etag, int(value) if value and older else len(data))

    def plain_answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, habit, data, etag, limit):
        start = 0
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, etag)
        if asked and same and habit != "no-range":
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            start -= 10 if habit == "ranged-wrong" else 0
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Content-Type", "application/octet-stream")
        if habit != "no-etag":
            self.send_header("ETag", etag)
        self.end_headers()
        self.pour(data[start : start + limit])
        if habit == "hold":
            # Until the client goes away.
            self.rfile.read(1)
        if habit in ("hold", "drop", "changed", "ranged-wrong"):
            self.close_connection = True

    def pour(self, data):
        try:
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            # The client has seen enough.
            self.close_connection = True


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[3:5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(f"port {server.server_port}", flush=True)
server.serve_forever()
