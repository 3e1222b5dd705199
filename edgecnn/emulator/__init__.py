"""ARM boards without a board: Debian's arm64 packages on an emulated Raspberry Pi's core, with real sshd and kernel.

    tools.py       what this machine needs for it
    image.py       the disk, kernel and keys, made once and kept in the cache
    initramfs.py   what the kernel starts with
    machine.py     one emulated machine: booted, reached, stopped for sure
    leash.py       why it ends when we do
    provisioned.py the disk with the runtimes on it, put there as on any board

It answers what a core computes and how many instructions that takes, never how long.
"""
