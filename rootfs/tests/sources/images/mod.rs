//! OCI images and `docker save` archives.

mod choice;
mod overriding;
mod refused;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::archive::{assembled, end, error_chain, spec};
use amiforge_formats::digest::Digest;
use amiforge_formats::dump;
use amiforge_rootfs::sources::{SourceKind, SourceSpec};
use serde_json::{Value, json};

/// An image layout under construction.
pub(crate) struct Layout {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) diff_ids: Vec<String>,
    pub(crate) layers: Vec<Value>,
}

impl Layout {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), diff_ids: Vec::new(), layers: Vec::new() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> (String, u64) {
        let digest = Digest::of(bytes);
        std::fs::create_dir_all(self.path().join("blobs/sha256")).unwrap();
        std::fs::write(self.path().join(format!("blobs/sha256/{digest}")), bytes).unwrap();
        (format!("sha256:{digest}"), bytes.len() as u64)
    }

    pub(crate) fn descriptor(&self, media_type: &str, bytes: &[u8]) -> Value {
        let (digest, size) = self.blob(bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// Adds a layer: plain, gzip or zstd in turn.
    pub(crate) fn layer(mut self, parts: &[Vec<u8>]) -> Self {
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

    pub(crate) fn manifest(&self, arch: &str) -> Value {
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

    pub(crate) fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        std::fs::write(self.path().join("index.json"), index.to_string()).unwrap();
        std::fs::write(self.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    pub(crate) fn finish(self) -> Self {
        self.index(&[self.manifest("amd64")]);
        self
    }

    pub(crate) fn spec(&self) -> SourceSpec {
        image(&self.path(), None)
    }

    pub(crate) fn refusal(&self) -> String {
        error_chain(&assembled(&[self.spec()], self.folder.path()).unwrap_err())
    }
}

pub(crate) fn image(path: &Path, reference: Option<&str>) -> SourceSpec {
    let reference = reference.map(str::to_owned);
    spec("source 1", SourceKind::Oci { path: path.to_owned(), platform: "linux/amd64".to_owned(), reference })
}

/// The names of a tree with the lengths of its files.
pub(crate) fn names(layout: &Layout) -> Vec<String> {
    let (assembled, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
    let lines = dump::to_string(&assembled.tree);
    let short = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        let last = if fields[1] == "file" || fields[1].starts_with("link") {
            fields[fields.len() - 1]
        } else {
            fields[1]
        };
        format!("{} {last}", fields[0])
    };
    lines.lines().skip(1).map(short).collect()
}
