"""One of several services of a repository: it says what the buildpack before Python's has made."""
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.environ['SERVICE']} has {sorted(os.listdir('.'))}\n".encode())


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
