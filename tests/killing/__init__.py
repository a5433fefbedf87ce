"""Kills, signals and power cuts at every border of a command: the machinery of `tests/kills.py`."""
