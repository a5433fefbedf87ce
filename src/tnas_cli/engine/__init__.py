"""One plain function per subcommand: the Python interface."""
