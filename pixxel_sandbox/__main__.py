"""Entry point of `python -m pixxel_sandbox`."""

from __future__ import annotations

from pixxel_sandbox.cli import main

main(prog_name="pixxel-sandbox")
