"""Changes of a sandbox's workspace between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tap_pixxel.commands import make_environment

if TYPE_CHECKING:
    import random

    from pixxel_sandbox import Sandbox

GROWING_RESOURCES = ("archive_items", "catalogs", "orders", "deliveries")
CHANGING_RESOURCES = (*GROWING_RESOURCES, "order_items")
"""Order items are only updated: a copy would list the tasks of the original."""
PAGE_SIZE = "7"


def change_workspace(sandbox: Sandbox, rng: random.Random) -> None:
    """Update and insert rows in some lists of the workspace, chosen at random."""
    workspace = sandbox.workspace
    for key in rng.sample(workspace.ids("archive_items"), 4):
        workspace.update("archive_items", key)
    for name in rng.sample(CHANGING_RESOURCES, 3):
        key = rng.choice(workspace.ids(name))
        workspace.update(name, key)
        if name == "order_items":  # the order embeds it
            workspace.update("orders", workspace.get(name, key)["order_id"])
    for name in rng.sample(GROWING_RESOURCES, 2):
        workspace.insert_copy(name, rng.choice(workspace.ids(name)), first=rng.random() < 0.5)


def tap_environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment of a tap that reads a sandbox in small pages."""
    return make_environment(
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=sandbox.token,
        TAP_PIXXEL_PAGE_SIZE=PAGE_SIZE,
    )
