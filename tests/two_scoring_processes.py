"""Scores digits in as many processes as there are and writes what each got; see test_scorers_devices.py."""

import sys
from pathlib import Path

import exact_digits
import numpy as np
from accelerate import PartialState

from diffad.scorers import Evaluator, make_scorer
from diffad.scorers.devices import across_processes

state = PartialState(cpu=True)
evaluator = Evaluator(exact_digits.model(), 16)
scores = across_processes(make_scorer("eps_error", evaluator).scores, exact_digits.clean()[:25])
folder = Path(sys.argv[1])
np.savez(folder / f"{state.process_index}.npz", scores=scores, evaluations=evaluator.evaluations)
state.destroy_process_group()
