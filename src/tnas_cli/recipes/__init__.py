"""Long work, one file per kind: what a unit of work is, and what its result."""
