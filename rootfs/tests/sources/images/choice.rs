//! Selection of one image of several, and the kinds of archives.

use super::{Layout, image, names};
use crate::archive::{assembled, end, error_chain, file, link, spec};
use amiforge_formats::digest::Digest;
use amiforge_formats::dump;
use amiforge_rootfs::sources::{DigestPin, SourceKind};
use serde_json::{Value, json};

#[test]
fn layers_with_the_media_type_of_early_buildkit_are_read() {
    let mut layout = Layout::new().layer(&[]).layer(&[]).layer(&[file("f", b"x")]);
    layout.layers[2]["mediaType"] = json!("application/vnd.docker.image.rootfs.diff.tar.zstd");
    assert_eq!(names(&layout.finish()), ["/f 1"]);
}

#[test]
fn variants_and_digests_select_an_image() {
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
    let select = |platform: &str, reference: Option<&str>| {
        let kind = SourceKind::Oci {
            path: layout.path(),
            platform: platform.to_owned(),
            reference: reference.map(str::to_owned),
        };
        match assembled(&[spec("source 1", kind)], layout.folder.path()) {
            Ok((done, _)) => dump::to_string(&done.tree).trim_end().chars().last().unwrap().to_string(),
            Err(error) => error_chain(&error),
        }
    };
    layout.index(&[plain.clone(), third.clone()]);
    assert_eq!(select("linux/amd64", None), "1");
    assert_eq!(select("linux/amd64/v3", None), "3");
    assert_eq!(select("linux/amd64/v2", None), "1");
    layout.index(&[second.clone(), third.clone()]);
    let none = select("linux/amd64", None);
    assert!(
        none.contains("no image for linux/amd64; there is") && none.contains("for linux/amd64/v2"),
        "{none}"
    );
    assert_eq!(select("linux/amd64/v2", None), "2");
    let wrong = select("amd64", None);
    assert!(wrong.contains("`amd64` is not a platform, such as `linux/amd64`"), "{wrong}");
    // By digest: the manifest's own, or that of the index above it, with or without a name.
    let nested = json!({ "schemaVersion": 2, "manifests": [plain, second] });
    let nested = layout.descriptor("application/vnd.oci.image.index.v1+json", nested.to_string().as_bytes());
    layout.index(&[nested.clone(), third.clone()]);
    let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
    assert_eq!(select("linux/amd64/v3", Some(&digest(&third))), "3");
    assert_eq!(select("linux/amd64", Some(&digest(&plain))), "1");
    assert_eq!(select("linux/amd64/v2", Some(&format!("app@{}", digest(&nested)))), "2");
    let none = select("linux/amd64", Some(&format!("sha256:{}", "0".repeat(64))));
    assert!(none.contains("no image for linux/amd64 named `sha256:0000"), "{none}");
}

#[test]
fn an_archive_of_a_layout_gives_the_same_tree_and_digest() {
    let layout = Layout::new().layer(&[file("f", b"one")]).layer(&[file("g", b"two")]).finish();
    let packed = layout.folder.path().join("image.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&packed).unwrap());
    tar.append_dir_all(".", layout.path()).unwrap();
    tar.finish().unwrap();
    let (folder, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
    let (archive, blobs) = assembled(&[image(&packed, None)], layout.folder.path()).unwrap();
    assert_eq!(dump::to_string(&folder.tree), dump::to_string(&archive.tree));
    assert_eq!(folder.inputs[0].sha256, archive.inputs[0].sha256);
    assert_eq!(archive.oci_config.unwrap()["config"]["Cmd"][0], "sh");
    let amiforge_formats::tree::NodeKind::File(content) =
        &archive.tree.node(archive.tree.lookup(b"f").unwrap()).kind
    else {
        panic!()
    };
    let amiforge_formats::tree::Content::Slice { source, at, len } = content else { panic!() };
    let mut bytes = vec![0; *len as usize];
    amiforge_formats::plan::Sources::read_exact_at(&blobs, *source, *at, &mut bytes).unwrap();
    assert_eq!(bytes, b"one");
    let mut pinned = layout.spec();
    pinned.pin = DigestPin::Exact(archive.inputs[0].sha256.unwrap());
    assert!(assembled(&[pinned.clone()], layout.folder.path()).unwrap().0.inputs[0].pinned);
    pinned.pin = DigestPin::Exact(Digest([7; 32]));
    assert!(
        error_chain(&assembled(&[pinned], layout.folder.path()).unwrap_err()).contains("expected 070707")
    );
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
    let refused = |reference| error_chain(&assembled(&[image(&path, reference)], folder.path()).unwrap_err());
    assert!(refused(None).contains("2 images fit; name one with `reference`: there is `a:1`, `b:1`"));
    assert!(refused(Some("c")).contains("no image for linux/amd64 named `c`; there is `a:1`, `b:1`"));
    assert!(refused(Some("b:1")).contains("0 layers, but the config lists 2"));
}

#[test]
fn images_are_selected_by_platform_through_indexes() {
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
    let mut inconsistent = layout.manifest("arm64");
    inconsistent["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    layout.index(&[inconsistent.clone()]);
    assert!(layout.refusal().contains("the config says linux/arm64, expected linux/amd64"));
    layout.index(&[nested.clone(), inconsistent]);
    assert!(layout.refusal().contains("2 images fit"), "{}", layout.refusal());
    let selected = assembled(&[image(&layout.path(), Some("v1"))], layout.folder.path()).unwrap();
    assert!(selected.0.tree.lookup(b"f").is_some());
    for _ in 0..5 {
        let deeper = json!({ "schemaVersion": 2, "manifests": [nested] });
        nested = layout.descriptor(media_type, deeper.to_string().as_bytes());
    }
    layout.index(&[nested]);
    assert!(layout.refusal().contains("indexes name indexes more than 4 deep"));
}
