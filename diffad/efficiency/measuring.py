"""One cell, measured in a process of its own and stopped where it takes too much.

The process is forked from a server that has done the imports, or started anew where that is not to be had. It first
does the same on a few tiny images, so that code, tables and thread pools are there before memory is counted. It
reports phase by phase; the system itself ends it where it passes the cap on processor time or on memory.
"""

import contextlib
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from diffad.baselines import Baseline
from diffad.efficiency.meter import Meter, Usage, one_thread, status_bytes
from diffad.efficiency.settings import NETWORK_METHODS, Cell, EfficiencySettings, Measurement
from diffad.efficiency.subjects import fit_baseline, natural_images, network_scorer, network_training

TINY_SIDE, TINY_ROWS = 8, 64
LEAST_PATIENCE, PATIENCE = 900, 60  # wall seconds, and times the cap, after which a silent process is ended
SMALLER_STOPPED = "a smaller size was stopped"

Report = Callable[[str, int, Usage], None]  # phase, images that the seconds are for, usage


def measure_cell(cell: Cell, settings: EfficiencySettings, images: Path, report: Report) -> None:
    """Measure the cell's phases in this process and report each as it is done.

    Args:
        images: .npy file of uint8 (rows + scored, side, side, channels).
    """
    _touch_the_code(cell, settings)
    meter = Meter(settings.device)
    if cell.method in NETWORK_METHODS:
        _measure_network(cell, settings, images, meter, report)
    else:
        _measure_baseline(cell, settings, images, meter, report)


def _measure_baseline(
    cell: Cell, settings: EfficiencySettings, images: Path, meter: Meter, report: Report
) -> None:
    detector, usage = _fitted(cell, settings, images, meter)
    report("training", cell.rows, usage)
    test = _read(images, slice(cell.rows, cell.rows + settings.scored_images))
    with _capped(settings):
        _, usage = meter.measure(lambda: detector.decision_function(test))
    report("scoring", len(test), usage)


def _fitted(cell: Cell, settings: EfficiencySettings, images: Path, meter: Meter) -> tuple[Baseline, Usage]:
    """The training images are gone when this returns, unless the detector keeps them."""
    train = _read(images, slice(cell.rows))
    with _capped(settings):
        return meter.measure(lambda: fit_baseline(cell.method, train, settings.seed))


def _measure_network(
    cell: Cell, settings: EfficiencySettings, images: Path, meter: Meter, report: Report
) -> None:
    batch = settings.batch(cell.side, NETWORK_METHODS[cell.method][1])
    if "training" in cell.phases:
        train = _read(images, slice(cell.rows))
        with _capped(settings), network_training(cell.method, settings, train) as updates:
            _, usage = meter.measure(updates)
        report("training", settings.updates * settings.batch(cell.side), usage)
    if "scoring" in cell.phases:
        test = _read(images, slice(batch))
        with _capped(settings):
            scores = network_scorer(cell.method, settings, cell.side)
            _, usage = meter.measure(lambda: scores(test))
        report("scoring", batch, usage)


def _read(path: Path, rows: slice) -> np.ndarray:
    """Those images of the file, in memory of their own."""
    return np.array(np.load(path, mmap_mode="r")[rows])


def _touch_the_code(cell: Cell, settings: EfficiencySettings) -> None:
    """Do once, on tiny images, what is to be measured."""
    tiny = natural_images(TINY_ROWS, TINY_SIDE, settings.channels, settings.seed)
    small = settings.model_copy(update={"updates": 1})
    if cell.method not in NETWORK_METHODS:
        fit_baseline(cell.method, tiny, settings.seed).decision_function(tiny)
    elif "training" in cell.phases:
        with network_training(cell.method, small, tiny) as updates:
            updates()
    else:
        network_scorer(cell.method, small, TINY_SIDE)(tiny[:2])


@contextlib.contextmanager
def _capped(settings: EfficiencySettings) -> Iterator[None]:
    """Within, the system ends the process once it takes `cap_seconds` or refuses more memory than `cap_bytes`.

    Drivers of accelerators reserve more than they use, so there memory is not capped; nor is either where the system
    knows no such limits.
    """
    try:
        import resource
    except ImportError:
        yield
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = {which: resource.getrlimit(which) for which in (resource.RLIMIT_CPU, resource.RLIMIT_DATA)}
    hard = {which: limits[1] for which, limits in before.items()}
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + settings.cap_seconds, hard[resource.RLIMIT_CPU]))
    data = status_bytes("VmData")
    if settings.device == "cpu" and data is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (data + settings.cap_bytes, hard[resource.RLIMIT_DATA]))
    try:
        yield
    finally:
        for which, limits in before.items():
            resource.setrlimit(which, limits)


# --- the process ---


def processes(device: str):
    """How processes are started: forked from a server that did the imports; anew beside an accelerator."""
    if device == "cpu" and "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        return context
    return multiprocessing.get_context("spawn")


def measure_in_process(
    cell: Cell, settings: EfficiencySettings, images: Path, number: int
) -> list[Measurement]:
    """One `Measurement` for each phase of the cell, in round `number`; phases that were stopped say why.

    Raises:
        RuntimeError: the method failed otherwise than by taking too much; the message holds its traceback.
    """
    context = processes(settings.device)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, cell, settings, images), daemon=True)
    process.start()
    sender.close()
    reported, failure = _listen(receiver, _patience(settings))
    if failure is _SILENT:
        process.kill()
    process.join()
    return [
        _measurement(cell, phase, number, reported.get(phase), failure, process.exitcode, settings)
        for phase in cell.phases
    ]


_SILENT = "silent"


def _patience(settings: EfficiencySettings) -> int:
    """Wall seconds that a phase may take: on a busy machine many times those of the processor."""
    return max(LEAST_PATIENCE, PATIENCE * settings.cap_seconds)


def _listen(receiver: Connection, patience: float) -> tuple[dict, str | None]:
    """What the process reported, phase -> (images, usage), and the text of a failure if it told one."""
    reported, failure = {}, None
    with contextlib.suppress(EOFError):
        while receiver.poll(patience):
            kind, *rest = receiver.recv()
            if kind == "failed":
                failure = rest[0]
            else:
                reported[kind] = tuple(rest)
        else:
            failure = _SILENT
    return reported, failure


def _measurement(
    cell: Cell, phase: str, number: int, reported, failure: str | None, exit_code: int, settings
) -> Measurement:
    about = {**cell.model_dump(exclude={"phases"}), "phase": phase, "round": number}
    if reported is not None:
        images, usage = reported
        return Measurement(**about, images=images, **vars(usage))
    return Measurement(**about, stopped=_reason(cell, failure, exit_code, settings))


def _reason(cell: Cell, failure: str | None, exit_code: int, settings: EfficiencySettings) -> str:
    if failure is _SILENT:
        return f"more than {_patience(settings)} s of the wall"
    if failure == "memory" or exit_code == -signal.SIGKILL:
        return f"more than {settings.cap_bytes / 1e9:g} GB"
    if failure is None and exit_code == -getattr(signal, "SIGXCPU", 0):
        return f"more than {settings.cap_seconds} s"
    where = f"{cell.method} at {cell.side} px, {cell.rows} rows"
    raise RuntimeError(f"{where}: its process ended with exit code {exit_code}\n{failure or ''}")


def _child(sender: Connection, cell: Cell, settings: EfficiencySettings, images: Path) -> None:
    one_thread(settings.device)
    try:
        measure_cell(cell, settings, images, lambda *report: sender.send(report))
    except Exception as error:
        sender.send(("failed", "memory" if _is_memory_shortage(error) else traceback.format_exc()))
        sys.exit(1)


def _is_memory_shortage(error: Exception) -> bool:
    """NumPy says MemoryError; torch a RuntimeError of one of its allocators; joblib and BLAS may wrap either."""
    told = f"{type(error).__name__}: {error}".lower()
    signs = (
        "memoryerror",
        "out of memory",
        "can't allocate memory",
        "not enough memory",
        "unable to allocate",
    )
    return isinstance(error, MemoryError) or any(sign in told for sign in signs)
