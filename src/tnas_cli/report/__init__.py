"""The published numbers, and tables that show ours beside them."""
