"""Every setting as a field of a frozen dataclass, checked once."""
