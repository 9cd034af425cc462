//! A certificate for tests, whose key and signature are made up.

use super::{integer, object_identifier, oid, tag, tlv};

/// A self-issued certificate of version 3 with this common name.
pub(crate) fn certificate(name: &str) -> Vec<u8> {
    let sequence = |parts: &[&[u8]]| tlv(tag::SEQUENCE, parts);
    let null = tlv(tag::NULL, &[]);
    let algorithm = sequence(&[&object_identifier(oid::SHA256_WITH_RSA), &null]);
    let value = tlv(0x0c, &[name.as_bytes()]);
    let attribute = sequence(&[&object_identifier(oid::COMMON_NAME), &value]);
    let name = sequence(&[&tlv(tag::SET, &[&attribute])]);
    let validity = sequence(&[
        &tlv(tag::UTC_TIME, &[b"700101000000Z"]),
        &tlv(tag::GENERALIZED_TIME, &[b"20510102030405Z"]),
    ]);
    let key = sequence(&[&integer(&[0xa5; 256]), &integer(&[1, 0, 1])]);
    let key = sequence(&[
        &sequence(&[&object_identifier(oid::RSA_ENCRYPTION), &null]),
        &tlv(tag::BIT_STRING, &[&[0], &key]),
    ]);
    let yes = tlv(tag::BOOLEAN, &[&[0xff]]);
    let extension = |id: &[u8], value: &[u8]| {
        sequence(&[&object_identifier(id), &yes, &tlv(tag::OCTET_STRING, &[value])])
    };
    let extensions = sequence(&[
        &extension(oid::BASIC_CONSTRAINTS, &sequence(&[&yes, &integer(&[1])])),
        &extension(oid::KEY_USAGE, &tlv(tag::BIT_STRING, &[&[2, 0x84]])),
        &extension(&[0x2a, 3], &null),
    ]);
    let signed = sequence(&[
        &tlv(tag::CONTEXT, &[&integer(&[2])]),
        &integer(&[5]),
        &algorithm,
        &name,
        &validity,
        &name,
        &key,
        &tlv(tag::CONTEXT | 3, &[&extensions]),
    ]);
    sequence(&[&signed, &algorithm, &tlv(tag::BIT_STRING, &[&[0], &[9; 256]])])
}
