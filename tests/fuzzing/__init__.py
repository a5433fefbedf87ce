"""The parts of `tests/fuzz.py`: good examples, what is changed in them, what reads them, and the processes."""
