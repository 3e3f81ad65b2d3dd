"""Data moves one way: a module of confgen imports from its own layer or a lower one."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The one list of what belongs where; a new module is entered here.
LAYERS = {
    "errors": 0,
    "models": 0,
    "version": 0,
    "weights": 0,
    "axes": 1,
    "boltzmann": 1,
    "columntypes": 1,
    "complaints": 1,
    "cores": 1,
    "cluster": 1,
    "conformers": 1,
    "crew": 1,
    "cutting": 1,
    "device": 1,
    "exchanging": 1,
    "fusions": 1,
    "helpers": 1,
    "locks": 0,
    "isomers": 1,
    "left_open": 1,
    "mol2": 1,
    "molecule": 1,
    "optional": 1,
    "outfile": 1,
    "ranges": 1,
    "parquet": 1,
    "relabelling": 1,
    "rmsd": 1,
    "scaffold": 1,
    "stereo": 1,
    "stiffness": 1,
    "stereo_tags": 1,
    "tags": 1,
    "torsions": 1,
    "superpose": 1,
    "symmetry": 1,
    "assemble": 2,
    "bent": 3,
    "calculation": 2,
    "calculators": 2,
    "contacts": 2,
    "core_checks": 2,
    "core_queries": 2,
    "cxsmiles": 2,
    "distinct": 2,
    "cumulenes": 2,
    "descent": 2,
    "embed": 2,
    "explain": 2,
    "flexibility": 2,
    "forcefields": 2,
    "graph": 2,
    "hydrogens": 2,
    "hypervalent": 2,
    "ideal": 2,
    "joining": 2,
    "lengths": 2,
    "matching": 2,
    "observables": 2,
    "reflect": 2,
    "relax": 2,
    "rotors": 2,
    "shapes": 2,
    "smiles": 2,
    "squashed": 2,
    "strain": 2,
    "united": 2,
    "validity": 2,
    "ways": 2,
    "wanted": 2,
    "denoiser": 3,
    "prior": 3,
    "schedule": 3,
    "minima": 3,
    "select": 3,
    "starts": 3,
    "pairing": 3,
    "capture": 5,
    "turning": 3,
    "scores": 3,
    "checkpoint": 4,
    "clamp": 4,
    "sampler": 4,
    "dataset": 5,
    "card": 6,
    "columns": 5,
    "drafts": 5,
    "energies": 2,
    "conformer_sets": 4,
    "pickled": 5,
    "ensembles": 5,
    "omissions": 5,
    "formats": 5,
    "frames": 5,
    "generate": 5,
    "mixture": 5,
    "pickles": 5,
    "options": 5,
    "packing": 5,
    "propose": 5,
    "readers": 5,
    "recipe": 5,
    "sections": 5,
    "sensible": 5,
    "rows": 5,
    "record_tags": 5,
    "record_text": 5,
    "rewriting": 5,
    "rounds": 5,
    "sdf": 5,
    "settings": 5,
    "splitting": 5,
    "template": 5,
    "textfile": 5,
    "unfinished": 5,
    "writer": 5,
    "whole": 5,
    "comparison": 6,
    "unmatched": 6,
    "evaluation": 6,
    "candidates": 6,
    "inspection": 6,
    "library": 6,
    "pool": 6,
    "report": 6,
    "reference_entries": 6,
    "references": 6,
    "properties": 6,
    "train": 6,
    "trainer": 6,
    "subset": 6,
    "validation": 6,
    "__init__": 6,
    "cli": 7,
    "__main__": 7,
}
MODELS_MAY_IMPORT = {"torch", "numpy", *sys.stdlib_module_names}


def modules() -> dict[str, list[Path]]:
    """Source files of every module, or package, directly under confgen/; the links to models/ and weights/ included."""
    found = {path.stem: [path] for path in (ROOT / "confgen").glob("*.py")}
    for folder in (ROOT / "confgen").iterdir():
        if (folder / "__init__.py").exists():
            found[folder.name] = sorted(folder.rglob("*.py"))
    return found


def imported(path: Path) -> list[tuple[int, str]]:
    """Line and full dotted name of everything a file imports, inside functions and type checking too."""
    inside = ["confgen", *path.relative_to(ROOT / "confgen").parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) + 1 - node.level] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names += [(node.lineno, f"{start}.{alias.name}") for alias in node.names]
    return names


def layer_of(name: str) -> int | None:
    """Layer of a full dotted name, None for other people's packages; `confgen.x` that is no module is the package."""
    parts = name.split(".")
    if parts[0] != "confgen":
        return None
    return LAYERS[parts[1]] if len(parts) > 1 and parts[1] in LAYERS else LAYERS["__init__"]


def test_every_module_has_a_layer_and_every_layer_its_module() -> None:
    assert set(modules()) ^ set(LAYERS) == set()


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_from_its_own_layer_or_lower(module: str) -> None:
    upward = [
        f"{path.name}:{line} imports {name}"
        for path in modules()[module]
        for line, name in imported(path)
        if (layer := layer_of(name)) is not None and layer > LAYERS.get(module, -1)
    ]
    assert upward == []


@pytest.mark.parametrize("path", sorted((ROOT / "models").rglob("*.py")), ids=lambda path: path.name)
def test_networks_know_tensors_only(path: Path) -> None:
    linked = ROOT / "confgen" / "models" / path.relative_to(ROOT / "models")
    allowed = {"confgen.models", *MODELS_MAY_IMPORT}
    foreign = [
        f"line {line}: {name}"
        for line, name in imported(linked)
        if name.split(".")[0] not in allowed and not name.startswith("confgen.models.")
    ]
    assert foreign == []


def test_networks_import_each_other_relatively() -> None:
    absolute = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "models").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("confgen")
    ]
    assert absolute == []
