"""`edgecnn bench --profile`: why is it slow. Every file operator by operator, on every runtime that reads it.

    results.py   what a profile holds
    profile.py   measuring it: the executed graph, its prefixes, rounds of fresh processes
    rows.py      from steps to rows that add up
    threads.py   how far more threads pay
    advice.py    what to change and what it would save, in sentences computed from the numbers
    slower_int8.py  why int8 is slower than fp32
    show.py      the table

An operator's cost is that of the graph up to it less that of the graph up to the one before
(`edgecnn.onboard.operator_cost`), in the graph the runtime executes. ONNX Runtime also has a profiler of its own; it is
used where its sum is the time the file takes without it, which for nets of small layers it is not.
"""
