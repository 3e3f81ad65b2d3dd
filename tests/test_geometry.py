"""Promises of the geometry: frames, rigid motion, handedness."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from confgen.models.geometry import centre, edge_frames, handedness, remove_rigid, unit

TIGHT = {"rtol": 0, "atol": 1e-12}
LINE = torch.tensor([[[-1.16, 0, 0], [0, 0, 0], [1.16, 0, 0]]], dtype=torch.float64)
PYRAMID = torch.tensor([[[0.0, 0, 0], [1, 0, 0.3], [0, 1, 0.3], [-1, -1, 0.3]]], dtype=torch.float64)
CENTRE = torch.tensor([[[0, 1, 2, 3]]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pos() -> Tensor:
    """Two molecules of 7 and 5 atoms, centred, zero in padding."""
    return centre(2 * normal(2, 7, 3), mask_of(7, 5))


def mask_of(*sizes: int) -> Tensor:
    return torch.arange(max(sizes)) < torch.tensor(sizes).unsqueeze(-1)


def turn(angular: Tensor, pos: Tensor) -> Tensor:
    """Displacements (B, M, 3) of an infinitesimal rotation."""
    return torch.linalg.cross(angular.expand_as(pos), pos)


def distances(pos: Tensor) -> Tensor:
    return torch.cdist(pos, pos)


def test_ordinary_vectors_get_length_one() -> None:
    lengths = unit(normal(50, 3)).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-4)


def test_vanishing_vectors_have_a_finite_gradient() -> None:
    vector = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    unit(vector).sum().backward()
    assert vector.grad is not None
    assert vector.grad.isfinite().all()


def test_the_centroid_of_every_molecule_moves_to_the_origin() -> None:
    mask = mask_of(7, 5)
    moved = centre(normal(2, 7, 3) + 4, mask)
    torch.testing.assert_close(moved.sum(1), torch.zeros(2, 3, dtype=torch.float64), **TIGHT)


def test_padding_is_zero_after_centring() -> None:
    mask = mask_of(7, 5)
    assert not centre(normal(2, 7, 3) + 4, mask)[~mask].any()


@pytest.mark.parametrize("second", ["position", "learned"])
def test_frames_of_ordinary_pairs_are_orthonormal(second: str) -> None:
    pos = centre(2 * normal(1, 6, 3), mask_of(6))
    frames, _ = edge_frames(pos, None if second == "position" else normal(1, 6, 3, seed=1))
    off_diagonal = ~torch.eye(6, dtype=torch.bool)
    gram = (frames @ frames.transpose(-1, -2))[0, off_diagonal]
    torch.testing.assert_close(gram, torch.eye(3, dtype=torch.float64).expand_as(gram), rtol=0, atol=2e-3)


def test_frames_are_right_handed() -> None:
    frames, _ = edge_frames(centre(2 * normal(1, 6, 3), mask_of(6)))
    assert (torch.linalg.det(frames[0, ~torch.eye(6, dtype=torch.bool)]) > 0.99).all()


@pytest.mark.parametrize("second", ["position", "learned"])
def test_frames_turn_with_the_molecule(second: str, rotation: Tensor) -> None:
    pos, axis = centre(2 * normal(1, 6, 3), mask_of(6)), normal(1, 6, 3, seed=1)
    frames, _ = edge_frames(pos, None if second == "position" else axis)
    turned, _ = edge_frames(pos @ rotation.T, None if second == "position" else axis @ rotation.T)
    torch.testing.assert_close(turned, frames @ rotation.T, **TIGHT)


@pytest.mark.parametrize("second", ["position", "learned"])
def test_the_second_axis_is_a_pseudovector(second: str) -> None:
    pos, axis = centre(2 * normal(1, 6, 3), mask_of(6)), normal(1, 6, 3, seed=1)
    frames, _ = edge_frames(pos, None if second == "position" else axis)
    mirrored, _ = edge_frames(-pos, None if second == "position" else -axis)
    torch.testing.assert_close(mirrored, frames * torch.tensor([-1.0, 1, -1], dtype=torch.float64)[:, None], **TIGHT)


def test_the_second_axis_of_atoms_in_line_with_the_centre_is_zero() -> None:
    frames, _ = edge_frames(LINE)
    assert not frames[..., 1:, :].any()


def test_the_second_axis_fades_out_smoothly_as_a_molecule_becomes_straight() -> None:
    bends = torch.tensor([0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], dtype=torch.float64)
    bent = LINE.repeat(6, 1, 1)
    bent[:, 2, 1] = bends
    frames, _ = edge_frames(bent)
    lengths = frames[:, 0, 2, 1].norm(dim=-1)
    assert (lengths.diff() > 0).all()
    assert lengths[1] < 0.02


def test_an_atom_has_no_frame_with_itself() -> None:
    frames, _ = edge_frames(centre(normal(1, 4, 3), mask_of(4)), normal(1, 4, 3, seed=1))
    assert not frames[0].diagonal(dim1=0, dim2=1).any()


def test_distances_come_with_the_frames() -> None:
    pos = 2 * normal(1, 6, 3)
    _, distance = edge_frames(pos)
    torch.testing.assert_close(distance, distances(pos), rtol=0, atol=2e-4)


def test_a_rotation_is_removed_to_the_size_of_the_ridge(pos: Tensor) -> None:
    rigid = turn(normal(2, 1, 3, seed=2), pos)
    assert remove_rigid(rigid, pos, mask_of(7, 5)).abs().max() < 1e-5 * rigid.abs().max()


def test_a_translation_is_removed_exactly(pos: Tensor) -> None:
    mask = mask_of(7, 5)
    shift = normal(2, 1, 3).expand(2, 7, 3) * mask.unsqueeze(-1)
    torch.testing.assert_close(remove_rigid(shift, pos, mask), torch.zeros_like(pos), **TIGHT)


def test_removing_rigid_motion_twice_changes_nothing_more(pos: Tensor) -> None:
    mask = mask_of(7, 5)
    once = remove_rigid(normal(2, 7, 3), pos, mask)
    torch.testing.assert_close(remove_rigid(once, pos, mask), once, rtol=0, atol=1e-5)


def test_internal_motion_is_left_alone(pos: Tensor) -> None:
    mask = mask_of(7, 5)
    breathing = 0.1 * centre(pos, mask)  # no torque and no drift
    torch.testing.assert_close(remove_rigid(breathing, pos, mask), breathing, **TIGHT)


def test_what_is_left_has_neither_drift_nor_torque(pos: Tensor) -> None:
    mask = mask_of(7, 5)
    left = remove_rigid(normal(2, 7, 3), pos, mask)
    drift, torque = left.sum(1), torch.linalg.cross(pos, left).sum(1)
    torch.testing.assert_close(torch.cat((drift, torque)), torch.zeros(4, 3, dtype=torch.float64), rtol=0, atol=1e-4)


def test_removal_turns_with_the_molecule(pos: Tensor, rotation: Tensor) -> None:
    mask, vectors = mask_of(7, 5), normal(2, 7, 3)
    turned = remove_rigid(vectors @ rotation.T, pos @ rotation.T, mask)
    torch.testing.assert_close(turned, remove_rigid(vectors, pos, mask) @ rotation.T, rtol=0, atol=1e-10)


def test_removal_does_not_mind_where_the_molecule_lies(pos: Tensor) -> None:
    mask, vectors = mask_of(7, 5), normal(2, 7, 3)
    moved = remove_rigid(vectors, pos + 5, mask)
    torch.testing.assert_close(moved, remove_rigid(vectors, pos, mask), rtol=0, atol=1e-9)


def test_a_rotation_of_a_straight_molecule_is_removed() -> None:
    rigid = turn(torch.tensor([0.3, 0.5, -0.2], dtype=torch.float64), LINE)
    assert remove_rigid(rigid, LINE, mask_of(3)).abs().max() < 1e-5


def test_bending_a_straight_molecule_is_left_alone() -> None:
    bend = torch.tensor([[[0, 1.0, 0], [0, -2.0, 0], [0, 1.0, 0]]], dtype=torch.float64)
    torch.testing.assert_close(remove_rigid(bend, LINE, mask_of(3)), bend, **TIGHT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_straight_molecule_in_any_direction_stays_finite_and_small(dtype: torch.dtype, rotation: Tensor) -> None:
    line, vectors = (LINE @ rotation.T).to(dtype), normal(1, 3, 3).to(dtype)
    assert remove_rigid(vectors, line, mask_of(3)).norm() <= vectors.norm()


def test_all_motion_of_a_single_atom_is_rigid() -> None:
    assert not remove_rigid(normal(1, 1, 3), torch.zeros(1, 1, 3, dtype=torch.float64), mask_of(1)).any()


def test_atoms_at_one_point_only_lose_their_drift() -> None:
    vectors = normal(1, 4, 3)
    left = remove_rigid(vectors, torch.zeros(1, 4, 3, dtype=torch.float64), mask_of(4))
    torch.testing.assert_close(left, vectors - vectors.mean(1, keepdim=True), **TIGHT)


def test_a_centre_with_the_wanted_hand_scores_positive() -> None:
    a, b, c = PYRAMID[0, 1:]
    wanted = torch.linalg.det(torch.stack((a, b, c))).sign().view(1, 1)
    scalars, _ = handedness(PYRAMID, CENTRE, wanted)
    assert scalars[0, 0, 0] > 0


def test_a_centre_with_the_other_hand_scores_the_opposite() -> None:
    right, _ = handedness(PYRAMID, CENTRE, torch.ones(1, 1))
    wrong, _ = handedness(-PYRAMID, CENTRE, torch.ones(1, 1))
    torch.testing.assert_close(wrong[0, 0], right[0, 0] * torch.tensor([-1.0, 1.0], dtype=torch.float64))


def test_a_free_centre_has_no_right_hand() -> None:
    scalars, vectors = handedness(PYRAMID, CENTRE, torch.zeros(1, 1))
    assert scalars[0, 0, 0] == 0
    assert not vectors[0, 0, 0].any()


def test_a_flat_centre_scores_zero() -> None:
    flat = PYRAMID * torch.tensor([1.0, 1, 0], dtype=torch.float64)
    scalars, _ = handedness(flat, CENTRE, torch.ones(1, 1))
    assert not scalars.any()


def test_the_wanted_area_points_away_from_where_the_centre_belongs() -> None:
    flat = PYRAMID * torch.tensor([1.0, 1, 0], dtype=torch.float64)
    _, vectors = handedness(flat, CENTRE, torch.ones(1, 1))
    moved = flat.clone()
    moved[0, 0] -= 0.3 * vectors[0, 0, 0]
    scalars, _ = handedness(moved, CENTRE, torch.ones(1, 1))
    assert scalars[0, 0, 0] > 0


def test_the_second_vector_points_from_the_centre_to_its_neighbours_for_either_hand() -> None:
    for hand in (1, -1):
        pos = PYRAMID * hand
        _, vectors = handedness(pos, CENTRE, torch.zeros(1, 1))
        assert vectors[0, 0, 1] @ pos[0, 1:].mean(0) > 0


def test_scalars_of_the_hand_do_not_turn_and_vectors_do(rotation: Tensor) -> None:
    scalars, vectors = handedness(PYRAMID, CENTRE, torch.ones(1, 1))
    turned_scalars, turned_vectors = handedness(PYRAMID @ rotation.T + 3, CENTRE, torch.ones(1, 1))
    torch.testing.assert_close(torch.cat((turned_scalars.flatten(), turned_vectors.flatten())),
                               torch.cat((scalars.flatten(), (vectors @ rotation.T).flatten())), **TIGHT)  # fmt: skip


def test_mirroring_molecule_and_label_mirrors_the_hand() -> None:
    scalars, vectors = handedness(PYRAMID, CENTRE, torch.ones(1, 1))
    mirrored_scalars, mirrored_vectors = handedness(-PYRAMID, CENTRE, -torch.ones(1, 1))
    torch.testing.assert_close(torch.cat((mirrored_scalars.flatten(), mirrored_vectors.flatten())),
                               torch.cat((scalars.flatten(), -vectors.flatten())), **TIGHT)  # fmt: skip


def test_rows_of_padding_show_no_hand() -> None:
    padded = torch.cat((CENTRE, torch.zeros_like(CENTRE)), dim=1)
    expected = handedness(PYRAMID, CENTRE, torch.ones(1, 1))
    for got, want in zip(handedness(PYRAMID, padded, torch.tensor([[1.0, 0]])), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_a_molecule_without_centres_shows_no_hand() -> None:
    scalars, vectors = handedness(LINE, torch.zeros(1, 0, 4, dtype=torch.long), torch.zeros(1, 0))
    assert not scalars.any()
    assert not vectors.any()
