"""Promises about the device: auto finds one, and one that is not there is refused in one line; few kernels are kept."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from confgen import checkpoint
from confgen.device import choose_device, has_fast_bf16
from confgen.errors import DeviceError


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Lets torch believe in as many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(("count", "expected"), [(0, "cpu"), (2, "cuda")])
def test_auto_is_the_gpu_where_there_is_one(count: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, count)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_is_there_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("given", [None, 0, ["cpu"]], ids=str)
def test_what_is_no_device_is_a_device_error(given: object) -> None:
    with pytest.raises(DeviceError, match=r"^device is .*; choose auto, cpu"):
        choose_device(given)  # type: ignore[arg-type]


def test_a_device_of_torch_is_taken() -> None:
    assert choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_where_there_is_none_is_a_device_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    with pytest.raises(DeviceError, match="--device cpu"):
        choose_device(name)


def test_a_gpu_beyond_the_last_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    with pytest.raises(DeviceError, match="only 2 GPUs"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps", "meta"])
def test_a_name_that_is_no_device_of_ours_is_a_device_error(name: str) -> None:
    with pytest.raises(DeviceError, match="choose auto, cpu, cuda") as error:
        choose_device(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_fast_on_cpus_with_instructions_for_it(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able}, raising=False)
    assert has_fast_bf16(torch.device("cpu")) == able


def test_bf16_is_not_fast_where_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_fast_bf16(torch.device("cpu"))


def test_products_of_many_shapes_leave_little_in_memory() -> None:
    code = """
import resource
import torch
from torch.nn import functional
from confgen.device import keep_few_kernels
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def ones(*shape): return torch.ones(*shape, dtype=torch.bfloat16)
torch.set_num_threads(1)
keep_few_kernels()
with torch.inference_mode():
    functional.linear(ones(10, 192), ones(192, 192))
    before = peak()
    for rows in range(100, 700):
        functional.linear(ones(rows, 192), ones(192, 192))
        ones(rows, 8, 16) @ ones(rows, 16, 8)
print(peak() / before)
"""
    own = {key: value for key, value in os.environ.items() if "CACHE_CAPACITY" not in key}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=own)
    assert float(done.stdout) < 2  # with the limits of oneDNN and torch 4, where products in bfloat16 are quick


@pytest.mark.parametrize("own", [None, "7"])
def test_weights_that_sample_set_missing_limits(own: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, usual in (("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128"), ("LRU_CACHE_CAPACITY", "1")):
        monkeypatch.setenv(name, own or "")
        if own is None:
            monkeypatch.delenv(name)
        assert checkpoint.load().for_sampling is not None
        assert os.environ[name] == (own or usual)
