"""Kernels compiled for this processor; they know arrays and the description of a network, nothing else."""
