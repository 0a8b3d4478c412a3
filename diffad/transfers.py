"""Counting what moves between devices, to prove that a loop moves nothing.

A copy to or from an accelerator makes it wait. The counter sees every tensor operation, so it also finds the
copies that hide in `.item()`. It works without an accelerator: tensors on the "meta" device
have a shape but no data, and sending something there counts like sending it to a GPU.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

READS_BACK = ("aten::_local_scalar_dense",)
COPIES = ("aten::_to_copy", "aten::copy_", "aten::to")  # inference mode shows `to` itself


@dataclass
class Transfers:
    """What a block moved: one entry a copy, its name and its number of bytes."""

    names: list[str] = field(default_factory=list)
    num_bytes: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)


class count_transfers(
    TorchDispatchMode
):  # lower case: it is used as a function, `with count_transfers() as transfers`
    """Context manager that counts copies between devices, and reads of a device tensor as a Python number."""

    def __enter__(self) -> Transfers:
        self.transfers = Transfers()
        super().__enter__()
        return self.transfers

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        name = operation.name().split(".")[0]
        devices = {argument.device for argument in args if isinstance(argument, Tensor)}
        if isinstance(result, Tensor):
            devices.add(result.device)
        reads_back = name in READS_BACK and devices != {torch.device("cpu")}
        if reads_back or (name in COPIES and len(devices) > 1):
            self.transfers.names.append(name)
            self.transfers.num_bytes.append(args[0].numel() * args[0].element_size())
        return result
