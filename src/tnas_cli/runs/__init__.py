"""What happens around a computation: events, run directories, checkpoints, seeds, interrupts."""
