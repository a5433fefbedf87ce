"""Pages as single files: nothing is loaded, only the page's own style and script run, and every value is escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from tnas_cli.spelling import visible


def render_template(name: str, script: str | None = None, **values: object) -> str:
    """The text of a page from a template beside this file, with the common style and, if named, a script.

    A content security policy allows these two and pictures inside the page, and nothing else, whatever `values` hold.
    What cannot be seen in a text is shown as an escape.
    """
    # Only commands that write a page need the template engine.
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=shown
    )
    style, code = _resource("style.css"), _resource(script) if script else ""
    allowed = f"script-src '{_digest(code)}'; " if script else ""
    text: str = environment.from_string(_resource(name)).render(
        style=Markup(style),
        script=Markup(code),
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; {allowed}"
        "base-uri 'none'; form-action 'none'",
        **values,
    )
    return text


def _resource(name: str) -> str:
    return resources.files("tnas_cli.report").joinpath("html", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
