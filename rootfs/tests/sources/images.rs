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

/// A base with a folder of two names, under which further layers are laid.
fn over(layers: &[&[Vec<u8>]]) -> Vec<String> {
    let base = [dir("d"), file("d/a", b"1"), file("d/b", b"22")];
    let layout = layers.iter().fold(Layout::new().layer(&base), |layout, layer| layout.layer(layer));
    names(&layout.done())
}

#[test]
fn a_hard_link_to_a_lower_file_does_not_keep_the_lower_name() {
    let hard = || link(b'1', "c", "d/a");
    for marks in [vec![file("d/.wh.a", b"")], vec![file(".wh.d", b""), dir("d"), file("d/b", b"22")]] {
        for link_first in [true, false] {
            let mut layer = marks.clone();
            layer.insert(if link_first { 0 } else { marks.len() }, hard());
            assert_eq!(over(&[&layer]), ["/c 1", "/d dir", "/d/b 2"], "{link_first}");
        }
    }
    let opaque = [hard(), dir("d"), file("d/.wh..wh..opq", b""), file("d/b", b"22")];
    assert_eq!(over(&[&opaque]), ["/c 1", "/d dir", "/d/b 2"]);
    // A new version of the lower file is another file than the link.
    assert_eq!(over(&[&[hard(), file("d/a", b"new")]]), ["/c 1", "/d dir", "/d/a 3", "/d/b 2"]);
    // After it, the name means the new file.
    let after = over(&[&[file("d/a", b"new"), hard()]]);
    assert_eq!(after, ["/c 3", "/d dir", "/d/a link=/c", "/d/b 2"]);
    // What the layer gives is a name of that layer, and lower for the next one.
    assert_eq!(over(&[&[hard()], &[file(".wh.c", b"")]]), ["/d dir", "/d/a 1", "/d/b 2"]);
    assert_eq!(over(&[&[hard()], &[file("d/.wh.a", b"")]]), ["/c 1", "/d dir", "/d/b 2"]);
    assert_eq!(over(&[&[hard()], &[file("c", b"new")]]), ["/c 3", "/d dir", "/d/a 1", "/d/b 2"]);
    // A link that says again what is there gives the name: its own whiteout in the same layer does not take it.
    let again = over(&[&[hard()], &[hard(), file(".wh.c", b"")]]);
    assert_eq!(again, ["/c 1", "/d dir", "/d/a link=/c", "/d/b 2"]);
}

#[test]
fn a_lower_directory_that_was_removed_lends_nothing_to_one_that_only_names_make() {
    let base = [private_dir(b"d"), file("d/a", b"1")];
    for mark in [file(".wh.d", b""), file("d/.wh..wh..opq", b"")] {
        for layer in [[mark.clone(), file("d/e/b", b"2")], [file("d/e/b", b"2"), mark]] {
            let layout = Layout::new().layer(&base).layer(&layer).done();
            let (done, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
            assert!(done.tree.lookup(b"d/a").is_none());
            let mode = |path: &[u8]| done.tree.node(done.tree.lookup(path).unwrap()).meta.mode;
            assert_eq!(mode(b"d/e"), 0o755);
            let opaque = layer.iter().any(|entry| entry.starts_with(b"d/.wh"));
            assert_eq!(mode(b"d"), if opaque { 0o700 } else { 0o755 }, "an opaque directory stays itself");
        }
    }
}

/// A directory of mode 0700.
fn private_dir(name: &[u8]) -> Vec<u8> {
    crate::archive::Header::new(name, b'5', 0).set(100, b"0000700\0").0.to_vec()
}

#[test]
fn whiteouts_may_be_links_and_what_aufs_left_is_no_part_of_the_tree() {
    let links = [file("d/.wh.a", b""), link(b'1', "d/.wh.b", "d/.wh.a")];
    assert_eq!(over(&[&links]), ["/d dir"]);
    assert_eq!(over(&[&[link(b'1', "d/.wh.a", "d/b")]]), ["/d dir", "/d/b 2"]);
    let aufs = [
        dir(".wh..wh.plnk"),
        file(".wh..wh.aufs", b""),
        dir(".wh..wh.orph"),
        file(".wh..wh.plnk/12.34", b"333"),
        link(b'1', "e", ".wh..wh.plnk/12.34"),
        file("d/.wh..wh.x", b""),
    ];
    assert_eq!(over(&[&aufs]), ["/d dir", "/d/a 1", "/d/b 2", "/e 3"]);
}

#[test]
fn paths_of_a_layer_lead_through_lower_links_within_the_tree() {
    let base = [
        dir("usr"),
        dir("usr/lib"),
        file("usr/lib/old", b"1"),
        link(b'2', "lib", "usr/lib"),
        link(b'2', "abs", "/usr/lib"),
        link(b'2', "up", "usr/../../usr/lib/./"),
        link(b'2', "chain", "abs"),
    ];
    let links = ["/abs symlink", "/chain symlink", "/lib symlink", "/up symlink", "/usr dir", "/usr/lib dir"];
    let laid = |layer: &[Vec<u8>]| {
        let names = names(&Layout::new().layer(&base).layer(layer).done());
        let rest: Vec<_> = names.into_iter().filter(|name| !links.contains(&name.as_str())).collect();
        rest.join(" ")
    };
    for through in ["lib", "abs", "up", "chain"] {
        let layer = [
            file(format!("{through}/x86/new"), b"22"),
            file(format!("{through}/.wh.old"), b""),
            link(b'1', "hard", &format!("{through}/x86/new")),
        ];
        assert_eq!(laid(&layer), "/hard 2 /usr/lib/x86 dir /usr/lib/x86/new link=/hard", "{through}");
        // An entry for the folder takes the link's place; what the link led to stays.
        let layer =
            [dir(through), file(format!("{through}/.wh..wh..opq"), b""), file(format!("{through}/n"), b"22")];
        assert_eq!(laid(&layer), format!("/{through} dir /{through}/n 2 /usr/lib/old 1"));
    }
    let refused = |layer: &[Vec<u8>], expected: &str| {
        let refusal = Layout::new().layer(&base).layer(layer).done().refusal();
        assert!(refusal.contains(expected), "{refusal}");
    };
    refused(
        &[link(b'2', "a", "b"), link(b'2', "b", "a"), file("a/x", b"")],
        "leads through `a`, a symlink to `b`",
    );
    refused(
        &[link(b'2', "f", "usr/lib/old"), file("f/x", b"")],
        "leads through `f`, a symlink to `usr/lib/old`",
    );
    refused(&[file("lib/old/x", b"")], "leads through `usr/lib/old`, a file");
}

#[test]
fn layers_that_early_buildkit_compressed_are_read() {
    let mut layout = Layout::new().layer(&[]).layer(&[]).layer(&[file("f", b"x")]);
    layout.layers[2]["mediaType"] = json!("application/vnd.docker.image.rootfs.diff.tar.zstd");
    assert_eq!(names(&layout.done()), ["/f 1"]);
}

#[test]
fn variants_and_digests_pick_an_image() {
    let layout = Layout::new().layer(&[file("f", b"x")]);
    let variant = |body: &[u8], variant: Option<&str>| {
        let source = Layout::new().layer(&[file("f", body)]);
        let mut manifest = source.manifest("amd64");
        for blob in std::fs::read_dir(source.path().join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            std::fs::copy(blob.path(), layout.path().join("blobs/sha256").join(blob.file_name())).unwrap();
        }
        if let Some(variant) = variant {
            manifest["platform"]["variant"] = json!(variant);
        }
        manifest
    };
    let (plain, second, third) =
        (variant(b"1", None), variant(b"22", Some("v2")), variant(b"333", Some("v3")));
    let picked = |platform: &str, reference: Option<&str>| {
        let kind = SourceKind::Oci {
            path: layout.path(),
            platform: platform.to_owned(),
            reference: reference.map(str::to_owned),
        };
        match assembled(&[spec("source 1", kind)], layout.folder.path()) {
            Ok((done, _)) => dump::to_string(&done.tree).trim_end().chars().last().unwrap().to_string(),
            Err(error) => chain(&error),
        }
    };
    layout.index(&[plain.clone(), third.clone()]);
    assert_eq!(picked("linux/amd64", None), "1");
    assert_eq!(picked("linux/amd64/v3", None), "3");
    assert_eq!(picked("linux/amd64/v2", None), "1");
    layout.index(&[second.clone(), third.clone()]);
    let none = picked("linux/amd64", None);
    assert!(
        none.contains("no image for linux/amd64; there is") && none.contains("for linux/amd64/v2"),
        "{none}"
    );
    assert_eq!(picked("linux/amd64/v2", None), "2");
    let wrong = picked("amd64", None);
    assert!(wrong.contains("`amd64` is not a platform, such as `linux/amd64`"), "{wrong}");
    // By digest: the manifest's own, or that of the index above it, with or without a name.
    let nested = json!({ "schemaVersion": 2, "manifests": [plain, second] });
    let nested = layout.descriptor("application/vnd.oci.image.index.v1+json", nested.to_string().as_bytes());
    layout.index(&[nested.clone(), third.clone()]);
    let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
    assert_eq!(picked("linux/amd64/v3", Some(&digest(&third))), "3");
    assert_eq!(picked("linux/amd64", Some(&digest(&plain))), "1");
    assert_eq!(picked("linux/amd64/v2", Some(&format!("app@{}", digest(&nested)))), "2");
    let none = picked("linux/amd64", Some(&format!("sha256:{}", "0".repeat(64))));
    assert!(none.contains("no image for linux/amd64 named `sha256:0000"), "{none}");
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
