"""Judges a statement of provenance: as an in-toto statement by in-toto-attestation, its predicate by the messages of SLSA.
usage: provenance.py STATEMENT.json

The fields and types are those of SLSA's provenance.proto, v1. They are given to protobuf's own reader of JSON, which refuses
a field that the messages do not have and a value of another type. Each dependency is judged by in-toto-attestation too: it
needs a digest or a URI, and digests have to be of their algorithm's length."""

import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, struct_pb2, timestamp_pb2
from in_toto_attestation.v1 import resource_descriptor_pb2, statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

Field = descriptor_pb2.FieldDescriptorProto
STRUCT, TIME = ".google.protobuf.Struct", ".google.protobuf.Timestamp"
MESSAGES = {
    "Provenance": [("build_definition", ".slsa.v1.BuildDefinition"), ("run_details", ".slsa.v1.RunDetails")],
    "BuildDefinition": [("build_type", "string"), ("external_parameters", STRUCT), ("internal_parameters", STRUCT),
                        ("resolved_dependencies", ["ResourceDescriptor"])],
    "ResourceDescriptor": [("uri", "string"), ("digest", "map"), ("name", "string"), ("download_location", "string"),
                           ("media_type", "string"), ("content", "bytes"), ("annotations", STRUCT)],
    "RunDetails": [("builder", ".slsa.v1.Builder"), ("metadata", ".slsa.v1.BuildMetadata"),
                   ("byproducts", ["ResourceDescriptor"])],
    "Builder": [("id", "string"), ("version", "map"), ("builder_dependencies", ["ResourceDescriptor"])],
    "BuildMetadata": [("invocation_id", "string"), ("started_on", TIME), ("finished_on", TIME)],
}
REQUIRED = ["buildDefinition.buildType", "buildDefinition.externalParameters", "runDetails.builder.id"]


def provenance_message():
    file = descriptor_pb2.FileDescriptorProto(name="slsa.proto", package="slsa.v1", syntax="proto3")
    file.dependency.extend(["google/protobuf/struct.proto", "google/protobuf/timestamp.proto"])
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            add = message.field.add(name=field, number=number, label=Field.LABEL_OPTIONAL)
            if kind in ("string", "bytes"):
                add.type = Field.TYPE_STRING if kind == "string" else Field.TYPE_BYTES
            elif kind == "map":
                entry = message.nested_type.add(name=field.title().replace("_", "") + "Entry")
                entry.options.map_entry = True
                for at, part in enumerate(("key", "value"), 1):
                    entry.field.add(name=part, number=at, label=Field.LABEL_OPTIONAL, type=Field.TYPE_STRING)
                add.label, add.type = Field.LABEL_REPEATED, Field.TYPE_MESSAGE
                add.type_name = f".slsa.v1.{name}.{entry.name}"
            else:
                add.type = Field.TYPE_MESSAGE
                if isinstance(kind, list):
                    add.label, kind = Field.LABEL_REPEATED, f".slsa.v1.{kind[0]}"
                add.type_name = kind
    pool = descriptor_pool.DescriptorPool()
    for known in (struct_pb2, timestamp_pb2):
        known_file = descriptor_pb2.FileDescriptorProto()
        known.DESCRIPTOR.CopyToProto(known_file)
        pool.Add(known_file)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("slsa.v1.Provenance"))()


with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
statement = statement_pb2.Statement()
json_format.Parse(text, statement)
Statement.copy_from_pb(statement).validate()
document = json.loads(text)
assert document["predicateType"] == "https://slsa.dev/provenance/v1", document["predicateType"]
predicate = document["predicate"]
json_format.ParseDict(predicate, provenance_message())
for path in REQUIRED:
    at = predicate
    for key in path.split("."):
        at = at[key]
    assert at, path
dependencies = predicate["buildDefinition"]["resolvedDependencies"]
for dependency in dependencies:
    descriptor = resource_descriptor_pb2.ResourceDescriptor()
    json_format.ParseDict(dependency, descriptor)
    ResourceDescriptor.copy_from_pb(descriptor).validate()
print(len(document["subject"]), "subjects,", len(dependencies), "dependencies")
