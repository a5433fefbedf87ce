"""One algorithm per file; each is a generator that yields events."""
