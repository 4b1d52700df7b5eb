"""Prints project.dependencies of a pyproject.toml, one a line. usage: requirements.py FILE"""
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file).get("project", {})
for requirement in project.get("dependencies", []):
    print(requirement)
