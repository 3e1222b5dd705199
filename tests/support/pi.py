"""The facts that a Raspberry Pi 4 states about itself."""

from edgecnn.boards.ssh.board_facts import BoardFacts, Python

PI = BoardFacts(
    destination="pi@pi", host="pi", user="pi", home="/home/pi", cache="/home/pi/.cache/edgecnn", arch="aarch64",
    userland_bits=64, kernel="Linux 6.6", os="Debian GNU/Linux 12 (bookworm)", glibc=(2, 36),
    model="Raspberry Pi 4 Model B Rev 1.4", cpu="Cortex-A72", features=("asimd",), cores=4,
    memory_bytes=4_000_000_000, memory_available_bytes=3_000_000_000, disk_free_bytes=20_000_000_000,
    load_1min=0.1, governor="performance", frequency_mhz=1500.0, temperature_celsius=45.0, throttled=0,
    clock_skew_s=0.2, tools=("sha256sum", "mv"),
    pythons=(Python(path="/usr/bin/python3", version=(3, 11), bits=64, implementation="cpython"),),
)  # fmt: skip
