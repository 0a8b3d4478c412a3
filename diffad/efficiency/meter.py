"""Processor time and resident memory of a call, in this process.

Processor time is that of all threads added: other programs on a busy machine do not lengthen it as they lengthen the
wall's (they still take caches and clock speed away, which is why measurements are repeated).

Memory is the growth of the resident set above a mark set after the imports. On Linux the peak can be reset, so that a
second phase is not blamed for the first; where it cannot, memory is not told.
"""

import ctypes
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
LEAST_SECONDS = 0.05  # a call that is shorter is repeated until this much has passed


@dataclass(frozen=True)
class Usage:
    """What one call took: seconds of one of `calls`, and peaks in bytes (None where the system does not tell)."""

    calls: int
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int | None
    device_bytes: int | None


def status_bytes(field: str) -> int | None:
    """A field of /proc/self/status, such as VmRSS (resident now) or VmHWM (its peak), in bytes; None elsewhere."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    values = [int(line.split()[1]) for line in lines if line.startswith(f"{field}:")]
    return 1024 * values[0] if values else None


def release_memory() -> None:
    """Give what nothing refers to back to the system, as far as the allocator lets go of it."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return


def reset_peak() -> bool:
    """Let the peak begin anew at what is resident now; whether the system could do it."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


class Meter:
    """Measures calls. Made after the imports, and after a warm-up that touched the code: memory counts from there.

    Args:
        device: "cpu" or "cuda"; on the latter calls are waited for, and its memory is told too.
    """

    def __init__(self, device: str = "cpu"):
        self.device = torch.device(device)
        release_memory()
        self.start_bytes = status_bytes("VmRSS")

    def measure(self, function: Callable[[], Any], least_seconds: float = LEAST_SECONDS) -> tuple[Any, Usage]:
        """Call once, and again until `least_seconds` have passed; the last result, and what a call took."""
        release_memory()
        told = reset_peak() and self.start_bytes is not None
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        calls, result = 0, None
        cpu, wall = time.process_time(), time.perf_counter()
        while not calls or time.perf_counter() - wall < least_seconds:
            result = None  # the result before is not there while the next is made
            result = function()
            calls += 1
            if self.device.type == "cuda":
                torch.cuda.synchronize()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = max(status_bytes("VmHWM") - self.start_bytes, 0) if told else None
        of_device = torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None
        return result, Usage(calls, cpu / calls, wall / calls, peak, of_device)


def one_thread(device: str) -> None:
    """Keep this process to one thread, and away from accelerators that are not to be measured."""
    from threadpoolctl import threadpool_limits

    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    threadpool_limits(1)
