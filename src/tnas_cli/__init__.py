"""T-NAS (Lian et al., ICLR 2020): fast adaptation of neural architectures with meta-learning."""

__version__ = "0.1.0"
