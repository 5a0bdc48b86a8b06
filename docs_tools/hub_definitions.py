"""`make docs-tables`: write the plugins' definitions for Meltano Hub into `hub/`.

They are in the Hub's own format and layout, and are all that `meltano add --from-ref` needs.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import yaml

from docs_tools.tables import PLUGINS, declared_settings, make_streams
from pixxel_singer import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parents[1]
METADATA: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
VARIANT = METADATA["urls"]["Repository"].split("/")[-2]
"""The Hub names variants after the owner of the repository."""
HUB = PROJECT / "hub"
HUB_KEYS = {"keywords", "maintenance_status", "quality", "supported_python_versions"}
"""Keys that only the Hub reads; a definition in `meltano.yml` has the others."""
PLUGIN_TYPES = {"tap": "extractors", "target": "loaders"}
_LABELS = {"tap-pixxel": "Pixxel", "target-pixxel-store": "Pixxel", "target-stac": "STAC"}
_EXTRAS = {"target-pixxel-store": "[store]", "target-stac": "[stac]"}
_STATUS = "Development Status :: "
_PYTHON = "Programming Language :: Python :: 3."


def make_definition(name: str) -> dict[str, Any]:
    """Return the definition of a plugin, as the Hub and Meltano read it."""
    definition = {
        "name": name,
        "namespace": name.replace("-", "_"),
        "variant": VARIANT,
        "label": _LABELS[name],
        "description": PLUGINS[name].purpose,
        "docs": urljoin(METADATA["urls"]["Documentation"], f"reference/{name}.md"),
        "repo": METADATA["urls"]["Repository"],
        "pip_url": DISTRIBUTION + _EXTRAS.get(name, ""),
        "executable": name,
        "capabilities": sorted(each.value for each in PLUGINS[name].capabilities),
        "settings": [_make_setting(*each) for each in declared_settings(name).items()],
        "settings_group_validation": [PLUGINS[name].config_jsonschema["required"]],
        "supported_python_versions": [f"3.{each}" for each in _list_classifiers(_PYTHON)],
        "keywords": ["meltano_sdk", *METADATA["keywords"]],
        "maintenance_status": _list_classifiers(_STATUS)[0].split(" - ")[1].lower(),
        "quality": "unknown",  # the Hub rates it
    }
    if name.startswith("tap-"):
        # Meltano selects all streams, also those that are not selected by default.
        excluded = sorted(each.name for each in make_streams() if not each.selected_by_default)
        definition["select"] = ["*.*", *(f"!{each}.*" for each in excluded)]
    return definition


def definition_path(name: str) -> Path:
    """Return the file of a plugin's definition, as the Hub's `_data/meltano` has it."""
    return HUB / PLUGIN_TYPES[name.partition("-")[0]] / name / f"{VARIANT}.yml"


def format_definition(name: str) -> str:
    """Return the text of a plugin's definition, with the keys in the Hub's order."""
    return yaml.safe_dump(make_definition(name), width=100, allow_unicode=True)


def _make_setting(name: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a setting without its kind, so that Meltano passes the value on as it is.

    Of a value from the environment, Meltano's own kinds read any misspelt boolean as false, reject
    numbers with a fraction and lists without brackets, and divide objects at the dots of names.
    """
    setting = {"name": name, "label": rule["title"], "description": rule["description"]}
    if "default" in rule:
        setting["value"] = rule["default"]
    if rule.get("secret"):
        setting["sensitive"] = True
    return setting


def _list_classifiers(prefix: str) -> list[str]:
    return [
        each.removeprefix(prefix) for each in METADATA["classifiers"] if each.startswith(prefix)
    ]


if __name__ == "__main__":
    for plugin in PLUGINS:
        path = definition_path(plugin)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(format_definition(plugin))
