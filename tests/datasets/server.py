"""A local web server that behaves as badly as the path of the address asks it to."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from diffad.datasets.fetching import Fetching


class _Handler(BaseHTTPRequestHandler):
    """Serve ``/MANNER/FILE``: FILE of the server's folder, in one of the manners below."""

    def do_GET(self) -> None:
        _, manner, name = self.path.split("/", 2)
        self.server.requests[name] += 1
        path = self.server.folder / name
        if manner == "missing" or not path.is_file():
            self.send_error(404)
            return
        if manner == "flaky" and self.server.requests[name] == 1:
            self.send_error(503)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if manner == "altered":
            body = bytes(byte ^ 1 for byte in body)
        elif manner == "truncated":
            body = body[: len(body) // 2]
        pieces = 20 if manner in ("slow", "stalled") else 1
        size = -(-len(body) // pieces)
        for start in range(0, len(body), size):
            try:
                self.wfile.write(body[start : start + size])
                self.wfile.flush()
            except OSError:
                return
            if manner in ("slow", "stalled"):
                time.sleep(0.03 if manner == "slow" else 30.0)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(folder: Path):
    """Serve `folder` in a thread; yield an object with `url` and `requests`, a count a file name."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.folder, server.requests = folder, Counter()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


QUIET = Fetching(progress=False, attempts=1, timeout=2.0)


def leftovers(home: Path) -> list[str]:
    """Return every file in a data home but its locks."""
    return [str(p.relative_to(home)) for p in home.rglob("*") if p.is_file() and p.parent.name != ".locks"]
