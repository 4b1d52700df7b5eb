"""
Reads static.json, with what holds where it says nothing. As a program: says what is served, or what is wrong
with the file (exit code 1). usage: settings.py APP_DIR
"""
import json
import os
import sys

ROOTS = ("public_html", "public", "dist", "build", ".")
KNOWN = {
    "root": str,
    "clean_urls": bool,
    "https_only": bool,
    "error_page": str,
    "routes": dict,
    "redirects": dict,
    "headers": dict,
}


def load(app):
    """The settings of the app in that folder. Raises a ValueError that says what is wrong."""
    settings = {}
    path = os.path.join(app, "static.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
        if not isinstance(settings, dict):
            raise ValueError("it is not an object")
    for name, value in settings.items():
        if name in KNOWN and not isinstance(value, KNOWN[name]):
            raise ValueError(f"{name} is not of the right kind: {json.dumps(value)}")
    for source, to in settings.get("redirects", {}).items():
        if not isinstance(to, dict) or not isinstance(to.get("url"), str):
            raise ValueError(f"redirects: {source} has no url")
        if not isinstance(to.get("status", 301), int):
            raise ValueError(f"redirects: the status of {source} is not a number")
    for pattern, fields in settings.get("headers", {}).items():
        if not isinstance(fields, dict):
            raise ValueError(f"headers: {pattern} has none")
    root = settings.get("root")
    if root is None:
        pages = (each for each in ROOTS if os.path.isfile(os.path.join(app, each, "index.html")))
        root = next(pages, "public_html")
    inside = os.path.realpath(os.path.join(app, root))
    if os.path.commonpath([inside, os.path.realpath(app)]) != os.path.realpath(app):
        raise ValueError(f"root leads out of the app: {root}")
    if not os.path.isdir(inside):
        raise ValueError(f"root is no folder of the app: {root}")
    return {**settings, "root": inside, "name": root}


if __name__ == "__main__":
    try:
        name = load(sys.argv[1])["name"]
    except ValueError as error:
        print(error)
        sys.exit(1)
    print("the app's root" if name in (".", "./", "") else name)
