"""Renders templates to one HTML file that loads nothing from elsewhere.

Labels, file names and messages are untrusted: the templates escape them, and the page's own policy allows no script
except the page's own.
"""

import base64
import hashlib
import pathlib
from typing import Any

import jinja2
from markupsafe import Markup

_FOLDER = pathlib.Path(__file__).parent


def render(template: str, **contents: Any) -> str:
    """A whole HTML document, self-contained, from ``template`` of this folder and its contents."""
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        **contents,
    )
