"""The device that a run computes on."""

from __future__ import annotations

import os

import torch

from confgen.errors import DeviceError


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" is the first GPU, or the CPU where there is none.

    Raises DeviceError for what is no device, and for a GPU that is not there.
    """
    if not isinstance(name, str | torch.device):
        raise DeviceError(f"device is {name!r}; choose auto, cpu, cuda or cuda:1")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"device {name!r} is unknown; choose auto, cpu, cuda or cuda:1") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise DeviceError(f"device '{name}' is not supported; choose auto, cpu, cuda or cuda:1")
    if not torch.cuda.is_available():
        raise DeviceError(
            f"device '{name}': no GPU can be used here; pass --device cpu, or install a CUDA build of torch"
        )
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise DeviceError(f"device '{name}': there are only {torch.cuda.device_count()} GPUs, counted from 0")
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are quicker there than in float32, as on GPUs and CPUs with AVX512-BF16.

    Measured on such a CPU, one core: a network call takes 0.58 of its time in float32, results stay equal bit by bit
    whatever the batch, and conformers move by 0.01 angstrom.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    tell = getattr(torch.cpu, "get_capabilities", None)  # older versions of torch cannot tell
    return tell is not None and bool(tell().get("avx512_bf16", False))


def keep_few_kernels() -> None:
    """Limits the kernels for products in bfloat16 on a CPU that this process keeps, where the user has set no limit.

    oneDNN keeps kernels by the shape of matrices, a thousand of them, and torch a thousand more. Molecules have so many
    shapes that a process which samples grows to 1.5 GB, and few kernels serve again: with these limits it stays below
    0.7 GB, and takes no longer. A step of training has more shapes (it would take 5% longer); but there products are
    made before this is called, and the first of them fixes the limits.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    os.environ.setdefault("LRU_CACHE_CAPACITY", "1")
