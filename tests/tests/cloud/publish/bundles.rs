//! The bundles that the tests upload.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::download::download;
use amiforge_publish::error::PublishError;
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload::{UploadOptions, Uploaded, upload};
use amiforge_tests::archive::noise;
use amiforge_tests::program;
use amiforge_tests::region::Region;

/// A line that stands in one file only.
pub(crate) const NEEDLE: &[u8] = b"a line that stands in one file only";

/// Builds version `version` of an image in `folder`: some MiB of noise, a file of zeros, and a small file that differs
/// from version to version.
pub(crate) fn build(folder: &Path, version: u32, mib: usize) -> PathBuf {
    let tree = folder.join(format!("tree-{version}"));
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("opt")).unwrap();
    fs::write(tree.join("opt/noise"), noise(mib << 20, 5)).unwrap();
    fs::write(tree.join("opt/zeros"), vec![0; 5 << 20]).unwrap();
    let mut motd = NEEDLE.to_vec();
    motd.extend(format!(", version {version}\n").bytes());
    fs::write(tree.join("etc/motd"), motd).unwrap();
    let recipe = folder.join(format!("recipe-{version}.toml"));
    let text = format!(
        "[image]\nname = \"web\"\nversion = \"{version}\"\narch = \"x86_64\"\nepoch = 1700000000\n\n\
         [disk]\nsize = \"{} MiB\"\n\n[[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"dir\"\npath = \"tree-{version}\"\n",
        mib * 3 + 64
    );
    fs::write(&recipe, text).unwrap();
    let out = folder.join(format!("web-{version}"));
    program::must(&["build", &recipe.to_string_lossy(), "-o", &out.to_string_lossy()]);
    out
}

/// What the command line asks of an upload, but for its limit.
pub(crate) fn options(image: &Path) -> UploadOptions {
    UploadOptions { tags: ImageSource::open(image).unwrap().tags(), rate: 0, ..UploadOptions::default() }
}

/// Uploads an image.
pub(crate) fn send(region: &Region, image: &Path) -> Result<Uploaded, PublishError> {
    send_as(region, image, &options(image))
}

/// Uploads an image as `options` say.
pub(crate) fn send_as(
    region: &Region,
    image: &Path,
    options: &UploadOptions,
) -> Result<Uploaded, PublishError> {
    let services = region.services();
    region.block_on(upload(&services, image, options, Monitor::none()))
}

/// The snapshots of the region.
pub(crate) fn snapshots(region: &Region) -> Vec<String> {
    use amiforge_publish::api::SnapshotCalls as _;
    let services = region.services();
    let all = region.block_on(services.ec2.describe_tagged_snapshots(&[])).unwrap();
    let mut ids: Vec<_> = all.into_iter().map(|snapshot| snapshot.id).collect();
    ids.sort();
    ids
}

/// Fails when a volume of a snapshot does not begin with the image and go on with zeros.
pub(crate) fn assert_holds(region: &Region, snapshot: &str, image: &Path, folder: &Path) {
    let out = folder.join(format!("{snapshot}.raw"));
    let services = region.services();
    region.block_on(download(&services, snapshot, &out, 0, Monitor::none())).unwrap();
    let disk = if image.is_dir() { image.join("disk.raw") } else { image.to_owned() };
    let expected = fs::read(disk).unwrap();
    let mut found = vec![0; expected.len()];
    let volume = Medium::open(&out).unwrap();
    volume.read_exact_at(0, &mut found).unwrap();
    let differing = found.chunks(1 << 19).zip(expected.chunks(1 << 19)).position(|(a, b)| a != b);
    assert_eq!(differing, None, "a block differs");
    // What follows was never written, up to the end of the last block.
    let written = (expected.len() as u64).next_multiple_of(1 << 19);
    assert_eq!(volume.data_ranges(written, volume.size()).unwrap(), []);
    let mut rest = vec![0; (written - expected.len() as u64) as usize];
    volume.read_exact_at(expected.len() as u64, &mut rest).unwrap();
    assert!(rest.iter().all(|byte| *byte == 0));
    fs::remove_file(&out).unwrap();
}

/// A token that is cancelled already.
pub(crate) fn raised() -> CancelToken {
    let cancel = CancelToken::new();
    cancel.cancel();
    cancel
}
