"""`tnas doctor`: what is installed, where data lies, whether the mathematics is right, how fast it is."""

from __future__ import annotations

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.errors import TnasError


def doctor(
    device: options.Device = "auto",
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Check the installation: versions, device, caches, a self-test of the maths and the speed of a sample."""
    from tnas_cli.engine.doctor import doctor as examine
    from tnas_cli.runs.device import Machine

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    found = examine(Machine(device, threads))
    if as_json:
        screen.record(found)
    else:
        packages = "  ".join(f"{name} {version}" for name, version in found["packages"].items())
        rate = found["search_tasks_per_second"]
        for name, value in (
            ("tnas", f"{found['package_version']}  python {found['python']}  {found['platform']}"),
            ("packages", packages),
            ("device", f"{found['device']} ({found['processor']}), {found['threads']} of {found['cores']} threads"),
            ("cache", f"{found['cache']}: {', '.join(found['prepared']) or 'nothing prepared yet'}"),
            ("maths", f"gradient against finite difference: {found['gradient_error']:.1e} relative"),
            ("speed", f"{rate:.2g} search tasks per second (28 px, 5-way 1-shot)"),
        ):
            screen.text(f"{name:<10}{value}")
    if not found["sound"]:
        raise TnasError(
            f"the self-test is off by {found['gradient_error']:.1e}.", hint="reinstall torch and run tnas doctor again"
        )
