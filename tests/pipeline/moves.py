"""A workspace that moves on between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tap_pixxel.commands import make_environment

if TYPE_CHECKING:
    import random

    from pixxel_sandbox import Sandbox

GROWING = ("archive_items", "catalogs", "orders", "deliveries")
MOVING = (*GROWING, "order_items")
"""A twin of an order item would list the tasks of the other."""
PAGE = "7"


def move_on(sandbox: Sandbox, rng: random.Random) -> None:
    """Update rows and insert others, in some lists of the workspace."""
    workspace = sandbox.workspace
    for key in rng.sample(workspace.ids("archive_items"), 4):
        workspace.update("archive_items", key)
    for name in rng.sample(MOVING, 3):
        key = rng.choice(workspace.ids(name))
        workspace.update(name, key)
        if name == "order_items":  # the order embeds it
            workspace.update("orders", workspace.get(name, key)["order_id"])
    for name in rng.sample(GROWING, 2):
        workspace.insert_copy(name, rng.choice(workspace.ids(name)), first=rng.random() < 0.5)


def tap_environment(sandbox: Sandbox) -> dict[str, str]:
    """The environment of a tap that reads a sandbox in small pages."""
    return make_environment(
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=sandbox.token,
        TAP_PIXXEL_PAGE_SIZE=PAGE,
    )
