"""The published numbers, and tables that set ours beside them."""
