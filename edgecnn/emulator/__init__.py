"""Boards without a board: ARM Linux on an emulated Raspberry Pi's core, and older x86-64 cores under this Python.

    tools.py       what this machine needs for it
    image.py       the disk, kernel and keys, made once and kept in the cache
    initramfs.py   what the kernel starts with
    machine.py     one emulated machine: booted, reached, stopped for sure
    leash.py       why it ends when we do
    provisioned.py the disk with the runtimes on it, put there as on any board
    user_mode.py   an x86-64 core without an image: the worker alone is emulated

A Pi's core has Debian's arm64 packages, a real sshd and a real kernel around it. It answers what a core
computes and, where a kernel counts, how many instructions that takes, never how long.
"""
