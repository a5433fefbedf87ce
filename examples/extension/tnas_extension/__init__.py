"""An extension of tnas from outside: one file for each thing that it adds."""
