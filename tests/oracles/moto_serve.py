#!/usr/bin/env python3
"""Serves moto on a free port until standard input ends, with the block size that EBS has: moto's own is 512 bytes.
Prints the endpoint.
"""

import sys

import moto.ebs.models
from moto.server import ThreadedMotoServer

BLOCK = 512 * 1024


def corrected(original):
    def init(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.block_size = BLOCK

    return init


moto.ebs.models.EBSSnapshot.__init__ = corrected(moto.ebs.models.EBSSnapshot.__init__)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"http://{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
