#!/usr/bin/env python3
"""Serves moto on a free port until standard input ends, with the block size that EBS has: moto's own is 512 bytes.
Prints the endpoint. The variable MOTO_CALLS names a file that gets a line for each call: service and operation.
"""

import os
import sys

import moto.ebs.models
from moto.core.responses import BaseResponse
from moto.server import ThreadedMotoServer

BLOCK = 512 * 1024


def corrected(original):
    def init(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.block_size = BLOCK

    return init


def recorded(original, file):
    def call(self):
        print(self.service_name, self._get_action(), file=file, flush=True)
        return original(self)

    return call


moto.ebs.models.EBSSnapshot.__init__ = corrected(moto.ebs.models.EBSSnapshot.__init__)
if "MOTO_CALLS" in os.environ:
    calls = open(os.environ["MOTO_CALLS"], "a", encoding="utf-8")
    BaseResponse.call_action = recorded(BaseResponse.call_action, calls)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"http://{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
