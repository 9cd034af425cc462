"""Judges SBOMs by the libraries of the formats' own projects. usage: sbom.py SPDX.json CYCLONEDX.json"""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

spdx, cyclonedx = sys.argv[1:]

with open(cyclonedx, encoding="utf-8") as file:
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(file.read())
assert error is None, error

document = parse_file(spdx)
messages = validate_full_spdx_document(document)
assert not messages, [message.validation_message for message in messages[:10]]
print(len(document.packages), "packages,", len(document.files), "files")
