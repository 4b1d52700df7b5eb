"""Answers with the standard library, and says whether it runs in the environment that was built."""
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        where = "its own" if sys.prefix.endswith(".heroku/python") else "no"
        self.wfile.write(f"python in {where} environment\n".encode())


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
