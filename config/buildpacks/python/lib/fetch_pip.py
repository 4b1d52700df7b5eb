"""Fetches the newest pip of an index and prints its path, or why not. usage: fetch_pip.py INDEX FOLDER"""
import os
import re
import sys
import urllib.parse
import urllib.request

index, folder = sys.argv[1].rstrip("/"), sys.argv[2]


def newest(page):
    """The address of the wheel with the highest version: plain releases only."""
    links = re.findall(r'href="([^"]*/)?(pip-(\d+(?:\.\d+)*)-py3-none-any\.whl)([^"]*)"', page)
    place, name, _, more = max(links, key=lambda link: tuple(map(int, link[2].split("."))))
    return place + name + more, name


try:
    with urllib.request.urlopen(f"{index}/pip/", timeout=30) as answer:
        base, page = answer.url, answer.read(16 * 1024 * 1024).decode()
    address, name = newest(page)
    path = os.path.join(folder, name)
    with urllib.request.urlopen(urllib.parse.urljoin(base, address), timeout=60) as answer:
        with open(path, "wb") as file:
            file.write(answer.read(64 * 1024 * 1024))
except (OSError, ValueError) as error:
    print(f"{index}: {error}")
    sys.exit(1)
print(path)
