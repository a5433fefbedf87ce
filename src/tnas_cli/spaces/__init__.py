"""What is searched: operations, cells, the search network, the decoded network, genotypes (Section 5.2.1)."""
