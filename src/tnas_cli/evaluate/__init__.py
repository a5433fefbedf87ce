"""Training a decoded network and measuring it."""
