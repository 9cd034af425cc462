"""Objects of S3: names, sizes, ranges, parts, checksums, conditions, listings."""

import base64
import hashlib
import io
import urllib.error
import urllib.request
import zlib

import boto3.s3.transfer
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.httpsession

import clients
from clients import Region, refused

OTHER_KEY = ("AKIAOTHERACCOUNT0000", "other-secret")
MIB = 1 << 20


def main():
    region = Region(clients.endpoint(), check=False)
    other = Region(clients.endpoint(), key=OTHER_KEY)
    buckets(region, other)
    s3 = region.s3
    s3.create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": region.name})
    names_and_sizes(s3)
    checksums(s3)
    conditions(s3)
    listings(s3)
    parts(s3)
    properties(s3)
    trailers(region)
    presigned(s3)
    print("OK")


def buckets(region, other):
    """Buckets belong to one account and one region."""
    s3 = region.s3
    s3.create_bucket(Bucket="first", CreateBucketConfiguration={"LocationConstraint": region.name})
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="first")
    refused("BucketAlreadyExists", other.s3.create_bucket, Bucket="first")
    refused("InvalidBucketName", s3.create_bucket, Bucket="Not_a_bucket")
    place = {"LocationConstraint": "local-2"}
    refused("IllegalLocationConstraintException", s3.create_bucket, Bucket="second", CreateBucketConfiguration=place)
    assert s3.head_bucket(Bucket="first")["BucketRegion"] == region.name
    assert s3.get_bucket_location(Bucket="first")["LocationConstraint"] == region.name
    refused("AccessDenied", other.s3.list_objects_v2, Bucket="first")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="missing")
    refused("404", s3.head_bucket, Bucket="missing")
    # boto3 follows the region in the response.
    there = Region(clients.endpoint(), "local-2")
    assert there.s3.list_objects_v2(Bucket="first")["KeyCount"] == 0
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["first"]
    assert other.s3.list_buckets()["Buckets"] == []
    s3.delete_bucket(Bucket="first")
    refused("NoSuchBucket", s3.delete_bucket, Bucket="first")


def names_and_sizes(s3):
    """What is put is given back, whole and in ranges."""
    names = ["plain", "a/b/c", "a b+c", "käse/🧀", "100%", "q?x=y&z", "dots/../up", "tilde~(x)!*'", "end/"]
    for name in names:
        data = name.encode() * 3
        s3.put_object(Bucket="things", Key=name, Body=data)
        assert s3.get_object(Bucket="things", Key=name)["Body"].read() == data, name
    listed = s3.list_objects_v2(Bucket="things")["Contents"]
    assert [one["Key"] for one in listed] == sorted(names, key=str.encode), listed
    for name in names:
        s3.delete_object(Bucket="things", Key=name)
    for size in (0, 1, 300_000, 3 * MIB + 7):
        data = bytes(number * 7 % 251 for number in range(min(size, 4096))) * (size // 4096 + 1)
        data = data[:size]
        etag = s3.put_object(Bucket="things", Key="sized", Body=data)["ETag"]
        assert etag == f'"{hashlib.md5(data).hexdigest()}"', size
        head = s3.head_object(Bucket="things", Key="sized")
        assert (head["ContentLength"], head["ETag"]) == (size, etag)
        assert s3.get_object(Bucket="things", Key="sized")["Body"].read() == data
        for first, last in ((0, 0), (size // 2, size - 1), (size - 1, size + 9)):
            if not 0 <= first < size:
                continue
            answer = s3.get_object(Bucket="things", Key="sized", Range=f"bytes={first}-{last}")
            assert answer["Body"].read() == data[first : last + 1]
            assert answer["ContentRange"] == f"bytes {first}-{min(last, size - 1)}/{size}"
        refused("InvalidRange", s3.get_object, Bucket="things", Key="sized", Range=f"bytes={size}-")
    refused("NoSuchKey", s3.get_object, Bucket="things", Key="missing")
    refused("404", s3.head_object, Bucket="things", Key="missing")
    refused("KeyTooLongError", s3.put_object, Bucket="things", Key="k" * 1025, Body=b"")


def checksums(s3):
    """Wrong ones are refused, right ones are given back."""
    data = b"123456789"
    right = {
        "ChecksumCRC32": base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode(),
        "ChecksumSHA1": base64.b64encode(hashlib.sha1(data).digest()).decode(),
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        "ChecksumCRC32C": base64.b64encode(bytes.fromhex("e3069283")).decode(),
        "ChecksumCRC64NVME": base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode(),
    }
    for name, value in right.items():
        answer = s3.put_object(Bucket="things", Key="sum", Body=data, **{name: value})
        assert answer[name] == value, answer
        head = s3.head_object(Bucket="things", Key="sum", ChecksumMode="ENABLED")
        assert (head[name], head["ChecksumType"]) == (value, "FULL_OBJECT"), head
        wrong = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
        refused("BadDigest", s3.put_object, Bucket="things", Key="sum", Body=data, **{name: wrong})
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refused("BadDigest", s3.put_object, Bucket="things", Key="sum", Body=data, ContentMD5=md5)
    refused("InvalidDigest", s3.put_object, Bucket="things", Key="sum", Body=data, ContentMD5="AAAA")
    assert s3.get_object(Bucket="things", Key="sum")["Body"].read() == data


def conditions(s3):
    """Writes and reads that want something of what is there."""
    etag = s3.put_object(Bucket="things", Key="if", Body=b"1")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket="things", Key="if", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket="things", Key="if", Body=b"2", IfMatch='"0"')
    s3.put_object(Bucket="things", Key="if", Body=b"2", IfMatch=etag)
    refused("PreconditionFailed", s3.get_object, Bucket="things", Key="if", IfMatch=etag)
    now = s3.head_object(Bucket="things", Key="if")["ETag"]
    refused("304", s3.get_object, Bucket="things", Key="if", IfNoneMatch=now)


def listings(s3):
    """Prefixes, delimiters, pages; both forms."""
    keys = [f"logs/{day:02}/{part}" for day in range(1, 8) for part in "abc"] + ["logs/index", "other"]
    for key in keys:
        s3.put_object(Bucket="things", Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(operation).paginate(
            Bucket="things", Prefix="logs/", Delimiter="/", PaginationConfig={"PageSize": 3}
        )
        found, prefixes = [], []
        for page in pages:
            found += [one["Key"] for one in page.get("Contents", [])]
            prefixes += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
        assert found == ["logs/index"] and prefixes == [f"logs/{day:02}/" for day in range(1, 8)], (found, prefixes)
        pages = s3.get_paginator(operation).paginate(Bucket="things", Prefix="logs/", PaginationConfig={"PageSize": 5})
        assert [one["Key"] for page in pages for one in page["Contents"]] == keys[:-1]
    later = s3.list_objects_v2(Bucket="things", Prefix="logs/", StartAfter="logs/07/b", FetchOwner=True)
    assert [one["Key"] for one in later["Contents"]] == ["logs/07/c", "logs/index"]
    gone = s3.delete_objects(Bucket="things", Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(gone["Deleted"]) == len(keys)
    assert "Contents" not in s3.list_objects_v2(Bucket="things", Prefix="logs/")


def parts(s3):
    """Uploads in parts, by hand and as boto3 makes them of a large body."""
    data = hashlib.sha256(b"seed").digest() * (17 * MIB // 32) + b"tail"
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=6 * MIB)
    s3.upload_fileobj(io.BytesIO(data), "things", "large", Config=config)
    head = s3.head_object(Bucket="things", Key="large")
    assert head["ContentLength"] == len(data) and head["ETag"].endswith('-3"'), head
    back = io.BytesIO()
    s3.download_fileobj("things", "large", back, Config=config)
    assert back.getvalue() == data
    s3.copy({"Bucket": "things", "Key": "large"}, "things", "large copy", Config=config)
    assert s3.get_object(Bucket="things", Key="large copy")["Body"].read() == data
    across = s3.get_object(Bucket="things", Key="large", Range=f"bytes={6 * MIB - 3}-{12 * MIB + 2}")
    assert across["Body"].read() == data[6 * MIB - 3 : 12 * MIB + 3]
    for algorithm, kind in (("CRC32", "COMPOSITE"), ("CRC64NVME", "FULL_OBJECT"), ("SHA256", "COMPOSITE")):
        made = s3.create_multipart_upload(Bucket="things", Key="hand", ChecksumAlgorithm=algorithm)
        assert made["ChecksumType"] == kind
        names = {"Bucket": "things", "Key": "hand", "UploadId": made["UploadId"]}
        if algorithm == "CRC64NVME":
            # Without their own extension boto3's core cannot compute this one; the service does.
            sent = [s3.upload_part(**names, PartNumber=1, Body=data[:100], ChecksumCRC64NVME=crc64(data[:100]))]
        else:
            sent = [
                s3.upload_part(**names, PartNumber=number + 1, Body=body, ChecksumAlgorithm=algorithm)
                for number, body in enumerate((data[: 5 * MIB], b"end"))
            ]
        listed = s3.list_parts(**names)["Parts"]
        chosen = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in listed]
        assert [one["ETag"] for one in listed] == [one["ETag"] for one in sent]
        s3.complete_multipart_upload(**names, MultipartUpload={"Parts": chosen})
        head = s3.head_object(Bucket="things", Key="hand", ChecksumMode="ENABLED")
        assert head["ChecksumType"] == kind and f"Checksum{algorithm}" in head, head
    refusals_of_parts(s3)


def crc64(data):
    """CRC-64/NVME, slowly: https://reveng.sourceforge.io/crc-catalogue/."""
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return base64.b64encode((crc ^ 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")).decode()


def refusals_of_parts(s3):
    """What cannot be completed."""
    made = s3.create_multipart_upload(Bucket="things", Key="bad")
    names = {"Bucket": "things", "Key": "bad", "UploadId": made["UploadId"]}
    tags = {number: s3.upload_part(**names, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)}
    one, two = ({"PartNumber": number, "ETag": tags[number]} for number in (1, 2))
    for code, chosen in (
        ("EntityTooSmall", [one, two]),
        ("InvalidPartOrder", [two, one]),
        ("InvalidPart", [{"PartNumber": 3, "ETag": tags[1]}]),
        ("InvalidPart", [{"PartNumber": 1, "ETag": '"0"'}]),
        ("MalformedXML", []),
    ):
        refused(code, s3.complete_multipart_upload, **names, MultipartUpload={"Parts": chosen})
    refused("InvalidArgument", s3.upload_part, **names, PartNumber=10001, Body=b"")
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="things")["Uploads"]] == ["bad"]
    s3.abort_multipart_upload(**names)
    refused("NoSuchUpload", s3.abort_multipart_upload, **names)
    refused("NoSuchUpload", s3.upload_part, **names, PartNumber=1, Body=b"")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="things")


def properties(s3):
    """Types, own headers, tags, copies."""
    s3.put_object(
        Bucket="things", Key="rich", Body=b"x", ContentType="text/plain", Metadata={"made-by": "objects"},
        CacheControl="no-store", Tagging="a=1&b=two%20words",
    )  # fmt: skip
    head = s3.head_object(Bucket="things", Key="rich")
    assert (head["ContentType"], head["CacheControl"]) == ("text/plain", "no-store")
    assert head["Metadata"] == {"made-by": "objects"}
    tags = s3.get_object_tagging(Bucket="things", Key="rich")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}]
    s3.put_object_tagging(Bucket="things", Key="rich", Tagging={"TagSet": [{"Key": "<&>", "Value": ""}]})
    assert s3.get_object_tagging(Bucket="things", Key="rich")["TagSet"] == [{"Key": "<&>", "Value": ""}]
    s3.copy_object(Bucket="things", Key="a copy", CopySource={"Bucket": "things", "Key": "rich"})
    s3.delete_object(Bucket="things", Key="rich")
    copied = s3.get_object(Bucket="things", Key="a copy")
    assert copied["Body"].read() == b"x" and copied["Metadata"] == {"made-by": "objects"}
    same = {"Bucket": "things", "Key": "a copy"}
    refused("InvalidRequest", s3.copy_object, **same, CopySource=same)
    refused("NotImplemented", s3.get_bucket_policy, Bucket="things")


def trailers(region):
    """Bodies that come in chunks with their checksum behind them, as SDKs send them where TLS vouches for the rest."""
    for data in (b"", b"in chunks", bytes(3 * MIB)):
        right = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        assert send_chunks(region, data, right) == 200
        assert region.s3.get_object(Bucket="things", Key="chunks")["Body"].read() == data
        assert send_chunks(region, data, "AAAAAQ==") == 400
    assert "ContentEncoding" not in region.s3.head_object(Bucket="things", Key="chunks")


def send_chunks(region, data, crc):
    """Sends a body in chunks; gives the status."""
    algorithm = {"in": "trailer", "algorithm": "crc32", "name": "x-amz-checksum-crc32"}
    chunks = [data[at : at + MIB] for at in range(0, len(data), MIB)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    body += b"0\r\nx-amz-checksum-crc32:" + crc.encode() + b"\r\n\r\n"
    request = botocore.awsrequest.AWSRequest(
        method="PUT",
        url=f"{clients.endpoint()}/things/chunks",
        data=body,
        headers={
            "content-encoding": "aws-chunked",
            "x-amz-trailer": "x-amz-checksum-crc32",
            "x-amz-decoded-content-length": str(len(data)),
        },
    )
    request.context["checksum"] = {"request_algorithm": algorithm}
    keys = botocore.credentials.Credentials(clients.KEY, clients.SECRET)
    botocore.auth.S3SigV4Auth(keys, "s3", region.name).add_auth(request)
    return botocore.httpsession.URLLib3Session().send(request.prepare()).status_code


def presigned(s3):
    """Addresses that carry their signature."""
    names = {"Bucket": "things", "Key": "by address"}
    url = s3.generate_presigned_url("put_object", Params=names, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(url, data=b"sent", method="PUT")) as answer:
        assert answer.status == 200
    url = s3.generate_presigned_url("get_object", Params=names, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"sent"
    try:
        urllib.request.urlopen(url.replace("by%20address", "other"))
    except urllib.error.HTTPError as error:
        assert error.code == 403, error
    else:
        raise AssertionError("a signature was good for another object")


main()
