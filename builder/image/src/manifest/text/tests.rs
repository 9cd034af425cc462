//! Texts of manifests, read back and refused.

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;

use super::*;
use crate::disk::VerityLayout;
use crate::image::{Block, BlockMap};

fn manifest() -> Manifest {
    let mut blocks = BlockMap::default();
    blocks.push(Block::Data(Digest::of(b"a")), 1);
    blocks.push(Block::Free, 2);
    blocks.push(Block::Zero, 1);
    blocks.push(Block::Data(Digest::of(b"b")), 1);
    let partition = ManifestPartition {
        id: "root".to_owned(),
        number: 1,
        start: 1 << 20,
        len: BLOCK,
        label: "root".to_owned(),
        type_guid: Guid::derive("x", "type"),
        guid: Guid::derive("x", "part"),
        file_system: Some("ext4".to_owned()),
        uuid: None,
    };
    Manifest {
        tool: "0.1.0".to_owned(),
        origin: ImageOrigin {
            name: "web".to_owned(),
            version: Some("1".to_owned()),
            arch: "x86_64".to_owned(),
            epoch: -5,
            boot_mode: None,
            recipe: Digest::of(b"recipe"),
            lock: None,
            inputs: vec![ManifestInput { kind: "dir".to_owned(), name: "skel".to_owned(), sha256: None }],
            cleaned: vec![Cleaned {
                outcome: "emptied".to_owned(),
                path: "/var/log/x".to_owned(),
                rule: "logs".to_owned(),
            }],
            secrets: vec![Secret {
                allowed: Some("public".to_owned()),
                path: "/etc/key".to_owned(),
                what: vec!["random".to_owned()],
            }],
            secrets_unknown: Vec::new(),
            leaks_allowed: Vec::new(),
            skipped: vec!["x".to_owned()],
            measurements: None,
        },
        size: 4 * BLOCK + 1,
        disk: Guid::derive("web", "disk"),
        partitions: vec![partition],
        documents: [("tree.txt".to_owned(), Digest::of(b"tree"))].into(),
        secure_boot: None,
        pcr_policy: None,
        merkle_root: blocks.merkle_root(),
        without_free: blocks.without_free(),
        without_zero: blocks.without_zero(),
        blocks,
        plain: Digest::of(b"all"),
        verity: Vec::new(),
    }
}

/// The text with `from` replaced, which must occur in it.
fn changed(from: &str, to: &str) -> Result<Manifest, ManifestError> {
    let text = manifest().to_text();
    assert!(text.contains(from), "{from} is not in {text}");
    Manifest::parse(text.replacen(from, to, 1).as_bytes())
}

#[test]
fn a_manifest_reads_back_from_its_text() {
    let text = manifest().to_text();
    let read = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!(read, manifest());
    assert_eq!(read.to_text(), text);
}

#[test]
fn a_verified_partition_reads_back_and_is_absent_elsewhere() {
    assert!(!manifest().to_text().contains("verity"));
    let verity = VerityLayout {
        data: "root".to_owned(),
        hash: "root-verity".to_owned(),
        root_hash: Digest::of(b"root"),
        salt: [7; 32],
        data_blocks: 9,
    };
    let verified = Manifest { verity: vec![verity], ..manifest() };
    let text = verified.to_text();
    assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), verified);
    let short = text.replace(&"07".repeat(32), "0707");
    assert!(matches!(Manifest::parse(short.as_bytes()), Err(ManifestError::Value { .. })));
}

#[test]
fn keys_stand_sorted_at_every_depth() {
    fn sorted(value: &serde_json::Value) -> String {
        match value {
            // A map of the standard library, because that of `serde_json` may keep the order of insertion.
            serde_json::Value::Object(map) => {
                let map: std::collections::BTreeMap<_, _> = map.iter().collect();
                let parts: Vec<_> =
                    map.iter().map(|(key, value)| format!("{key:?}:{}", sorted(value))).collect();
                format!("{{{}}}", parts.join(","))
            }
            serde_json::Value::Array(list) => {
                format!("[{}]", list.iter().map(sorted).collect::<Vec<_>>().join(","))
            }
            other => other.to_string(),
        }
    }
    let value = serde_json::from_str(&manifest().to_text()).unwrap();
    assert_eq!(serde_json::to_string(&manifest().as_text()).unwrap(), sorted(&value));
}

#[test]
fn another_schema_is_named_before_its_unknown_keys() {
    let newer = changed("\"schema\": 1", "\"schema\": 2, \"later\": true");
    assert!(matches!(newer, Err(ManifestError::Schema { found: 2 })), "{newer:?}");
    assert!(matches!(changed("\"schema\": 1", "\"schema\": 1, \"later\": 0"), Err(ManifestError::Json(_))));
    assert!(matches!(changed("\"size\"", "\"sizes\""), Err(ManifestError::Json(_))));
}

#[test]
fn lists_of_blocks_that_do_not_fit_are_refused_without_being_unrolled() {
    let count = changed("free*2", "free*18446744073709551615");
    assert!(matches!(count, Err(ManifestError::BlockCount { needed: 5, .. })), "{count:?}");
    assert!(matches!(changed("zero*1", "zero*2"), Err(ManifestError::BlockCount { listed: 6, .. })));
    assert!(matches!(changed("free*2", "free*1"), Err(ManifestError::BlockCount { listed: 4, .. })));
    for entry in ["free*0", "free*+2", "free*02", "free*", "full*2", "zero*2", "free", ""] {
        let refused = changed("free*2", entry);
        assert!(matches!(refused, Err(ManifestError::Value { .. })), "{entry}: {refused:?}");
    }
    let upper = Digest::of(b"a").to_string().to_uppercase();
    assert!(matches!(changed(&Digest::of(b"a").to_string(), &upper), Err(ManifestError::Value { .. })));
    let zero = Block::Zero.digest().to_string();
    assert!(matches!(changed(&Digest::of(b"a").to_string(), &zero), Err(ManifestError::Value { .. })));
}

#[test]
fn a_disk_larger_than_any_volume_is_refused() {
    let huge = changed(&format!("\"size\": {}", 4 * BLOCK + 1), &format!("\"size\": {}", u64::MAX));
    assert!(matches!(huge, Err(ManifestError::Value { .. })), "{huge:?}");
}
