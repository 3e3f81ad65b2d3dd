"""Promises of the packs: what was put in comes out, padded right; bad files give one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from rdkit import Chem
from safetensors.torch import save_file

from confgen import dataset, packing
from confgen.conformers import is_token
from confgen.dataset import MULTIPLE, Pack, read_row, stereo_from_positions
from confgen.errors import InputError
from confgen.graph import adjacency, mol_to_graph
from confgen.models.dense import DenseGraph
from confgen.packing import packed
from confgen.prior import harmonic_root

Rows = list[dict[str, Any]]
RowOf = Callable[..., dict[str, Any]]
WriteRows = Callable[[Path, Rows], Path]
CYCLOHEXANE = "C[C@H]1CC[C@@H](O)CC1"


def one_line(error: pytest.ExceptionInfo[InputError], *parts: str) -> bool:
    text = str(error.value)
    return "\n" not in text and all(part in text for part in parts)


def graph_of_row(row: dict[str, Any]) -> DenseGraph:
    mol, pos = read_row(row)
    return DenseGraph.from_flat(mol_to_graph(stereo_from_positions(mol, pos[0])))


def test_all_molecules_are_packed(pack: Pack, ensemble_rows: Rows) -> None:
    assert len(pack.sizes) == len(ensemble_rows)


def test_sizes_are_numbers_of_heavy_atoms(pack: Pack, ensemble_rows: Rows) -> None:
    assert pack.sizes.tolist() == [int(is_token(read_row(row)[0]).sum()) for row in ensemble_rows]


def test_all_conformers_are_packed(pack: Pack, ensemble_rows: Rows) -> None:
    assert pack.num_confs.tolist() == [row["num_confs"] for row in ensemble_rows]


def test_positions_come_back_centred_for_every_conformer(pack: Pack, ensemble_rows: Rows) -> None:
    for index, row in enumerate(ensemble_rows):
        mol, pos = read_row(row)
        pos = pos[:, is_token(mol)]
        for k in range(len(pos)):
            got = pack.positions(torch.tensor([index]), torch.tensor([k]))[0, : pos.shape[1]].numpy()
            np.testing.assert_allclose(got, pos[k] - pos[k].mean(0), atol=1e-5)


def test_graphs_come_back_as_they_were_made(pack: Pack, ensemble_rows: Rows) -> None:
    for index, row in enumerate(ensemble_rows):
        got, _ = pack.graphs(torch.tensor([index]))
        want = graph_of_row(row)
        n, c = want.mask.shape[1], want.centres.shape[1]
        assert torch.equal(got.node[:, :n].long(), want.node)
        assert torch.equal(got.pair[:, :n, :n].long(), want.pair)
        torch.testing.assert_close(got.bounds[:, :n, :n], want.bounds, rtol=1e-3, atol=1e-3)
        assert torch.equal(got.centres[:, :c], want.centres)
        assert torch.equal(got.wanted[:, :c], want.wanted)


def test_roots_of_the_prior_come_back(pack: Pack, ensemble_rows: Rows) -> None:
    for index, row in enumerate(ensemble_rows):
        want = graph_of_row(row)
        _, root = pack.graphs(torch.tensor([index]))
        n = want.mask.shape[1]
        made = harmonic_root(adjacency(want.pair), want.mask)
        torch.testing.assert_close(root[:, :n, :n], made, rtol=1e-3, atol=1e-3)


def test_a_batch_holds_every_molecule_as_it_is_alone(pack: Pack) -> None:
    chosen = torch.tensor([3, 0, 11, 4])
    together, roots = pack.graphs(chosen)
    for row, index in enumerate(chosen):
        alone, root = pack.graphs(index.view(1))
        n, c = int(alone.mask.sum()), int(alone.centres.any(-1).sum())
        assert torch.equal(together.node[row, :n], alone.node[0, :n])
        assert torch.equal(together.pair[row, :n, :n], alone.pair[0, :n, :n])
        assert torch.equal(together.bounds[row, :n, :n], alone.bounds[0, :n, :n])
        assert torch.equal(together.centres[row, :c], alone.centres[0, :c])
        assert torch.equal(together.wanted[row, :c], alone.wanted[0, :c])
        assert torch.equal(roots[row, :n, :n], root[0, :n, :n])


def test_sizes_are_filled_up_to_a_multiple(pack: Pack) -> None:
    for index, size in enumerate(pack.sizes.tolist()):
        atoms = pack.graphs(torch.tensor([index]))[0].mask.shape[1]
        assert atoms % MULTIPLE == 0
        assert size <= atoms < size + MULTIPLE


def test_padding_of_a_batch_is_zero(pack: Pack) -> None:
    chosen = torch.tensor([0, 11])
    graph, root = pack.graphs(chosen)
    both = graph.mask.unsqueeze(-1) & graph.mask.unsqueeze(-2)
    pos = pack.positions(chosen, torch.tensor([1, 1]))
    padding = (graph.node[~graph.mask], graph.pair[~both], graph.bounds[~both], root[~both], pos[~graph.mask])
    assert not any(values.any() for values in padding)


def test_rows_of_centres_beyond_a_molecules_own_are_free_and_zero(pack: Pack) -> None:
    graph, _ = pack.graphs(torch.tensor([0, 4]))  # ethanol has none, alanine has
    assert not graph.centres[0].any()
    assert not graph.wanted[0].any()


def test_packs_are_mapped_from_disk(pack: Pack, pack_file: Path) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    assert len(pack.pos) > 0
    assert str(pack_file) in maps.read_text()


def test_a_pack_is_made_once(ensemble_file: Path, pack_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_write_pack", lambda *_, **__: pytest.fail("packed again"))
    assert packed(ensemble_file, pack_file.parent) == pack_file


def test_a_pack_can_be_given_in_place_of_its_source(pack_file: Path, tmp_path: Path) -> None:
    assert packed(pack_file, tmp_path) == pack_file


def test_a_changed_file_is_packed_anew(tmp_path: Path, row_of: RowOf) -> None:
    source, row = tmp_path / "a.parquet", row_of("CCO", 1)
    made = []
    for sign in (1, -1):
        table = pa.Table.from_pylist([row | {"positions": [sign * x for x in row["positions"]]}])
        pq.write_table(table, source, compression="none", use_dictionary=False)
        made.append(packed(source, tmp_path / "cache", 1))
    assert made[0] != made[1]


def test_a_missing_column_is_an_input_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"smiles": ["C"], "num_confs": [1], "num_atoms": [5]}), tmp_path / "a.parquet")
    with pytest.raises(InputError) as error:
        packed(tmp_path / "a.parquet", tmp_path, 1)
    assert one_line(error, "a.parquet", "'positions'")


def test_a_file_that_is_no_parquet_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"not at all" * 20)
    with pytest.raises(InputError) as error:
        packed(tmp_path / "a.parquet", tmp_path, 1)
    assert one_line(error, "a.parquet")


def test_a_file_cut_short_is_an_input_error(tmp_path: Path, ensemble_file: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(ensemble_file.read_bytes()[:-100])
    with pytest.raises(InputError) as error:
        packed(tmp_path / "a.parquet", tmp_path, 1)
    assert one_line(error, "a.parquet")


def test_a_file_damaged_in_the_middle_is_an_input_error(tmp_path: Path, ensemble_file: Path) -> None:
    damaged = bytearray(ensemble_file.read_bytes())
    damaged[200:1500] = b"\xff" * 1300
    (tmp_path / "a.parquet").write_bytes(damaged)
    with pytest.raises(InputError) as error:
        packed(tmp_path / "a.parquet", tmp_path, 1)
    assert one_line(error, "a.parquet")


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        packed(tmp_path / "none.parquet", tmp_path, 1)
    assert one_line(error, "none.parquet")


def test_a_damaged_pack_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.pack").write_bytes(b"junk")
    with pytest.raises(InputError) as error:
        Pack.load(tmp_path / "a.pack")
    assert one_line(error, "a.pack")


@pytest.mark.parametrize("torsions", [{}, {"torsions": "{"}, {"torsions": "{}"}])
def test_a_pack_without_its_torsions_is_an_input_error(torsions: dict[str, str], tmp_path: Path) -> None:
    save_file({"pos": torch.zeros(1)}, tmp_path / "a.pack", metadata={"format": dataset.FORMAT, **torsions})
    with pytest.raises(InputError) as error:
        Pack.load(tmp_path / "a.pack")
    assert one_line(error, "a.pack")


def test_a_pack_of_another_version_is_an_input_error(monkeypatch: pytest.MonkeyPatch, pack_file: Path) -> None:
    monkeypatch.setattr(dataset, "FORMAT", "confgen-pack-0")
    with pytest.raises(InputError) as error:
        Pack.load(pack_file)
    assert one_line(error, str(pack_file))


def test_no_usable_molecule_is_an_input_error(tmp_path: Path, row_of: RowOf, rows_file: WriteRows) -> None:
    source = rows_file(tmp_path / "a.parquet", [row_of("C", 1), row_of("O", 1)])
    with pytest.raises(InputError) as error:
        packed(source, tmp_path, 1)
    assert one_line(error, "a.parquet")


def test_nothing_is_left_in_the_cache_after_an_error(tmp_path: Path, row_of: RowOf, rows_file: WriteRows) -> None:
    source = rows_file(tmp_path / "a.parquet", [row_of("C", 1)])
    with pytest.raises(InputError):
        packed(source, tmp_path / "cache", 1)
    assert list((tmp_path / "cache").iterdir()) == []


BAD_ROWS = {
    "smiles": lambda row: row | {"smiles": "C1CC"},
    "a salt": lambda row: row | {"smiles": "[Na+].[Cl-]", "num_atoms": 2, "num_confs": 1, "positions": [0.0] * 6},
    "too few positions": lambda row: row | {"positions": row["positions"][:-3]},
    "another number of atoms": lambda row: row | {"smiles": "[H]C([H])([H])[H]"},
    "no conformers": lambda row: row | {"num_confs": 0, "positions": []},
    "null positions": lambda row: row | {"positions": None},
    "positions that are not finite": lambda row: row | {"positions": [float("nan")] * len(row["positions"])},
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_dropped_and_the_rest_packed(
    case: str, tmp_path: Path, ensemble_rows: Rows, rows_file: WriteRows
) -> None:
    source = rows_file(tmp_path / "a.parquet", [BAD_ROWS[case](ensemble_rows[0]), *ensemble_rows[1:3]])
    pack = Pack.load(packed(source, tmp_path, 1))
    assert len(pack.sizes) == 2
    [reason] = pack.left_out
    assert reason.startswith("row 1: ")


def test_conformers_that_are_not_finite_are_left_out(tmp_path: Path, row_of: RowOf, rows_file: WriteRows) -> None:
    row = row_of("CCO", 3)
    row["positions"][3 * row["num_atoms"] + 1] = float("nan")
    pack = Pack.load(packed(rows_file(tmp_path / "a.parquet", [row]), tmp_path, 1))
    assert pack.num_confs.tolist() == [2]
    assert pack.left_out == ()


def test_a_set_in_which_every_molecule_is_branched_is_packed(
    tmp_path: Path, row_of: RowOf, rows_file: WriteRows
) -> None:
    source = rows_file(tmp_path / "a.parquet", [row_of("C[C@H](N)C(=O)O", 1)])
    assert len(Pack.load(packed(source, tmp_path, 1)).centres) == 2


def test_conformers_of_another_hand_are_left_out(tmp_path: Path, row_of: RowOf, rows_file: WriteRows) -> None:
    row = row_of("C[C@H](N)C(=O)O", 2)
    pos = np.array(row["positions"]).reshape(2, -1, 3)
    pos[1] *= -1
    source = rows_file(tmp_path / "a.parquet", [row | {"positions": pos.ravel().tolist()}, row_of("CCO", 2)])
    assert Pack.load(packed(source, tmp_path, 1)).num_confs.tolist() == [1, 2]


def test_packed_centres_have_the_hand_that_their_positions_show(pack: Pack) -> None:
    for index in range(len(pack.sizes)):
        graph, _ = pack.graphs(torch.tensor([index]))
        pos = pack.positions(torch.tensor([index]), torch.tensor([1]))[0]
        i, a, b, c = pos[graph.centres[0]].unbind(1)
        volume = ((a - i) * torch.linalg.cross(b - i, c - i)).sum(-1)
        free = graph.wanted[0] == 0
        assert ((volume.sign() == graph.wanted[0]) | free).all()


@pytest.mark.parametrize("mirror", [1, -1])
def test_tags_follow_the_positions_when_labels_of_a_ring_are_mirrored(mirror: int, row_of: RowOf) -> None:
    mol, pos = read_row(row_of(CYCLOHEXANE, 1))
    shown = stereo_from_positions(mol, mirror * pos[0])
    graph = mol_to_graph(shown)
    i, a, b, c = (mirror * pos[0][is_token(mol)])[graph.centre_index.numpy()]
    volume = np.einsum("cx,cx->c", a - i, np.cross(b - i, c - i))
    specified = graph.wanted.numpy() != 0
    assert specified.sum() == 2
    np.testing.assert_array_equal(np.sign(volume)[specified], graph.wanted.numpy()[specified])


def test_reading_tags_from_positions_leaves_the_molecule_alone(row_of: RowOf) -> None:
    mol, pos = read_row(row_of(CYCLOHEXANE, 1))
    before = Chem.MolToSmiles(mol)
    stereo_from_positions(mol, -pos[0])
    assert (Chem.MolToSmiles(mol), mol.GetNumConformers()) == (before, 0)
