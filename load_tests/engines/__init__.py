"""Every engine of this machine on the same batches, in turn: host to host and on the device."""
