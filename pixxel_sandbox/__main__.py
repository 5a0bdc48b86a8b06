"""``python -m pixxel_sandbox`` does what ``pixxel-sandbox`` does."""

from pixxel_sandbox.cli import main

main(prog_name="pixxel-sandbox")
