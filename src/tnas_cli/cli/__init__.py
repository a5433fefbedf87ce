"""Typer and Rich: parse, call the command, render. Nothing else imports them."""
