"""`edgecnn bench --profile`: what each operator of a file costs, on every runtime that reads the file.

    results.py      the record of a profile
    profile.py      measures it: the executed graph, its prefixes, rounds of fresh processes
    rows.py         computes a row per operator, and whether the rows add up
    threads.py      finds the number of threads beyond which no more is won
    advice.py       says what to change and what it would save
    slower_int8.py  says why int8 is slower than fp32
    show.py         prints the table

An operator's cost is that of the graph up to and including it less that of the graph before it
(`edgecnn.onboard.operator_cost`), in the graph the runtime executes. ONNX Runtime's own profiler is used instead where
the sum of its times equals the time without it, which it does not for nets of small layers.
"""
