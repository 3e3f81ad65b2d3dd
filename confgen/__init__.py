"""confgen: conformer ensembles from a score-based sampler with complete local frames.

    mol = confgen.read_molecule("CCO")
    ensemble = confgen.load("drugs").generate(mol, num_confs=20, seed=7)
    confgen.write_ensembles([ensemble], "ethanol.sdf")

Names are imported when they are first used, so that `import confgen` costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from confgen.ensembles import read_ensembles
    from confgen.errors import CannotStart, ConfgenError, MoleculeError
    from confgen.evaluation import evaluate
    from confgen.generate import Ensemble, Generator, load
    from confgen.molecule import read_molecule
    from confgen.readers import read_records
    from confgen.settings import GenerateSettings
    from confgen.template import read_template
    from confgen.validity import check
    from confgen.writer import write_ensembles

# OpenMP threads that spin while they wait bring torch to a crawl as soon as another program wants a core too: with one
# of two cores busy, a training step takes 0.6 s with this setting and 31 s without. It is read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    "CannotStart": "errors", "ConfgenError": "errors", "MoleculeError": "errors", "Ensemble": "generate",
    "Generator": "generate", "GenerateSettings": "settings", "load": "generate", "read_molecule": "molecule",
    "read_records": "readers", "check": "validity", "write_ensembles": "writer", "evaluate": "evaluation",
    "read_ensembles": "ensembles", "read_template": "template",
}  # fmt: skip

__all__ = [
    "CannotStart",
    "ConfgenError",
    "Ensemble",
    "GenerateSettings",
    "Generator",
    "MoleculeError",
    "__version__",
    "check",
    "evaluate",
    "load",
    "read_ensembles",
    "read_molecule",
    "read_records",
    "read_template",
    "write_ensembles",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("confgen.version").confgen_version()
    if name not in _HOME:
        raise AttributeError(f"module 'confgen' has no attribute {name!r}")
    value = getattr(import_module(f"confgen.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, "__version__"])
