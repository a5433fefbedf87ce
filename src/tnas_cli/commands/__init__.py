"""One plain function per subcommand: the steps of the command, from top to bottom."""
