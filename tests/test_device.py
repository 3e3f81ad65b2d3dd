"""Promises about the device: auto finds one, and one that is not there is refused in one line."""

from __future__ import annotations

import pytest
import torch

from confgen.device import choose_device
from confgen.errors import DeviceError


@pytest.fixture
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many GPUs as the parameter says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)


@pytest.mark.parametrize(("gpus", "expected"), [(0, "cpu"), (2, "cuda")], indirect=["gpus"])
def test_auto_is_the_gpu_where_there_is_one(gpus: None, expected: str) -> None:
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("gpus", [2], indirect=True)
@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_is_there_is_taken(gpus: None, name: str) -> None:
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_where_there_is_none_is_a_device_error(gpus: None, name: str) -> None:
    with pytest.raises(DeviceError, match="--device cpu"):
        choose_device(name)


@pytest.mark.parametrize("gpus", [2], indirect=True)
def test_a_gpu_beyond_the_last_is_a_device_error(gpus: None) -> None:
    with pytest.raises(DeviceError, match="only 2 GPUs"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps", "meta"])
def test_a_name_that_is_no_device_of_ours_is_a_device_error(name: str) -> None:
    with pytest.raises(DeviceError, match="choose auto, cpu, cuda") as error:
        choose_device(name)
    assert "\n" not in str(error.value)
