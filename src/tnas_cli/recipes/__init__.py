"""Long work, one file per kind: its units of work, and its result."""
