#!/usr/bin/env python3
"""Reads a snapshot back with boto3 alone and compares it with an image, byte by byte. Blocks that the snapshot does not
hold read as zeros. Exits with 1 at the first difference; prints the number of blocks read.

    boto3_read.py ENDPOINT REGION SNAPSHOT IMAGE        keys come from the environment
"""

import base64
import hashlib
import os
import sys

import boto3
from botocore.config import Config

BLOCK = 512 * 1024


def blocks_of(ebs, snapshot):
    """Every block of a snapshot: index to token."""
    blocks, more = {}, {}
    while True:
        page = ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=100, **more)
        assert page["BlockSize"] == BLOCK, page["BlockSize"]
        for block in page["Blocks"]:
            assert block["BlockIndex"] not in blocks, f"block {block['BlockIndex']} is listed twice"
            blocks[block["BlockIndex"]] = block["BlockToken"]
        if not page.get("NextToken"):
            return blocks
        more = {"NextToken": page["NextToken"]}


def main():
    endpoint, region, snapshot, path = sys.argv[1:]
    config = Config(retries={"max_attempts": 0})
    ebs = boto3.client("ebs", region_name=region, endpoint_url=endpoint, config=config)
    blocks = blocks_of(ebs, snapshot)
    size = os.path.getsize(path)
    count = -(-size // BLOCK)
    assert all(index < count for index in blocks), "there are blocks beyond the image"
    with open(path, "rb") as image:
        for index in range(count):
            expected = image.read(BLOCK).ljust(BLOCK, b"\0")
            found = bytes(BLOCK)
            if index in blocks:
                got = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=blocks[index])
                found = got["BlockData"].read()
                assert got["DataLength"] == BLOCK
                assert got["Checksum"] == base64.b64encode(hashlib.sha256(found).digest()).decode()
            if found != expected:
                sys.exit(f"block {index} differs")
    print(len(blocks))


main()
