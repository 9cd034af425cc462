//! Images that are refused.

use super::{Layout, image};
use crate::archive::{assembled, error_chain, file, link};
use serde_json::{Value, json};

#[test]
fn inconsistent_and_hostile_images_are_refused() {
    // A flipped bit in each kind of blob.
    for (which, expected) in [
        (0, "the sha256 of layer 1 is "),
        (1, "the sha256 of layer 2 is "),
        (2, "the sha256 of the config is "),
        (3, "the sha256 of the manifest is "),
    ] {
        let layout = Layout::new().layer(&[file("f", &[0; 4000])]).layer(&[file("g", b"x")]).finish();
        let text = std::fs::read_to_string(layout.path().join("index.json")).unwrap();
        let index: Value = serde_json::from_str(&text).unwrap();
        let blob = |value: &Value| {
            let hex = value["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
            layout.path().join("blobs/sha256").join(hex)
        };
        let manifest = blob(&index["manifests"][0]);
        let read: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        let (path, at) = match which {
            0 => (blob(&read["layers"][0]), 1000),
            // The header of gzip: its time, which changes no content.
            1 => (blob(&read["layers"][1]), 5),
            2 => (blob(&read["config"]), 3),
            _ => (manifest, 3),
        };
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(layout.refusal().contains(expected), "{expected}\n{}", layout.refusal());
        bytes.push(0);
        std::fs::write(&path, &bytes).unwrap();
        assert!(layout.refusal().contains("bytes, expected"), "{}", layout.refusal());
        std::fs::remove_file(&path).unwrap();
        assert!(layout.refusal().contains("` is missing"), "{}", layout.refusal());
    }
    for (parts, expected) in [
        (vec![file("../f", b"")], "reading layer 2 ("),
        (vec![file("s/f", b"")], "the name leads through `s`, a symlink to `/etc`"),
        (vec![file("s/.wh.x", b"")], "the name leads through `s`, a symlink to `/etc`"),
        (vec![file(".wh...", b"")], "the name has `..` in it"),
        (vec![file("f", b"1"), file("f", b"2")], "byte 0 gives the same name"),
    ] {
        let layout = Layout::new().layer(&[link(b'2', "s", "/etc")]).layer(&parts).finish();
        let refusal = layout.refusal();
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
    let mut foreign = Layout::new().layer(&[file("f", b"x")]);
    foreign.layers[0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    assert!(foreign.finish().refusal().contains("comes from elsewhere"));
    let mut wrong = Layout::new().layer(&[file("f", b"x")]).layer(&[file("g", b"x")]);
    wrong.diff_ids.swap(0, 1);
    assert!(wrong.finish().refusal().contains("the sha256 of layer 1, uncompressed, is "));
    let none = tempfile::tempdir().unwrap();
    let refused = error_chain(&assembled(&[image(none.path(), None)], none.path()).unwrap_err());
    assert!(refused.contains("it has neither `index.json` nor `manifest.json`"));
}
