"""Typer and Rich: parse, call the engine, render. Nothing else imports them."""
