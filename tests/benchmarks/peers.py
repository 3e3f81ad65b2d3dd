"""Conformer generators under one interface: confgen, and the programs it is compared with.

A method is written as text: `etkdg`, `conforge`, `openbabel`, `openconf`, `confgen`, each with `+mmff` if MMFF94s
follows, then with `+kmeans` if `pool` times as many are made and those nearest to the centres of clusters taken, as in
`etkdg+mmff+kmeans:pool=10`. Settings come after a colon: `confgen:start=etkdg,sigma=0.5,steps=10,keep_invalid`. For
confgen their names are those of `confgen.options`, besides `preset` and `weights`. `etkdg` takes `random`, for random
starting coordinates, Open Babel `search=genetic|weighted|confab`, openconf `preset=ensemble|docking|...`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
import programs
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign

from confgen.conformers import positions, with_positions
from confgen.errors import CannotStart, MoleculeError

NAMES = ("etkdg", "conforge", "openbabel", "openconf", "confgen")
SEARCH, PRESET = "genetic", "ensemble"  # of Open Babel and openconf, unless others are asked for
MMFF_ITERATIONS = 1000
POOL = 10  # conformers made for each that k-means is to leave
AFTER = ("", "mmff", "kmeans", "mmff+kmeans")


@dataclass(frozen=True)
class Made:
    """Positions (P, N, 3) angstrom of the conformers made, and where each came from (empty where there is one way)."""

    pos: np.ndarray
    sources: Sequence[str] = ()


Run = Callable[[Chem.Mol, int], Made]


@dataclass(frozen=True)
class Method:
    """`run(mol, count)` makes `count` conformers of a molecule that has none; `setup` says what else decided them.

    run raises MoleculeError, ValueError or RuntimeError where it makes none.
    """

    name: str
    setup: str
    run: Run


def split_methods(text: str) -> list[str]:
    """The methods of a comma-separated list, in which the settings of a method may be separated by commas too.

    A part that begins with the name of a method begins a method. Raises CannotStart.
    """
    methods: list[str] = []
    for part in text.split(","):
        if part.partition(":")[0].partition("+")[0] in NAMES:
            methods.append(part)
        elif methods and ":" in methods[-1]:
            methods[-1] += f",{part}"
        else:
            raise CannotStart(f"method {part!r} is unknown; choose among {', '.join(NAMES)}")
    if len(set(methods)) < len(methods):
        raise CannotStart(f"{text!r} names a method twice; name each once")
    return methods


def build(spec: str, *, weights: str, seed: int, device: str = "cpu") -> Method:
    """The method of that name. Raises CannotStart for what is no method, ImportError if its package is missing."""
    head, _, options = spec.partition(":")
    base, plus, after = head.partition("+")
    if base not in NAMES or after not in AFTER or (plus and not after):
        raise CannotStart(
            f"method {spec!r} is unknown; choose {', '.join(NAMES)}, each with or without +mmff, then +kmeans"
        )
    changes = dict(_setting(text) for text in options.split(",") if text)
    clustered = after.endswith("kmeans")
    pool = changes.pop("pool", POOL) if clustered else 1
    if not isinstance(pool, int) or pool < 1:
        raise CannotStart(f"method {spec!r}: pool is {pool!r}; give how many conformers are made for each one left")
    if base == "confgen":
        setup, run = _confgen(changes, weights, seed, device)
    else:
        setup, run = _peer(base, changes, seed)
    if changes:
        raise CannotStart(f"method {spec!r}: {min(changes)!r} is no setting that it takes")
    if after.startswith("mmff"):
        setup, run = f"{setup}; MMFF94s, {MMFF_ITERATIONS} iterations", _relaxed(run)
    if clustered:
        setup, run = f"{setup}; k-means of {pool} times as many, scipy {version('scipy')}", _clustered(run, pool, seed)
    return Method(spec, setup, run)


def _peer(base: str, changes: dict[str, object], seed: int) -> tuple[str, Run]:
    """Setup and run of a method that is not ours; the settings it takes are taken out of `changes`."""
    if base == "etkdg":
        return _etkdg(seed, bool(changes.pop("random", False)))
    if base == "conforge":
        setup, make = programs.conforge()
    elif base == "openbabel":
        search = str(changes.pop("search", SEARCH))
        if search not in programs.OPENBABEL_SEARCHES:
            raise CannotStart(f"Open Babel has no search {search!r}; choose {', '.join(programs.OPENBABEL_SEARCHES)}")
        setup, make = programs.openbabel(search)
    else:
        preset = str(changes.pop("preset", PRESET))
        try:
            setup, make = programs.openconf(preset, seed)
        except ValueError as error:
            raise CannotStart(f"openconf has no preset {preset!r}: {error}") from error
    return setup, lambda mol, count: Made(make(mol, count))


def _etkdg(seed: int, random_start: bool) -> tuple[str, Run]:
    parameters = rdDistGeom.ETKDGv3()
    parameters.useRandomCoords = random_start  # type: ignore[assignment]
    parameters.randomSeed = seed  # type: ignore[assignment] # RDKit's stubs are wrong
    parameters.numThreads = 1  # type: ignore[assignment]

    def run(mol: Chem.Mol, count: int) -> Made:
        copy = Chem.Mol(mol)
        with rdBase.BlockLogs():
            rdDistGeom.EmbedMultipleConfs(copy, count, parameters)
        return Made(positions(copy))

    place = ", random starting coordinates" if random_start else ""
    return f"RDKit {rdBase.rdkitVersion} ETKDGv3, seed {seed}{place}", run


def _relaxed(run: Run) -> Run:
    """What `run` makes, each conformer brought to its minimum of MMFF94s; as it was if that has no parameters."""

    def run_and_relax(mol: Chem.Mol, count: int) -> Made:
        made = run(mol, count)
        copy = with_positions(mol, made.pos)  # MMFF changes the aromaticity flags of the molecule it is given
        with rdBase.BlockLogs():
            outcome = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(
                copy, numThreads=1, maxIters=MMFF_ITERATIONS, mmffVariant="MMFF94s"
            )
        if any(flag == -1 for flag, _ in outcome):
            return Made(made.pos, ["not relaxed"] * len(made.pos))
        return Made(positions(copy), made.sources)

    return run_and_relax


def _clustered(run: Run, pool: int, seed: int) -> Run:
    """Of `pool` times as many conformers as asked for, those nearest to the centres of as many clusters (k-means).

    On heavy-atom coordinates superposed on the first conformer, symmetry left out of account, as in the source.
    Source: Zhou et al., arXiv:2302.07061.
    """

    def run_and_cluster(mol: Chem.Mol, count: int) -> Made:
        from scipy.cluster.vq import kmeans2

        made = run(mol, pool * count)
        if len(made.pos) <= count:
            return made
        heavy = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1] or list(range(mol.GetNumAtoms()))
        copy = with_positions(mol, made.pos)
        rdMolAlign.AlignMolConformers(copy, atomIds=heavy)
        points = positions(copy)[:, heavy].reshape(len(made.pos), -1)
        with warnings.catch_warnings(action="ignore"):  # an empty cluster keeps its centre
            centres, _ = kmeans2(points, count, minit="++", rng=np.random.default_rng(seed))
        apart = np.linalg.norm(points[:, None] - centres, axis=-1)  # (P, count)
        kept: list[int] = []
        for column in apart.T:
            column[kept] = np.inf
            kept.append(int(column.argmin()))
        return Made(made.pos[kept], [made.sources[k] for k in kept] if made.sources else ())

    return run_and_cluster


def _confgen(changes: dict[str, object], weights: str, seed: int, device: str) -> tuple[str, Run]:
    import confgen
    from confgen.options import OPTIONS, settings_for

    loaded = confgen.load(str(changes.pop("weights", weights)), device=device).weights
    asked = "".join(f", {key}={value}" for key, value in changes.items())
    preset = changes.pop("preset", None)
    options = {name: changes.pop(name) for name in sorted(changes.keys() & set(OPTIONS) - {"num_confs", "seed"})}
    settings = replace(settings_for(loaded.sampling, None if preset is None else str(preset), options), seed=seed)

    def run(mol: Chem.Mol, count: int) -> Made:
        ensemble = next(iter(confgen.Generator(loaded, replace(settings, num_confs=count)).generate_many([mol])))
        if ensemble.error is not None:
            raise MoleculeError(str(ensemble.error))
        assert ensemble.mol is not None
        return Made(positions(ensemble.mol), ensemble.sources)

    sampler, start = settings.sampler, settings.start
    place = f"sigma {sampler.sigma_max}" if start.start == "harmonic" else f"sigma {start.sigma}, noise {start.noise}"
    after = "invalid ones kept" if settings.keep_invalid else f"{settings.attempts} further attempts, then ETKDG"
    setup = (
        f"confgen {version('confgen-mol')}, weights {loaded.name} (sha256 {loaded.sha256[:12]}), seed {seed}, "
        f"{sampler.sampler} {sampler.num_steps} steps from {start.start} at {place}, {after}, on {device}{asked}"
    )
    return setup, run


def _setting(text: str) -> tuple[str, object]:
    """Name and value of `steps=10`; a name alone is set to True."""
    key, equals, value = text.partition("=")
    try:
        return key, ast.literal_eval(value) if equals else True
    except (ValueError, SyntaxError):
        return key, value
