"""What several test files share: small molecules as graphs, a tiny network, an ensemble file to train on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from evaluating import TRIO
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from torch import Tensor, nn
from torch_geometric.data import Data
from training import MakeConfig, write_config

from confgen import checkpoint
from confgen.conformers import is_token, positions
from confgen.dataset import Pack
from confgen.denoiser import Denoiser
from confgen.graph import mol_to_graph
from confgen.models.dense import DenseGraph
from confgen.molecule import read_molecule
from confgen.packing import packed

ENSEMBLES = (
    "CCO", "CC(=O)O", "c1ccccc1C", "CCCCN", "C[C@H](N)C(=O)O", "C[C@@H](O)CF", "F/C=C/C", "C/C=C\\CO", "OCC1CCCC1",
    "CC(C)C(=O)NC", "C[S@](=O)CC", "N#CCC(F)(F)F",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors gain nothing from threads, and bitwise promises are made for one setting."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _hears_ctrl_c() -> None:
    """Also where a shell runs the tests in the background, and has made them deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """The config of a network small enough for tests."""
    return {"width": 32, "pair_width": 16, "vectors": 8, "heads": 4, "layers": 2, "radial": 8}


def embedded(mol: Chem.Mol, num_confs: int = 1, seed: int = 7) -> Chem.Mol:
    """A copy with conformers of ETKDGv3."""
    copy = Chem.Mol(mol)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    assert len(rdDistGeom.EmbedMultipleConfs(copy, num_confs, parameters)) == num_confs
    return copy


@pytest.fixture(scope="session")
def embed_mol() -> Callable[..., Chem.Mol]:
    """Function: a molecule -> a copy with conformers (num_confs, seed) of ETKDGv3."""
    return embedded


@pytest.fixture(scope="session")
def graph_of() -> Callable[[str], Data]:
    """Function: SMILES -> graph with `pos` (N, 3) float64, centred positions of its tokens from ETKDGv3."""

    def make(smiles: str) -> Data:
        mol = embedded(read_molecule(smiles))
        graph = mol_to_graph(mol)
        pos = torch.tensor(mol.GetConformer().GetPositions()[is_token(mol)])
        graph.pos = pos - pos.mean(0)
        return graph

    return make


@pytest.fixture(scope="session")
def ethanol(graph_of: Callable[[str], Data]) -> Data:
    return graph_of("CCO")


@pytest.fixture(scope="session")
def threonine(graph_of: Callable[[str], Data]) -> Data:
    """Two specified centres, eight heavy atoms."""
    return graph_of("C[C@@H](O)[C@H](N)C(=O)O")


@pytest.fixture(scope="session")
def rotation() -> Tensor:
    """A rotation (3, 3) float64 about no particular axis."""
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    return q * torch.linalg.det(q).sign()


@pytest.fixture(scope="session")
def randomise() -> Callable[..., nn.Module]:
    """Function: a network -> the same one in float64, every weight moved, so that nothing is zero any more."""

    def move(network: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        network = network.double().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                scale = 0.5 / parameter.shape[-1] ** 0.5
                parameter += scale * torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        return network

    return move


def ensemble_row(smiles: str, num_confs: int = 2) -> dict[str, Any]:
    """One row of an ensemble file: hydrogens explicit, positions in the order of the SMILES."""
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False
    text = Chem.MolToSmiles(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    mol = embedded(Chem.MolFromSmiles(text, keep_hydrogens), num_confs)
    pos = np.stack([conformer.GetPositions() for conformer in mol.GetConformers()])
    return {
        "smiles": text,
        "num_confs": num_confs,
        "num_atoms": mol.GetNumAtoms(),
        "positions": pos.astype(np.float32).ravel().tolist(),
    }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as a Parquet file."""
    schema = pa.schema({
        "smiles": pa.string(), "num_confs": pa.int32(), "num_atoms": pa.int32(), "positions": pa.list_(pa.float32())
    })  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


@pytest.fixture(scope="session")
def row_of() -> Callable[..., dict[str, Any]]:
    """Function: SMILES, number of conformers -> a row of an ensemble file."""
    return ensemble_row


@pytest.fixture(scope="session")
def rows_file() -> Callable[[Path, list[dict[str, Any]]], Path]:
    """Function: path and rows -> the ensemble file written there."""
    return write_rows


@pytest.fixture(scope="session")
def ensemble_rows() -> list[dict[str, Any]]:
    return [ensemble_row(smiles) for smiles in ENSEMBLES]


@pytest.fixture(scope="session")
def ensemble_file(tmp_path_factory: pytest.TempPathFactory, ensemble_rows: list[dict[str, Any]]) -> Path:
    """Twelve molecules with two conformers each, as a Parquet file."""
    return write_rows(tmp_path_factory.mktemp("data") / "tiny.parquet", ensemble_rows)


@pytest.fixture(scope="session")
def pack_file(tmp_path_factory: pytest.TempPathFactory, ensemble_file: Path) -> Path:
    """The pack of `ensemble_file`."""
    return packed(ensemble_file, tmp_path_factory.mktemp("cache"), workers=1)


@pytest.fixture(scope="session")
def pack(pack_file: Path) -> Pack:
    return Pack.load(pack_file)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory, tiny: dict[str, Any]) -> Path:
    """A folder of weights that have learned nothing, and recommend two steps of dpmpp."""
    torch.manual_seed(1)
    denoiser = Denoiser("clofnet", **tiny)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    checkpoint.save(folder, denoiser, denoiser.state_dict(), {"sampler": "dpmpp", "num_steps": 2}, {"steps": 42})
    return folder


@pytest.fixture(scope="session")
def trio() -> dict[str, Chem.Mol]:
    """Three molecules with three conformers each, by their SMILES."""
    return {smiles: embedded(read_molecule(smiles), 3) for smiles in TRIO}


@pytest.fixture(scope="session")
def butanol() -> Chem.Mol:
    """(R)-butan-2-ol with 3 conformers."""
    mol = Chem.AddHs(Chem.MolFromSmiles("CC[C@@H](C)O"))
    assert len(rdDistGeom.EmbedMultipleConfs(mol, 3, randomSeed=7)) == 3
    return mol


@pytest.fixture(scope="session")
def butanol_file(butanol: Chem.Mol, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of one ensemble, in its SMILES order."""
    smiles = Chem.MolToSmiles(butanol, canonical=False)
    row = {"id": "butanol", "smiles": smiles, "num_confs": 3, "num_atoms": butanol.GetNumAtoms()}
    order = list(butanol.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"])
    path = tmp_path_factory.mktemp("data") / "tiny.parquet"
    pq.write_table(pa.Table.from_pylist([row | {"positions": positions(butanol)[:, order].ravel().tolist()}]), path)
    return path


class Oracle(nn.Module):
    """Stands in for a trained denoiser: its estimate is the nearest known conformer of the molecule, turned to fit.

    known: positions of the tokens, (K, T, 3), by what the graph says of the molecule (see `key`).
    wrong: answer with the mirror image.   nan: answer with no numbers at all.   calls: how often it was asked.
    """

    def __init__(self, known: dict[bytes, Tensor], wrong: bool = False, nan: bool = False) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.known, self.wrong, self.nan = known, wrong, nan
        self.calls = 0

    @staticmethod
    def key(graph: DenseGraph) -> bytes:
        return graph.node.numpy().tobytes() + graph.pair.numpy().tobytes() + graph.wanted.numpy().tobytes()

    def with_bf16_products(self) -> Oracle:
        return self

    def encode(self, graph: DenseGraph) -> Tensor:
        known = self.known[self.key(graph)]
        return -known if self.wrong else known

    def forward(self, known: Tensor, pos: Tensor, sigma: Tensor) -> Tensor:
        del sigma
        self.calls += 1
        if self.nan:
            return torch.full_like(pos, torch.nan)
        covariance = torch.einsum("ktx,bty->bkxy", known, pos.double())
        u, _, vt = torch.linalg.svd(covariance)
        u = u.clone()
        u[..., -1] *= torch.linalg.det(u @ vt).sign().unsqueeze(-1)
        turned = torch.einsum("ktx,bkxy->bkty", known, u @ vt)
        nearest = (turned - pos.double().unsqueeze(1)).square().sum((-1, -2)).argmin(1)
        return turned[torch.arange(len(pos)), nearest].to(pos.dtype)


@pytest.fixture(scope="session")
def oracle() -> Callable[..., Oracle]:
    """Function: molecules (each connected, stereo specified) -> the `Oracle` that knows them, three conformers each."""

    def make(*mols: Chem.Mol, **options: bool) -> Oracle:
        known = {}
        for mol in mols:
            for part in Chem.GetMolFrags(mol, asMols=True):
                graph = DenseGraph.from_flat(mol_to_graph(part))
                confs = embedded(part, 3)
                pos = np.stack([conformer.GetPositions()[is_token(part)] for conformer in confs.GetConformers()])
                known[Oracle.key(graph)] = torch.tensor(pos - pos.mean(1, keepdims=True))
        return Oracle(known, **options)

    return make


@pytest.fixture
def config(tmp_path: Path, pack_file: Path, tiny: dict[str, Any]) -> MakeConfig:
    """Function: settings of [optim] -> a TOML file that trains a tiny network on the tiny pack, or another one."""

    def write(path: Path = pack_file, **optim: Any) -> Path:
        return write_config(tmp_path, path, tiny, **optim)

    return write
