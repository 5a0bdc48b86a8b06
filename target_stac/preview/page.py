"""The page around the rows: template, style and scripts in one file, under a strict policy."""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from target_stac.preview.rows import FIELDS, embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

# Okabe and Ito's colours, told apart with every kind of colour vision; the pale yellow comes last.
_PALETTE = (  # told apart by colour-blind eyes, too
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442"),
    *("#332288", "#882255", "#999933", "#44aa99", "#661100"),
)
_OTHER = "#767676"  # items of no collection that the page knows

_STYLES = ("vendor/leaflet.css", "page.css")
_SCRIPTS = ("vendor/leaflet.js", "page.js")
_NOTICES = ("vendor/leaflet.LICENSE", "vendor/world-atlas.LICENSE")


class Page:
    """What stands before and after the rows.

    Args:
        title: The page's title.
        collections: Ids and titles, in the order that gives them their colours.
    """

    def __init__(self, title: str, collections: Sequence[tuple[str, str]]) -> None:
        self._title = title
        self._collections = collections

    def head(self) -> bytes:
        """Give the page up to the first row."""
        facts = {
            "collections": [
                (name, title, _PALETTE[position % len(_PALETTE)])
                for position, (name, title) in enumerate(self._collections)
            ],
            "other": _OTHER,
            "fields": [(label, unit) for label, _, unit in FIELDS],
        }
        title = html.escape(self._title)
        return _filled(_template()[0], title=title, facts=embedded(facts).decode())

    def tail(self, note: str) -> bytes:
        """Give the page after the last row; the note says what is not drawn."""
        return _filled(_template()[1], note=embedded(note).decode())


def _filled(part: str, **values: str) -> bytes:
    styles = "\n".join(map(_read, _STYLES))
    filled = Template(part).substitute(
        values,
        policy=_policy(),
        notices="\n".join(map(_read, _NOTICES)),
        styles=styles,
        land=_read("vendor/land.json"),
        library=_read(_SCRIPTS[0]),
        program=_read(_SCRIPTS[1]),
    )
    return filled.encode("utf-8", "xmlcharrefreplace")  # a title may hold half a surrogate pair


@cache
def _template() -> tuple[str, str]:
    head, _, tail = _read("page.html").partition("$rows")
    return head, tail


@cache
def _policy() -> str:
    """Allow the page's own styles and scripts, by their hashes, and nothing else."""
    styles = _source("\n".join(map(_read, _STYLES)))
    scripts = " ".join(_source(_read(name)) for name in _SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
