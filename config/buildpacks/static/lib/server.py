"""
Serves an app's files on $PORT, by static.json: HTTP/1.1, GET and HEAD, conditional requests. SIGTERM ends it
when what is under way is answered.
"""
import fnmatch
import os
import signal
import threading
import time
import urllib.parse
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from settings import load

app = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
settings = load(app)
# Of the app's root these are not for the world.
private = {"static.json", "Procfile"} if settings["root"] == os.path.realpath(app) else set()


# Handlers that are answering; a set's own steps are whole.
under_way = set()


def fits(path, pattern):
    """`*` is any text, `**` too, as in static.json of old."""
    return fnmatch.fnmatchcase(path, pattern.replace("**", "*"))


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "static"
    sys_version = ""
    timeout = 90

    def do_GET(self):
        under_way.add(self)
        try:
            super().do_GET()
        finally:
            under_way.discard(self)

    def send_head(self):
        path = urllib.parse.urlsplit(self.path).path
        query = urllib.parse.urlsplit(self.path).query
        host = self.headers.get("Host", "")
        if settings.get("https_only") and self.headers.get("X-Forwarded-Proto") != "https":
            return self.go(301, f"https://{host}{self.path}")
        for source, to in settings.get("redirects", {}).items():
            if fits(path, source):
                return self.go(to.get("status", 301), to["url"])
        found = self.find(path)
        if found is None:
            return self.missing()
        if found.endswith("/"):
            return self.go(301, path + "/" + (f"?{query}" if query else ""))
        if settings.get("clean_urls") and path.endswith(".html"):
            return self.go(301, path[: -len("index.html" if path.endswith("/index.html") else ".html")])
        return self.send_file(found)

    def inside(self, path):
        """The file of that path in the root; None when it is private or leads out."""
        parts = [part for part in urllib.parse.unquote(path).split("/") if part]
        if any(part.startswith(".") or "\0" in part for part in parts) or (parts and parts[0] in private):
            return None
        full = os.path.realpath(os.path.join(settings["root"], *parts))
        return full if full == settings["root"] or full.startswith(settings["root"] + os.sep) else None

    def find(self, path):
        full = self.inside(path)
        if full is not None and os.path.isdir(full):
            index = os.path.join(full, "index.html")
            if os.path.isfile(index):
                return index if path.endswith("/") else full + "/"
        elif full is not None and os.path.isfile(full) and not path.endswith("/"):
            return full
        elif full is not None and settings.get("clean_urls") and os.path.isfile(full + ".html"):
            return full + ".html"
        for pattern, target in settings.get("routes", {}).items():
            if fits(path, pattern):
                full = self.inside(target)
                return full if full is not None and os.path.isfile(full) else None
        return None

    def send_file(self, full, status=200):
        file = open(full, "rb")
        facts = os.fstat(file.fileno())
        tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        asked = self.headers.get("If-None-Match")
        if status == 200 and asked is not None and tag in asked.replace("W/", "").split(", "):
            file.close()
            self.send_response(304)
            self.send_header("ETag", tag)
            self.end_headers()
            return None
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(full))
        self.send_header("Content-Length", str(facts.st_size))
        self.send_header("Last-Modified", self.date_time_string(int(facts.st_mtime)))
        self.send_header("ETag", tag)
        self.end_headers()
        return file

    def end_headers(self):
        path = urllib.parse.urlsplit(self.path).path
        for pattern, fields in settings.get("headers", {}).items():
            if fits(path, pattern):
                for name, value in fields.items():
                    self.send_header(name, str(value))
        super().end_headers()

    def go(self, status, to):
        self.send_response(status)
        self.send_header("Location", to.replace("\r", "").replace("\n", ""))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def missing(self):
        page = settings.get("error_page")
        full = self.inside(page) if page else None
        if full is not None and os.path.isfile(full):
            return self.send_file(full, 404)
        self.send_error(404)
        return None

    def log_message(self, *_):
        """The router logs each request."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def main():
    server = Server(("0.0.0.0", int(os.environ.get("PORT", "5000"))), Handler)
    # In a thread of its own: it waits until the loop below has ended.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    deadline = time.monotonic() + 20
    while under_way and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
