"""Encode the page around the features: template, styles and scripts, with a strict CSP."""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from target_stac.formats.preview.features import FIELDS, encode_script_json

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first seven are Okabe and Ito's, distinguishable with every kind of colour vision, with the
# pale yellow last.
_PALETTE = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442"),
    *("#332288", "#882255", "#999933", "#44aa99", "#661100"),
)
_OTHER_COLOUR = "#767676"  # for items whose collection has no title

_STYLES = ("vendor/leaflet.css", "page.css")
_SCRIPTS = ("vendor/leaflet.js", "page.js")
_NOTICES = ("vendor/leaflet.LICENSE", "vendor/world-atlas.LICENSE")


class PreviewHtml:
    """The parts of the page before and after the features.

    Args:
        title: The page's title.
        collections: Ids and titles; the order determines the colours.
    """

    def __init__(self, title: str, collections: Sequence[tuple[str, str]]) -> None:
        self._title = title
        self._collections = collections

    def encode_head(self) -> bytes:
        """Return the page up to the first feature."""
        page_data = {
            "collections": [
                (name, title, _PALETTE[position % len(_PALETTE)])
                for position, (name, title) in enumerate(self._collections)
            ],
            "other": _OTHER_COLOUR,
            "fields": [(label, unit) for label, _, unit in FIELDS],
        }
        title = html.escape(self._title)
        return _fill_template(
            _read_template()[0], title=title, facts=encode_script_json(page_data).decode()
        )

    def encode_tail(self, note: str) -> bytes:
        """Return the page after the last feature, with a note on the items that are not drawn."""
        return _fill_template(_read_template()[1], note=encode_script_json(note).decode())


def _fill_template(template: str, **values: str) -> bytes:
    styles = "\n".join(map(_read_resource, _STYLES))
    text = Template(template).substitute(
        values,
        policy=_content_security_policy(),
        notices="\n".join(map(_read_resource, _NOTICES)),
        styles=styles,
        land=_read_resource("vendor/land.json"),
        library=_read_resource(_SCRIPTS[0]),
        program=_read_resource(_SCRIPTS[1]),
    )
    return text.encode("utf-8", "xmlcharrefreplace")  # a title may hold a lone surrogate


@cache
def _read_template() -> tuple[str, str]:
    head, _, tail = _read_resource("page.html").partition("$rows")
    return head, tail


@cache
def _content_security_policy() -> str:
    """Return a policy that allows only the page's own styles and scripts, by their hashes."""
    styles = _hash_source("\n".join(map(_read_resource, _STYLES)))
    scripts = " ".join(_hash_source(_read_resource(name)) for name in _SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash_source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _read_resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
