"""An extension of tnas in another package: one file for each addition."""
