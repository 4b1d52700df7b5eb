"""A framework like the well-known small ones: routes are functions."""
from wsgiref.simple_server import make_server

from tinywords import shout


class App:
    def __init__(self):
        self.routes = {}

    def route(self, path):
        return lambda function: self.routes.setdefault(path, function)

    def __call__(self, environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return [shout(self.routes[environ["PATH_INFO"]]()).encode()]

    def run(self, port):
        make_server("127.0.0.1", port, self).serve_forever()
