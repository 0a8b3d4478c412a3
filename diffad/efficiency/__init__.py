"""What detection costs: seconds and memory of training and scoring, for diffusion and for traditional detectors.

    settings     what is measured: methods, sizes, caps; the cells of the grid
    meter        processor time and resident memory of a call, in this process
    subjects     each method ready to be trained and to score
    measuring    one cell, in a process of its own, stopped where it takes too much
    growth       medians over repeats, and the exponent b of cost = a n^b
    record       the measurements on disk: hashed, resumable, recomputed by `verify_efficiency`
    recorded     what the recorded experiments took, from their run records

`benchmarks/efficiency.py` is the command. Nothing is imported here: a record is hashed by the code that measures, and what
is made of the measurements may change without measuring anew.
"""
