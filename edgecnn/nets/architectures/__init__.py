"""Architectures: a file here is a net, with the contract `edgecnn.nets.Net`."""
