//! OCI images and `docker save` archives: how layers override each other, and what is refused.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::archive::{assembled, chain, dir, end, file, link, spec};
use amiforge_formats::digest::Digest;
use amiforge_formats::dump;
use amiforge_rootfs::sources::{Pin, SourceKind, SourceSpec};
use serde_json::{Value, json};

/// An image layout being made.
struct Layout {
    folder: tempfile::TempDir,
    diff_ids: Vec<String>,
    layers: Vec<Value>,
}

impl Layout {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), diff_ids: Vec::new(), layers: Vec::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn blob(&self, bytes: &[u8]) -> (String, u64) {
        let digest = Digest::of(bytes);
        std::fs::create_dir_all(self.path().join("blobs/sha256")).unwrap();
        std::fs::write(self.path().join(format!("blobs/sha256/{digest}")), bytes).unwrap();
        (format!("sha256:{digest}"), bytes.len() as u64)
    }

    fn descriptor(&self, media_type: &str, bytes: &[u8]) -> Value {
        let (digest, size) = self.blob(bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// Adds a layer; by its number plain, gzip or zstd.
    fn layer(mut self, parts: &[Vec<u8>]) -> Self {
        let tar = [parts.concat(), end()].concat();
        self.diff_ids.push(format!("sha256:{}", Digest::of(&tar)));
        let base = "application/vnd.oci.image.layer.v1.tar";
        let descriptor = match self.layers.len() % 3 {
            0 => self.descriptor(base, &tar),
            1 => {
                let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gz.write_all(&tar).unwrap();
                self.descriptor(&format!("{base}+gzip"), &gz.finish().unwrap())
            }
            _ => self.descriptor(&format!("{base}+zstd"), &zstd::encode_all(&tar[..], 1).unwrap()),
        };
        self.layers.push(descriptor);
        self
    }

    fn manifest(&self, arch: &str) -> Value {
        let config = json!({ "os": "linux", "architecture": arch, "config": { "Cmd": ["sh"] },
            "rootfs": { "type": "layers", "diff_ids": self.diff_ids } });
        let config =
            self.descriptor("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": self.layers });
        let mut manifest =
            self.descriptor("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
        manifest["platform"] = json!({ "os": "linux", "architecture": arch });
        manifest
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        std::fs::write(self.path().join("index.json"), index.to_string()).unwrap();
        std::fs::write(self.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    fn done(self) -> Self {
        self.index(&[self.manifest("amd64")]);
        self
    }

    fn spec(&self) -> SourceSpec {
        image(&self.path(), None)
    }

    fn refusal(&self) -> String {
        chain(&assembled(&[self.spec()], self.folder.path()).unwrap_err())
    }
}

fn image(path: &Path, reference: Option<&str>) -> SourceSpec {
    let reference = reference.map(str::to_owned);
    spec("source 1", SourceKind::Oci { path: path.to_owned(), platform: "linux/amd64".to_owned(), reference })
}

/// The names of a tree with the lengths of its files.
fn names(layout: &Layout) -> Vec<String> {
    let (assembled, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
    let lines = dump::to_string(&assembled.tree);
    let short = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let last = if words[1] == "file" || words[1].starts_with("link") {
            words[words.len() - 1]
        } else {
            words[1]
        };
        format!("{} {last}", words[0])
    };
    lines.lines().skip(1).map(short).collect()
}

#[test]
fn layers_override_each_other_as_the_specification_says() {
    let layout = Layout::new()
        .layer(&[
            dir("a"),
            file("a/kept", b"1"),
            file("a/gone", b"1"),
            file("a/new", b"1"),
            dir("b"),
            file("b/x", b"1"),
            dir("b/sub"),
            file("b/sub/y", b"1"),
            file("c", b"1"),
            dir("d"),
            file("d/x", b"1"),
            file("e", b"1"),
            link(b'2', "s", "a"),
        ])
        .layer(&[
            file("a/.wh.gone", b""),
            file("a/new", b"22"),
            // The mark comes after what this layer gives, and takes only what is lower.
            dir("b"),
            file("b/z", b"22"),
            file("b/.wh..wh..opq", b""),
            dir("c"),
            file("c/in", b"22"),
            file("d", b"22"),
            file(".wh.nothing", b""),
            dir("s"),
        ])
        .layer(&[
            link(b'1', "hard", "a/kept"),
            file(".wh.e", b""),
            file(".wh.b", b""),
            file("b/later", b"333"),
        ])
        .done();
    let expected = [
        "/a dir",
        "/a/kept 1",
        "/a/new 2",
        "/b dir",
        "/b/later 3",
        "/c dir",
        "/c/in 2",
        "/d 2",
        "/hard link=/a/kept",
        "/s dir",
    ];
    assert_eq!(names(&layout), expected);
    // Once more, from the store.
    assert_eq!(names(&layout), expected);
}

#[test]
fn an_archive_of_a_layout_gives_the_same_tree_and_digest() {
    let layout = Layout::new().layer(&[file("f", b"one")]).layer(&[file("g", b"two")]).done();
    let packed = layout.folder.path().join("image.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&packed).unwrap());
    tar.append_dir_all(".", layout.path()).unwrap();
    tar.finish().unwrap();
    let (folder, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
    let (archive, blobs) = assembled(&[image(&packed, None)], layout.folder.path()).unwrap();
    assert_eq!(dump::to_string(&folder.tree), dump::to_string(&archive.tree));
    assert_eq!(folder.inputs[0].sha256, archive.inputs[0].sha256);
    assert_eq!(archive.oci_config.unwrap()["config"]["Cmd"][0], "sh");
    let amiforge_formats::tree::Kind::File(content) =
        &archive.tree.node(archive.tree.lookup(b"f").unwrap()).kind
    else {
        panic!()
    };
    let amiforge_formats::tree::Content::Slice { source, at, len } = content else { panic!() };
    let mut bytes = vec![0; *len as usize];
    amiforge_formats::plan::Sources::read_exact_at(&blobs, *source, *at, &mut bytes).unwrap();
    assert_eq!(bytes, b"one");
    let mut pinned = layout.spec();
    pinned.pin = Pin::Exact(archive.inputs[0].sha256.unwrap());
    assert!(assembled(&[pinned.clone()], layout.folder.path()).unwrap().0.inputs[0].pinned);
    pinned.pin = Pin::Exact(Digest([7; 32]));
    assert!(chain(&assembled(&[pinned], layout.folder.path()).unwrap_err()).contains("expected 070707"));
}

#[test]
fn docker_save_archives_are_read_by_tag() {
    let folder = tempfile::tempdir().unwrap();
    let layer = [file("f", b"one"), end()].concat();
    let config = json!({ "os": "linux", "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", Digest::of(&layer)), format!("sha256:{}", Digest::of(&layer))] } });
    let config = config.to_string();
    let name = format!("{}.json", Digest::of(config.as_bytes()));
    let saved = json!([
        { "Config": name, "RepoTags": ["a:1"], "Layers": ["x/layer.tar", "y/layer.tar"] },
        { "Config": name, "RepoTags": ["b:1"], "Layers": [] },
    ]);
    let parts = [
        file(&name, config.as_bytes()),
        file("manifest.json", saved.to_string().as_bytes()),
        file("x/layer.tar", &layer),
        link(b'2', "y/layer.tar", "../x/layer.tar"),
        end(),
    ];
    let path = folder.path().join("saved.tar");
    std::fs::write(&path, parts.concat()).unwrap();
    let (one, _) = assembled(&[image(&path, Some("a:1"))], folder.path()).unwrap();
    assert!(one.tree.lookup(b"f").is_some());
    let refused = |reference| chain(&assembled(&[image(&path, reference)], folder.path()).unwrap_err());
    assert!(refused(None).contains("2 images fit; name one with `reference`: there is `a:1`, `b:1`"));
    assert!(refused(Some("c")).contains("no image for linux/amd64 named `c`; there is `a:1`, `b:1`"));
    assert!(refused(Some("b:1")).contains("0 layers, but the config lists 2"));
}

#[test]
fn images_are_picked_by_platform_through_indexes() {
    let layout = Layout::new().layer(&[file("f", b"x")]);
    let (amd, arm) = (layout.manifest("amd64"), layout.manifest("arm64"));
    let nested = json!({ "schemaVersion": 2, "manifests": [arm, amd] });
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut nested = layout.descriptor(media_type, nested.to_string().as_bytes());
    nested["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    layout.index(&[nested.clone()]);
    assert_eq!(names(&layout), ["/f 1"]);
    layout.index(&[arm]);
    assert!(layout.refusal().contains("no image for linux/amd64; there is `sha256:"), "{}", layout.refusal());
    let mut lying = layout.manifest("arm64");
    lying["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    layout.index(&[lying.clone()]);
    assert!(layout.refusal().contains("the config says linux/arm64, expected linux/amd64"));
    layout.index(&[nested.clone(), lying]);
    assert!(layout.refusal().contains("2 images fit"), "{}", layout.refusal());
    let picked = assembled(&[image(&layout.path(), Some("v1"))], layout.folder.path()).unwrap();
    assert!(picked.0.tree.lookup(b"f").is_some());
    for _ in 0..5 {
        let deeper = json!({ "schemaVersion": 2, "manifests": [nested] });
        nested = layout.descriptor(media_type, deeper.to_string().as_bytes());
    }
    layout.index(&[nested]);
    assert!(layout.refusal().contains("indexes name indexes more than 4 deep"));
}

#[test]
fn images_that_lie_or_escape_are_refused() {
    // A flipped bit in each kind of blob.
    for (which, expected) in [
        (0, "the sha256 of layer 1 is "),
        (1, "the sha256 of layer 2 is "),
        (2, "the sha256 of the config is "),
        (3, "the sha256 of the manifest is "),
    ] {
        let layout = Layout::new().layer(&[file("f", &[0; 4000])]).layer(&[file("g", b"x")]).done();
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
        let layout = Layout::new().layer(&[link(b'2', "s", "/etc")]).layer(&parts).done();
        let refusal = layout.refusal();
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
    let mut foreign = Layout::new().layer(&[file("f", b"x")]);
    foreign.layers[0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    assert!(foreign.done().refusal().contains("comes from elsewhere"));
    let mut wrong = Layout::new().layer(&[file("f", b"x")]).layer(&[file("g", b"x")]);
    wrong.diff_ids.swap(0, 1);
    assert!(wrong.done().refusal().contains("the sha256 of layer 1, uncompressed, is "));
    let none = tempfile::tempdir().unwrap();
    let refused = chain(&assembled(&[image(none.path(), None)], none.path()).unwrap_err());
    assert!(refused.contains("it has neither `index.json` nor `manifest.json`"));
}
