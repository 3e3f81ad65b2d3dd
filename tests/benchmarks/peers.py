"""Conformer generators under one interface: confgen, and the programs it is compared with.

A method is written as text: `etkdg`, `conforge`, `confgen`, each with `+mmff` if MMFF94s follows, and for confgen
settings after a colon: `confgen:start=etkdg,sigma=0.5,steps=10,keep_invalid`. Their names are the fields of
GenerateSettings, SamplerSettings and StartSettings; `steps` is short for num_steps, and `weights` chooses others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

import confgen
from confgen.errors import CannotStart, MoleculeError
from confgen.molecule import positions, with_positions
from confgen.propose import StartSettings
from confgen.sampler import SamplerSettings
from confgen.settings import GenerateSettings, default_settings

NAMES = ("etkdg", "conforge", "confgen")
SHORT = {"steps": "num_steps", "start_sigma": "sigma", "start_noise": "noise"}
TIMEOUT_S = 60  # of CONFORGE, for one molecule
MMFF_ITERATIONS = 1000


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
    if base not in NAMES or (plus and after != "mmff"):
        raise CannotStart(f"method {spec!r} is unknown; choose {', '.join(NAMES)}, each with or without +mmff")
    if options and base != "confgen":
        raise CannotStart(f"method {spec!r}: only confgen takes settings")
    if base == "confgen":
        setup, run = _confgen(options, weights, seed, device)
    else:
        setup, run = _conforge() if base == "conforge" else _etkdg(seed)
    if plus:
        setup, run = f"{setup}; MMFF94s, {MMFF_ITERATIONS} iterations", _relaxed(run)
    return Method(spec, setup, run)


def _etkdg(seed: int) -> tuple[str, Run]:
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed  # type: ignore[assignment] # RDKit's stubs are wrong
    parameters.numThreads = 1  # type: ignore[assignment]

    def run(mol: Chem.Mol, count: int) -> Made:
        copy = Chem.Mol(mol)
        with rdBase.BlockLogs():
            rdDistGeom.EmbedMultipleConfs(copy, count, parameters)
        return Made(positions(copy))

    return f"RDKit {rdBase.rdkitVersion} ETKDGv3, seed {seed}", run


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


def _conforge() -> tuple[str, Run]:
    from CDPL import Chem as CDPLChem  # type: ignore[import-untyped]
    from CDPL import ConfGen

    generator = ConfGen.ConformerGenerator()
    generator.settings.assign(ConfGen.ConformerGeneratorSettings.MEDIUM_SET_DIVERSE)
    generator.settings.timeout = TIMEOUT_S * 1000

    def run(mol: Chem.Mol, count: int) -> Made:
        smiles = Chem.MolToSmiles(mol, canonical=False)  # hydrogens are atoms of mol, so they are written out
        order = list(mol.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"])
        theirs = CDPLChem.parseSMILES(smiles)
        ConfGen.prepareForConformerGeneration(theirs)
        generator.settings.maxNumOutputConformers = count
        status = generator.generate(theirs)
        if [CDPLChem.getSymbol(atom) for atom in theirs.atoms] != [mol.GetAtomWithIdx(i).GetSymbol() for i in order]:
            raise ValueError("CONFORGE changed the order of the atoms")
        if not generator.numConformers:
            raise RuntimeError(f"CONFORGE ended with status {status}")
        pos = np.empty((generator.numConformers, mol.GetNumAtoms(), 3))
        pos[:, order] = [np.array(generator.getConformer(k)) for k in range(generator.numConformers)]
        return Made(pos)

    return f"CDPKit {version('cdpkit')} CONFORGE, MEDIUM_SET_DIVERSE, {TIMEOUT_S} s", run


def _confgen(options: str, weights: str, seed: int, device: str) -> tuple[str, Run]:
    changes = dict(_setting(text) for text in options.split(",") if text)
    generator = confgen.load(str(changes.pop("weights", weights)), device=device)
    loaded = generator.weights
    begin = changes.get("start")
    recommended = default_settings(loaded.sampling, None if begin is None else str(begin))
    settings = replace(_changed(recommended, changes), seed=seed)

    def run(mol: Chem.Mol, count: int) -> Made:
        ensemble = next(iter(confgen.Generator(loaded, replace(settings, num_confs=count)).generate_many([mol])))
        if ensemble.error is not None:
            raise MoleculeError(str(ensemble.error))
        assert ensemble.mol is not None
        return Made(positions(ensemble.mol), ensemble.sources)

    sampler, start = settings.sampler, settings.start
    place = f"sigma {sampler.sigma_max}" if start.start == "harmonic" else f"sigma {start.sigma}, noise {start.noise}"
    after = "invalid ones kept" if settings.keep_invalid else f"{settings.attempts} further attempts, then ETKDG"
    return (
        f"confgen {version('confgen-mol')}, weights {loaded.name} (sha256 {loaded.sha256[:12]}), seed {seed}, "
        f"{sampler.sampler} {sampler.num_steps} steps from {start.start} at {place}, {after}, on {device}"
        + "".join(f", {key}={value}" for key, value in changes.items()),
        run,
    )


def _setting(text: str) -> tuple[str, object]:
    """Name and value of `steps=10`; a name alone is set to True."""
    key, equals, value = text.partition("=")
    try:
        return SHORT.get(key, key), ast.literal_eval(value) if equals else True
    except (ValueError, SyntaxError):
        return SHORT.get(key, key), value


def _changed(settings: GenerateSettings, changes: dict[str, object]) -> GenerateSettings:
    """The settings with every change made in the part that has a field of that name."""
    left = dict(changes)
    sampler = replace(settings.sampler, **_taken(left, SamplerSettings))
    start = replace(settings.start, **_taken(left, StartSettings))
    own = _taken(left, GenerateSettings)
    wrong = left.keys() | own.keys() & {"num_confs", "seed"}
    if wrong:
        raise CannotStart(f"{min(wrong)!r} is no setting that a method may set; see GenerateSettings")
    return replace(settings, sampler=sampler, start=start, **own)


def _taken(
    changes: dict[str, object], kind: type[GenerateSettings | SamplerSettings | StartSettings]
) -> dict[str, Any]:
    """The changes to fields of that dataclass, which are taken out of `changes`."""
    return {field.name: changes.pop(field.name) for field in fields(kind) if field.name in changes}
