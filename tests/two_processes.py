"""A tiny training that several processes share, and which they take up again; for `test_training_processes.py`.

Started in each of them with torchrun's environment variables: python two_processes.py FOLDER SETTINGS_AS_JSON.
A process of rank R writes its outcome to FOLDER/R.json, and its weights to FOLDER/R-{whole,resumed}.safetensors.
"""

import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors.torch import save_file
from tiny import digits, trained, weights

import diffad.training.loop


def main(folder: Path, changes: dict) -> None:
    """Train, count who writes checkpoints, forget all but the second checkpoint, and take the run up again."""
    torch.set_num_threads(1)
    rank, written = os.environ["RANK"], []
    write = diffad.training.loop.write_checkpoint
    diffad.training.loop.write_checkpoint = lambda *arguments: written.append(1) or write(*arguments)
    outcome = {}
    for name in ("whole", "resumed"):
        model, history = trained(folder=folder / "checkpoints", validation=digits(40)[30:], **changes)
        tensors = {key: value.contiguous() for key, value in weights(model).items()}
        save_file(tensors, folder / f"{rank}-{name}.safetensors")
        outcome[name] = {"history": dataclasses.asdict(history), "written": len(written)}
        PartialState().wait_for_everyone()
        if rank == "0":
            for path in sorted((folder / "checkpoints").iterdir())[2:]:
                shutil.rmtree(path)
        PartialState().wait_for_everyone()
    (folder / f"{rank}.json").write_text(json.dumps(outcome))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
