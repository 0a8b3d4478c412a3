"""One thread at a time where initial weights are drawn.

PyTorch draws initial weights and dropout from one global generator, which all threads of a process share. A seed that one
thread sets would be the start of another's draws, so detectors that are fitted in threads take turns here.
"""

import threading

GLOBAL_GENERATOR = threading.Lock()
