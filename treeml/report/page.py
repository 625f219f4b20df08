"""The page shell: one self-contained html file that loads nothing and prints on A4."""

from __future__ import annotations

import importlib.resources
from typing import Any

from treeml._core.version import __version__
from treeml.report.drawing import palette_css

__all__ = ["ground_css", "page"]

_LIGHT = (
    "--tm-ground:#f2f4f6;--tm-paper:#fff;--tm-panel:#f4f6f8;--tm-rule:#dfe4e9;"
    "--tm-line:#c3ccd4;--tm-ink:#1c2733;--tm-soft:#566370;"
)
_DARK = (
    "--tm-ground:#10151a;--tm-paper:#181f26;--tm-panel:#212a32;--tm-rule:#2d3842;"
    "--tm-line:#4a5763;--tm-ink:#e6ebf0;--tm-soft:#a3afba;"
)


def ground_css(dark: bool = False) -> str:
    """Declarations of the colours of ground, paper, lines and ink."""
    return _DARK if dark else _LIGHT


def page(
    title: str,
    *,
    template: str,
    package: str = "treeml.report",
    kicker: str = "treeml",
    subtitle: str = "",
    footer: str = "",
    **context: Any,
) -> str:
    """Render a template that extends ``page.html.j2``; every value in it is escaped.

    Parameters
    ----------
    title : str
        Title of the page and its first heading.
    template : str
        Name of the template; it fills the block ``main``.
    package : str, default="treeml.report"
        The package that the template lies in.
    kicker, subtitle, footer : str
        Small print above and below the title, and at the end.
    **context
        What the template reads. Ready markup (pictures) must be marked ``| safe`` there.

    Returns
    -------
    str
        An html document with its style inside: no fonts, images or links to load, and no script
        but one whose hash the template's block ``policy`` admits.
    """
    import jinja2

    loaders = [jinja2.PackageLoader(name, "") for name in dict.fromkeys((package, "treeml.report"))]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        title=title,
        kicker=kicker,
        subtitle=subtitle,
        footer=footer or f"Made by treeml {__version__}.",
        css=_css(),
        **context,
    )


def _css() -> str:
    rules = importlib.resources.files("treeml.report").joinpath("page.css").read_text("utf-8")
    return (
        f":root{{color-scheme:light dark;{_LIGHT}{palette_css()}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{_DARK}{palette_css(True)}}}}}\n"
        # dark ink on white paper would be unreadable: print is always light
        f"@media print{{:root{{color-scheme:light;{_LIGHT}{palette_css()}}}}}\n{rules}"
    )
