"""Encode the page around the features: template, styles and scripts, with a strict CSP."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from target_stac.formats.preview.features import FIELDS, IMAGES
from target_stac.formats.preview.values import encode_script_json

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """The parts of the page before, between and after its data.

    Args:
        title: The page's title.
        collections: Titles by collection id; the order of the ids determines the colours.
        datasets: Path of the GeoParquet by collection id; a folder's ends with a slash.
    """

    def __init__(
        self, title: str, collections: Mapping[str, str], datasets: Mapping[str, str]
    ) -> None:
        self._title = title
        self._collections = collections
        self._datasets = datasets

    def encode_head(self) -> bytes:
        """Return the page up to the first feature."""
        page_data = {
            "collections": [
                (name, self._collections[name], _PALETTE[position % len(_PALETTE)])
                for position, name in enumerate(sorted(self._collections))
            ],
            "other": _OTHER_COLOUR,
            "fields": [(label, unit) for label, _, unit in FIELDS],
            "images": [label for label, _ in IMAGES],
            "datasets": dict(sorted(self._datasets.items())),
        }
        title = html.escape(self._title)
        return _fill_template(0, title=title, facts=encode_script_json(page_data).decode())

    def encode_middle(self, bands: bytes) -> bytes:
        """Return the page between the features and the asset lists.

        Args:
            bands: The sets of bands, a JSON array.
        """
        return _fill_template(1, bands=bands.decode())

    def encode_tail(self, kinds: bytes, summary: Mapping[str, object]) -> bytes:
        """Return the page after the asset lists.

        Args:
            kinds: The kinds of assets, a JSON array.
            summary: What the page says about what it lacks.
        """
        return _fill_template(2, kinds=kinds.decode(), summary=encode_script_json(summary).decode())


def _fill_template(part: int, **values: str) -> bytes:
    styles = "\n".join(map(_read_resource, _STYLES))
    text = Template(_read_template()[part]).substitute(
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
def _read_template() -> list[str]:
    """Return the template's parts, between which the features and the asset lists are."""
    return re.split(r"\$(?:rows|assets)", _read_resource("page.html"))


@cache
def _content_security_policy() -> str:
    """Return a policy that allows only the page's own styles and scripts, by their hashes.

    Images may come from where an item's thumbnail is: beside the page, or on the web. Not every
    browser takes the folder of a page on the disk as `self`; `file:` is for the others.
    """
    styles = _hash_source("\n".join(map(_read_resource, _STYLES)))
    scripts = " ".join(_hash_source(_read_resource(name)) for name in _SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles};"
        " img-src data: 'self' file: http: https:; base-uri 'none'; form-action 'none'"
    )


def _hash_source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _read_resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
