"""The embeddings track: many detectors on ADBench's embeddings and tables, split without a leak, five seeds.

configuration   the experiment file
methods         the detectors by name, and the space that each works in
runs            data sets x seeds -> records, taken up where they were stopped
records         what was found, with the ranks that every AUROC follows from
summary         means, intervals and paired comparisons over data sets
"""
