"""Worker processes change how long a run takes, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rdkit import Chem

from confgen import checkpoint, pool
from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, to_binary
from confgen.cores import available_cores
from confgen.denoiser import Denoiser
from confgen.errors import MoleculeError, WeightsError
from confgen.generate import Ensemble
from confgen.molecule import from_molblock, from_smiles, read_molecule
from confgen.pool import FEW_CONFORMERS, choose_workers, generate_parallel, generate_serial
from confgen.readers import Record, read_records
from confgen.sampler import SamplerSettings
from confgen.settings import GenerateSettings
from confgen.template import Template

SETTINGS = GenerateSettings(num_confs=2, keep_invalid=True, stereo="enumerate", sampler=SamplerSettings(num_steps=2))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, tiny: dict[str, Any]) -> str:
    """A folder of weights that have learned nothing."""
    torch.manual_seed(1)
    denoiser = Denoiser("clofnet", **tiny)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    checkpoint.save(folder, denoiser, denoiser.state_dict(), {}, {})
    return str(folder)


def record(smiles: str, name: str = "") -> Record:
    return Record(from_smiles(smiles, name, "test"), name, "test")


def mixed_records() -> list[Record]:
    """A chiral molecule, one that cannot be read, two isomers of one, a radical salt, one with tags, quick ones."""
    tagged = from_molblock(
        Chem.MolToMolBlock(Chem.MolFromSmiles("[13CH3]C=O")) + ">  <pIC50>\n6.5\n", "tagged", "x.sdf"
    )
    tagged.SetProp("_private", "kept")
    return [
        record("C[C@H](F)O", "chiral"), *read_records(["c1ccccc"]), record("CC(F)Cl", "open"),
        record("[Na+].[O]C", "salt"), Record(tagged, "tagged", "x.sdf"),
        *(record("[K+]", str(number)) for number in range(40)),
    ]  # fmt: skip


def only(made: Iterator[list[Ensemble]]) -> list[Ensemble]:
    return [ensemble for ensembles in made for ensemble in ensembles]


@pytest.fixture(scope="module")
def both(weights: str) -> tuple[list[Ensemble], list[Ensemble]]:
    """The same records done in this process and by two workers."""
    serial = generate_serial(mixed_records(), checkpoint.load(weights), SETTINGS)
    return only(serial), only(generate_parallel(mixed_records(), weights, SETTINGS, 2))


def test_workers_give_the_same_conformers(both: tuple[list[Ensemble], list[Ensemble]]) -> None:
    for one, other in zip(*both, strict=True):
        if one.mol is not None and other.mol is not None:
            for ours, theirs in zip(one.mol.GetConformers(), other.mol.GetConformers(), strict=True):
                np.testing.assert_allclose(ours.GetPositions(), theirs.GetPositions(), atol=1e-3)
                assert theirs.Is3D()


def test_workers_keep_the_order_and_the_errors(both: tuple[list[Ensemble], list[Ensemble]]) -> None:
    told = [[(e.name, e.origin, str(e.error), e.checks, e.sources, e.notes) for e in made] for made in both]
    assert told[0] == told[1]
    assert [row[0] for row in told[1]] == ["chiral", "c1ccccc", "open", "open", "salt", "tagged", *map(str, range(40))]


def test_molecules_come_back_from_workers_as_they_were(both: tuple[list[Ensemble], list[Ensemble]]) -> None:
    described = [
        [
            (Chem.MolToCXSmiles(mol), {name: mol.GetProp(name) for name in mol.GetPropNames(True, False)})
            for mol in (Chem.Mol(ensemble.mol) for ensemble in made if ensemble.mol is not None)
            if mol.RemoveAllConformers() is None
        ]
        for made in both
    ]
    assert described[0] == described[1]
    assert described[1][4][1].items() >= {"pIC50": "6.5", "_private": "kept", "_Name": "tagged"}.items()


@pytest.mark.parametrize(
    "holding",
    [
        lambda mol: Ensemble(mol, "a", "b", 1, "tiny"),
        lambda mol: ConformerSet("a", "b", mol, energies=np.zeros(2)),
        lambda mol: Record(mol, "a", "b"),
        lambda mol: Template(mol, "b", "CCO"),
    ],
    ids=["ensemble", "conformer set", "record", "template"],
)
def test_a_pickle_keeps_the_molecule_to_the_last_digit(
    holding: Callable[[Chem.Mol], Any], embed_mol: Callable[..., Chem.Mol]
) -> None:
    mol = embed_mol(read_molecule("CCO"), 2)
    mol.SetProp("_private", "kept")
    mol.SetProp("supplier", "x42")
    given = holding(mol)
    again = pickle.loads(pickle.dumps(given))
    assert dict(again.mol.GetPropsAsDict(True, False)) == dict(mol.GetPropsAsDict(True, False))
    np.testing.assert_array_equal(positions(again.mol), positions(mol))
    assert repr({**vars(again), "mol": None}) == repr({**vars(given), "mol": None})


def test_a_pickle_may_have_no_molecule() -> None:
    record = Record(None, "", "a.smi:1", MoleculeError("a.smi:1: is none; leave it out"))
    again = pickle.loads(pickle.dumps(record))
    assert (again.mol, str(again.error)) == (None, str(record.error))


def test_each_record_may_have_a_count_of_its_own(weights: str) -> None:
    records, counts = [record("CCO"), record("[K+]"), record("CC")], [3, 1, 2]
    serial = generate_serial(records, checkpoint.load(weights), SETTINGS, counts)
    for made in (only(serial), only(generate_parallel(records, weights, SETTINGS, 2, counts=counts))):
        assert [e.mol.GetNumConformers() for e in made if e.mol is not None] == counts


def test_a_worker_that_is_killed_costs_its_molecule_only(weights: str) -> None:
    def records() -> Iterator[Record]:
        yield record("CCO", "unlucky")
        (worker,) = multiprocessing.active_children()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        yield record("CCN", "lucky")
        yield record("CCC", "lucky too")

    made = only(generate_parallel(records(), weights, SETTINGS, 2))
    assert [e.name for e in made if e.error is None] == ["lucky", "lucky too"]
    assert "'unlucky': its worker process was killed (signal 9, out of memory?)" in str(made[0].error)


def test_workers_refuse_weights_that_were_exchanged(weights: str) -> None:
    with pytest.raises(WeightsError, match="exchanged"):
        only(generate_parallel([record("CCO")], weights, SETTINGS, 1, sha256="0" * 64))


def test_a_bug_in_a_worker_is_a_bug_of_the_run(weights: str, capfd: pytest.CaptureFixture[str]) -> None:
    broken = SamplerSettings(num_steps=2)
    object.__setattr__(broken, "sampler", "no such")
    with pytest.raises(RuntimeError, match="exit code 1"):
        only(generate_parallel([record("CCO")], weights, GenerateSettings(sampler=broken), 1))
    assert "KeyError: 'no such'" in capfd.readouterr().err


def test_records_are_read_a_few_ahead_only() -> None:
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        while True:
            read += 1
            yield from read_records(["not a SMILES"])

    made = generate_parallel(endless(), "not needed", SETTINGS, 2)
    next(made)
    made.close()
    assert read < 50


@pytest.mark.parametrize("num_confs", [1, 10, 3 * FEW_CONFORMERS])
@pytest.mark.parametrize("several", [False, True])
def test_a_few_conformers_need_no_workers(num_confs: int, several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confgen.pool.available_cores", lambda: 2)
    records = [Record(None, str(index), "test") for index in range(-(-FEW_CONFORMERS // num_confs) + several)]
    *shared, again = choose_workers(iter(records), num_confs, torch.device("cpu"))
    assert shared == ([2, 1] if several else [1, 2])
    assert list(again) == records


@pytest.mark.parametrize(("molecules", "shared"), [(1, [1, 8]), (2, [2, 4]), (3, [3, 2]), (5, [5, 1]), (99, [8, 1])])
def test_fewer_molecules_than_cores_share_the_cores(
    molecules: int, shared: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confgen.pool.available_cores", lambda: 8)
    records = [Record(None, str(index), "test") for index in range(molecules)]
    *found, again = choose_workers(iter(records), FEW_CONFORMERS, torch.device("cpu"))
    assert found == shared
    assert list(again) == records


def test_workers_have_the_threads_they_are_given(weights: str) -> None:
    before, work = torch.get_num_threads(), pool._begin(weights, None, SETTINGS, 2)
    try:
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    [ensemble] = work((1, to_binary(from_smiles("CCO", "", "test"))))
    assert ensemble.error is None


def test_one_process_feeds_a_gpu() -> None:
    assert choose_workers(iter([record("C")] * 9), 1000, torch.device("cuda"))[0] == 1


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 8), ("150000 100000", 2), ("10000 100000", 1), ("", 8)])
def test_the_quota_of_a_container_limits_the_cores(quota: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8 + pid)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda path: quota if path else "")
    assert available_cores() == cores
