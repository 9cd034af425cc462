#!/usr/bin/env python3
"""Uploads a raw image with boto3 as its users do: 64 threads, each reads, hashes and puts a block. Prints the
snapshot's id. Blocks of zeros are left out.

    boto3_upload.py ENDPOINT IMAGE
"""

import base64
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

BLOCK = 512 * 1024
THREADS = 64
ZEROS = bytes(BLOCK)


def main():
    endpoint, path = sys.argv[1:]
    ebs = boto3.client(
        "ebs",
        region_name="local",
        endpoint_url=endpoint,
        aws_access_key_id="AKIALOCALREGION00000",
        aws_secret_access_key="local-region-secret-key",
        config=Config(max_pool_connections=THREADS, retries={"mode": "standard", "max_attempts": 5}),
    )
    size = os.path.getsize(path)
    disk = os.open(path, os.O_RDONLY)
    snapshot = ebs.start_snapshot(VolumeSize=-(-size // 2**30))["SnapshotId"]

    def put(index):
        block = os.pread(disk, BLOCK, index * BLOCK).ljust(BLOCK, b"\0")
        if block == ZEROS:
            return None
        digest = hashlib.sha256(block).digest()
        ebs.put_snapshot_block(
            SnapshotId=snapshot,
            BlockIndex=index,
            BlockData=block,
            DataLength=BLOCK,
            Checksum=base64.b64encode(digest).decode(),
            ChecksumAlgorithm="SHA256",
        )
        return digest

    with ThreadPoolExecutor(THREADS) as pool:
        digests = [digest for digest in pool.map(put, range(-(-size // BLOCK))) if digest]
    ebs.complete_snapshot(
        SnapshotId=snapshot,
        ChangedBlocksCount=len(digests),
        Checksum=base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode(),
        ChecksumAlgorithm="SHA256",
        ChecksumAggregationMethod="LINEAR",
    )
    print(snapshot)


main()
