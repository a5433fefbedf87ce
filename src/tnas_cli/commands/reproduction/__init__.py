"""How `tnas reproduce` measures the rows of the paper's tables: a file for each of the paper's three settings."""
