"""One plain function per subcommand: what the command is made of, from top to bottom."""
