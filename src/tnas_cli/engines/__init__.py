"""How a meta-batch is computed: one interface, several engines."""
