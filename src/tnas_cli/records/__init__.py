"""Every record that leaves a command, as a frozen dataclass with a version; one reader and one writer of JSON lines."""
