//! The examples with a root tar or a container build and verify.

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_tests::archive::{Member, tar};
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{explained, oracle, scratch};

/// Copies an example's recipe into a folder.
fn example(name: &str, folder: &Path) -> PathBuf {
    let recipe = folder.join("recipe.toml");
    std::fs::copy(scratch::repository().join("examples").join(name).join("recipe.toml"), &recipe).unwrap();
    recipe
}

/// Builds and verifies, and returns the listing of the root.
fn listing(recipe: &Path) -> String {
    let bundle = Bundle::build(recipe, &recipe.with_file_name("out"));
    program::must(&["verify", &bundle.folder.to_string_lossy()]);
    explained::coverage(&bundle.folder);
    if oracle::ready(&["e2fsck"], false) {
        let root = bundle.partition("ext4");
        oracle::must("e2fsck", &["-fn", &format!("{}?offset={}", bundle.image().display(), root.start)]);
    }
    std::fs::read_to_string(bundle.folder.join("tree.txt")).unwrap()
}

#[test]
fn debian_root_has_its_user_its_unit_and_its_data_partition() {
    let folder = scratch::folder();
    let recipe = example("debian-root", folder.path());
    let Some(input) = scratch::input("min.tar") else { return };
    std::os::unix::fs::symlink(input, folder.path().join("root.tar")).unwrap();
    let listing = listing(&recipe);
    for line in [
        "/home/admin/.ssh/authorized_keys file 0600 1000:1000 ",
        "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service symlink ",
        "/etc/systemd/system/systemd-pstore.service symlink 0777 0:0 ",
        "/www/index.html file 0644 0:0 ",
        "/srv dir 0755 0:0 ",
    ] {
        assert!(listing.lines().any(|found| found.starts_with(line)), "no line `{line}…`");
    }
    assert!(!listing.contains("/srv/www"), "files of the partition at /srv are not in the root");
}

/// An OCI image layout of two layers, of which the second deletes a file of the first (whiteout).
fn layout(folder: &Path) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.to_string()), bytes).unwrap();
        (digest, bytes.len())
    };
    let folders = Member { kind: b'5', mode: 0o755, ..Member::default() };
    let first = tar(&[
        Member { name: "app/", ..folders },
        Member { name: "app/kept", bytes: b"kept", ..Member::default() },
        Member { name: "app/gone", bytes: b"gone", ..Member::default() },
    ]);
    let second = tar(&[Member { name: "app/.wh.gone", ..Member::default() }]);
    let layers = [put(&first), put(&second)];
    let config = put(serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": { "Entrypoint": ["/app/kept"] },
        "rootfs": { "type": "layers", "diff_ids": layers.map(|(digest, _)| format!("sha256:{digest}")) },
    })
    .to_string()
    .as_bytes());
    let descriptor = |kind: &str, (digest, size): (Digest, usize)| serde_json::json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size });
    let manifest = put(serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer)),
    })
    .to_string()
    .as_bytes());
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json", manifest)],
    });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[test]
fn a_container_becomes_a_machine_without_what_its_layers_took_away() {
    let folder = scratch::folder();
    let recipe = example("container", folder.path());
    layout(&folder.path().join("app"));
    let listing = listing(&recipe);
    assert!(listing.contains("/app/kept file 0644 0:0 1600000000.000000000 4\n"), "{listing}");
    assert!(listing.contains("/etc/motd file"), "{listing}");
    assert!(!listing.contains("gone"), "{listing}");
}
