"""The Dockerfile builds an image of the plugins: its steps run in folders, without a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

from docs_tools.tables import PLUGINS
from tests.project.conftest import PROJECT, UV, copy_checkout, list_locked_packages

DOCKERFILE = PROJECT / "Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")
CHEAPER = {"UV_COMPILE_BYTECODE": "0", "UV_LINK_MODE": "hardlink"}
"""Replaces values of the Dockerfile that take more time and disk than all the rest."""


def test_dockerfile_passes_hadolint() -> None:
    result = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_image_runs_with_a_fixed_version_and_without_root() -> None:
    instructions = read_instructions()
    bases = {text.partition(" ")[0] for name, text in instructions if name == "FROM"}
    assert [re.sub(r"\d+", "N", base) for base in bases] == ["python:N.N-slim-trixie"]
    assert [text for name, text in instructions if name == "USER"] == ["1000:1000"]


@pytest.mark.timeout(300)
def test_dockerfile_installs_plugins_with_locked_versions_only(tmp_path: Path) -> None:
    root, environment = build_image(tmp_path)
    [python] = root.glob("opt/*/bin/python")
    installed = subprocess.check_output([UV, "pip", "freeze", f"--python={python}"], text=True)
    packages = {each for each in installed.splitlines() if not each.startswith("pixxel-singer @")}
    assert packages == list_locked_packages("--extra=stac", "--extra=store", "--extra=backfill")
    for name in (*PLUGINS, "pixxel-backfill"):
        program = shutil.which(name, path=environment["PATH"])
        assert program == str(python.with_name(name))
        subprocess.run([program, "--help"], env=environment, check=True)


def build_image(folder: Path) -> tuple[Path, dict[str, str]]:
    """Execute the Dockerfile; return the folder of the image's files, and its environment.

    Each stage has a folder, which `root` links to while the stage's instructions run. So a path is
    the same in all stages, and a stage has only the files that it was given.
    """
    root = folder / "root"
    stages = {"context": folder / "context"}
    copy_checkout(stages["context"], read_allowed_names())
    environment: dict[str, str] = {}
    for instruction, text in read_instructions():
        argument = re.sub(r"(?<![\w.])/(?=\w)", f"{root}/", text)
        match instruction:
            case "FROM":
                _, _, name = text.partition(" AS ")
                stage = root.with_name(name or "final")
                stage.mkdir()
                root.unlink(missing_ok=True)
                root.symlink_to(stage)
                stages[name], working_folder = stage, root
                environment = make_base(root / "usr" / "local")
            case "ENV":
                values = dict(part.split("=") for part in argument.split())
                environment |= {
                    key: Template(value).substitute(environment) for key, value in values.items()
                }
            case "WORKDIR":
                working_folder = Path(argument)
                working_folder.mkdir(parents=True, exist_ok=True)
            case "COPY":
                *sources, _ = text.removeprefix("--from=build ").split()
                stage = stages["build" if text.startswith("--from=") else "context"]
                target = working_folder / argument.split()[-1]
                target.parent.mkdir(parents=True, exist_ok=True)
                add_files([stage / each.lstrip("/") for each in sources], target)
            case "RUN":
                command = re.sub(r"--mount=\S+ ", "", argument)
                variables = environment | CHEAPER
                subprocess.run(
                    ["/bin/sh", "-c", command], cwd=working_folder, env=variables, check=True
                )
            case "USER" | "CMD":
                pass
            case _:
                raise NotImplementedError(instruction)
    return root, environment


def read_instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", "").splitlines()
    return [(words[0], words[1]) for words in (line.split(maxsplit=1) for line in lines) if words]


def read_allowed_names() -> tuple[str, ...]:
    """Return the patterns of the names that Docker sends to the build."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    first, *allowed = [line for line in lines if not line.startswith(("#", "**/__pycache__"))]
    assert first == "*"
    return tuple(line.removeprefix("!") for line in allowed)


def make_base(folder: Path) -> dict[str, str]:
    """Make what the base image has: a Python with pip; return the environment of its programs."""
    subprocess.run(
        [UV, "venv", "--quiet", "--seed", "--python", sys.executable, folder], check=True
    )
    return {**os.environ, "PATH": f"{folder}/bin:/usr/bin:/bin"}


def add_files(sources: list[Path], target: Path) -> None:
    """Add files and the contents of folders, as COPY does; a new folder is moved, not copied."""
    for source in sources:
        if not source.is_dir():
            shutil.copy(source, target)
        elif target.exists():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            source.rename(target)
