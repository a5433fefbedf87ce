"""How parameters move: inner and outer updates."""
