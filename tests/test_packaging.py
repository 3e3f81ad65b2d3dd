"""What is declared about the package agrees with what is there."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import confgen
from confgen.version import confgen_version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
NAME = PROJECT["project"]["name"]


def pins() -> dict[str, Requirement]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def declared(*extras: str) -> list[Requirement]:
    project = PROJECT["project"]
    return [
        Requirement(text)
        for text in project["dependencies"] + [r for e in extras for r in project["optional-dependencies"][e]]
    ]


def installed_version() -> str:
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        pytest.skip("confgen is not installed here")


def test_every_pin_is_exact_and_names_no_build() -> None:
    assert [str(pin) for pin in pins().values() if not re.fullmatch(r"==[\w.]+", str(pin.specifier))] == []


@pytest.mark.parametrize("requirement", declared("dev"), ids=lambda requirement: requirement.name)
def test_a_dependency_has_a_range_that_admits_its_pin(requirement: Requirement) -> None:
    version = next(iter(pins()[canonicalize_name(requirement.name)].specifier)).version
    assert len(requirement.specifier) > 0
    assert requirement.specifier.contains(version)


def test_everything_the_dependencies_need_is_pinned() -> None:
    pinned, todo, seen = pins(), declared("dev"), set()
    while todo:
        requirement = todo.pop()
        if requirement.name in seen:
            continue
        seen.add(requirement.name)
        for text in metadata.requires(requirement.name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                todo.append(needed)
    # The CUDA builds of torch name their own libraries exactly, and change them with the platform.
    own_of_torch = re.compile(r"triton|cuda-|nvidia-")
    assert {name for name in map(canonicalize_name, seen) if not own_of_torch.match(name)} <= set(pinned)


def test_both_commands_start_the_same_program() -> None:
    assert PROJECT["project"]["scripts"] == dict.fromkeys(("confgen", "confgen-mol"), "confgen.__main__:main")


def test_every_folder_of_code_is_listed_as_a_package() -> None:
    folders = {
        path.parent.relative_to(ROOT)
        for top in ("confgen", "models", "weights")
        for path in (ROOT / top).rglob("__init__.py")
    }
    names = {
        ".".join(("confgen", *folder.parts) if folder.parts[0] != "confgen" else folder.parts) for folder in folders
    }
    assert names | {"confgen"} == set(SETUPTOOLS["packages"])


@pytest.mark.parametrize("name", ["models", "weights"])
def test_the_links_lead_where_the_packages_are_mapped(name: str) -> None:
    assert (ROOT / "confgen" / name).resolve() == ROOT / SETUPTOOLS["package-dir"][f"confgen.{name}"]


def test_all_files_of_the_weights_go_into_the_package() -> None:
    folder = ROOT / "weights"
    packed = {path for glob in SETUPTOOLS["package-data"]["confgen.weights"] for path in folder.glob(glob)}
    there = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert there - packed == set()


def test_the_version_is_stated_once() -> None:
    assert installed_version() == PROJECT["project"]["version"]


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:] == sorted(headings[1:], key=Version, reverse=True)


def test_the_readme_begins_with_two_single_commands() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    assert ["\n" in block.replace("\\\n", " ").strip() for block in blocks[:2]] == [False, False]
    assert "confgen generate" in blocks[0]
    assert "pytest" in blocks[1]


def test_links_of_the_readme_lead_somewhere() -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)  # SMILES look like links
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text)
    assert links
    for target, anchor in links:
        linked = ROOT / (target or "README.md")
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_package_gives_all_that_it_names() -> None:
    assert {"CannotStart", "__version__"} <= {*confgen.__all__} <= {*dir(confgen)}
    assert [name for name in confgen.__all__ if getattr(confgen, name) is None] == []
    assert confgen.__version__ == confgen_version()
