//! Images with a verified root, built from a folder: sgdisk and veritysetup read what the manifest says, and every change
//! is found and named.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};
use serde_json::Value;

use super::verify;

/// The smallest stub of UEFI: a PE file with one section.
fn stub() -> Vec<u8> {
    let mut bytes = vec![0; 0x600];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0\x64\x86\x01\0");
    put(0x80 + 20, &240_u16.to_le_bytes());
    put(0x98, &0x20b_u16.to_le_bytes());
    for (field, value) in [(8, 0x200_u32), (32, 0x200), (36, 0x200), (56, 0x1200), (60, 0x400), (108, 16)] {
        put(0x98 + field, &value.to_le_bytes());
    }
    put(0x98 + 68, &[10]);
    put(0x188, b".text\0\0\0");
    for (field, value) in [(8, 0x200_u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
        put(0x188 + field, &value.to_le_bytes());
    }
    bytes
}

/// A file of some blocks, no two of whose lines are equal.
fn text(name: &str) -> String {
    (0..1000).fold(String::new(), |text, line| text + &format!("line {line} of {name} file of some blocks\n"))
}

/// A folder with a kernel that has all drivers built in, and some files; the recipe beside it asks for a verified root.
struct Verified {
    folder: tempfile::TempDir,
}

impl Verified {
    fn new() -> Self {
        let built = Self { folder: scratch::folder() };
        let drivers: String = [
            "drivers/nvme/host/nvme.ko",
            "drivers/virtio/virtio_pci.ko",
            "drivers/block/virtio_blk.ko",
            "drivers/block/xen-blkfront.ko",
            "fs/ext4/ext4.ko",
            "fs/erofs/erofs.ko",
            "drivers/md/dm-mod.ko",
            "drivers/md/dm-verity.ko",
            "fs/overlayfs/overlay.ko",
        ]
        .map(|path| format!("kernel/{path}\n"))
        .concat();
        built.put("boot/vmlinuz-6.1", &[0x90; 10_000]);
        built.put("usr/lib/modules/6.1/modules.builtin", drivers.as_bytes());
        built.put("usr/lib/modules/6.1/modules.dep", b"");
        built.put("usr/lib/systemd/boot/efi/linuxx64.efi.stub", &stub());
        built.put("etc/passwd", b"root:x:0:0::/root:/bin/sh\n");
        built.put("usr/share/text", text("one").as_bytes());
        for index in 0..200_u32 {
            built.put(&format!("usr/share/{}/{index}", index % 7), &index.to_le_bytes().repeat(2000));
        }
        built.recipe("profile = \"verity\"", "ext4");
        built
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.path("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn recipe(&self, trust: &str, fs: &str) {
        let text = format!(
            "[image]\nname = \"verified\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\
             [disk]\nsize = \"160 MiB\"\n[boot]\nfirst-boot = \"none\"\n[trust]\n{trust}\n\
             [[partition]]\nrole = \"esp\"\nsize = \"48 MiB\"\n[[partition]]\nrole = \"root\"\nfs = \"{fs}\"\n\
             [[source]]\nkind = \"dir\"\npath = \"tree\"\n"
        );
        fs::write(self.path("recipe.toml"), text).unwrap();
    }

    fn build(&self, out: &str) -> Bundle {
        Bundle::build(&self.path("recipe.toml"), &self.path(out))
    }

    /// Writes the bytes of a partition of a bundle to a file of its own.
    fn extract(&self, bundle: &Bundle, id: &str) -> PathBuf {
        let (start, len) = range(bundle, id);
        let mut bytes = vec![0; len as usize];
        fs::File::open(bundle.image()).unwrap().read_exact_at(&mut bytes, start).unwrap();
        let path = self.path(id);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// The partition of that id in the manifest.
fn partition<'a>(bundle: &'a Bundle, id: &str) -> &'a Value {
    let all = bundle.manifest["partitions"].as_array().unwrap();
    all.iter().find(|partition| partition["id"] == id).unwrap()
}

fn range(bundle: &Bundle, id: &str) -> (u64, u64) {
    let partition = partition(bundle, id);
    (partition["start"].as_u64().unwrap(), partition["len"].as_u64().unwrap())
}

/// Flips a bit of the image.
fn flip(bundle: &Bundle, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(bundle.image()).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// What `amiforge verify` finds: exit code 3 and its words.
fn found(bundle: &Path) -> String {
    let output = program::run(&["verify", &bundle.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

#[test]
fn a_verified_root_is_what_its_manifest_its_partitions_and_its_command_line_say() {
    if !oracle::ready(&["veritysetup", "sgdisk", "blkid"], false) {
        return;
    }
    let recipe = Verified::new();
    let bundle = recipe.build("out");
    let verity = &bundle.manifest["verity"][0];
    let root = verity["root_hash"].as_str().unwrap();
    let (data, hash) = (recipe.extract(&bundle, "root"), recipe.extract(&bundle, "root-verity"));
    let output = verify(&data, &hash, root);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!verify(&data, &hash, &"0".repeat(64)).status.success());
    let dump = oracle::must("veritysetup", &["dump", &hash.to_string_lossy()]);
    let salt = verity["salt"].as_str().unwrap();
    assert!(dump.lines().any(|line| line.starts_with("Salt:") && line.ends_with(salt)), "{dump}");
    // Types and GUIDs of the Discoverable Partitions Specification.
    let image = bundle.image().to_string_lossy().into_owned();
    for (number, type_guid, half) in [
        ("2", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", &root[..32]),
        ("3", "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5", &root[32..]),
    ] {
        let shown = oracle::must("sgdisk", &["-i", number, &image]);
        assert!(shown.contains(&format!("Partition GUID code: {type_guid}")), "{shown}");
        let unique = shown.lines().find_map(|line| line.strip_prefix("Partition unique GUID: ")).unwrap();
        assert_eq!(unique.replace('-', "").to_lowercase(), half);
        assert!(shown.contains("Attribute flags: 1000000000000000"), "{shown}");
    }
    assert!(oracle::must("sgdisk", &["-v", &image]).contains("No problems found"));
    // An ext4 without a journal, which e2fsck passes and which is not written to when it is mounted.
    let features = oracle::must("dumpe2fs", &["-h", &data.to_string_lossy()]);
    assert!(!features.contains("has_journal"), "{features}");
    assert!(oracle::run("e2fsck", &["-fn", &data.to_string_lossy()]).status.success());
    let uki = program::run(&["inspect", &format!("{image}:esp/EFI/BOOT/BOOTX64.EFI"), "--cat"]).stdout;
    let line = format!(
        "roothash={root} amiforge.writable=etc:tmpfs,var:tmpfs \
         systemd.verity_root_options=panic-on-corruption,ignore-zero-blocks panic=30 rootwait ro "
    );
    assert!(uki.windows(line.len()).any(|window| window == line.as_bytes()));
    assert!(!uki.windows(14).any(|window| window == b"root=PARTUUID="));
    let inspected = program::must(&["inspect", &image]);
    assert!(inspected.contains(&format!("root hash: {root}")), "{inspected}");
    program::must(&["verify", &bundle.folder.to_string_lossy()]);
    // Zeros under the tree are not sent, neither those of the file system nor its free space.
    let blocks = bundle.manifest["blocks"].as_array().unwrap();
    assert!(blocks.iter().any(|block| block.as_str().is_some_and(|block| block.starts_with("free*"))));
    let zero = bundle.manifest["ebs"]["without_zero"]["blocks"].as_u64().unwrap();
    let free = bundle.manifest["ebs"]["without_free"]["blocks"].as_u64().unwrap();
    let (start, _) = range(&bundle, "root");
    println!("blocks sent: {zero} of them not zero, {free} encrypted; the root begins at byte {start}");
    let again = recipe.build("again");
    assert_eq!(again.digest(), bundle.digest());
}

#[test]
fn a_root_of_erofs_is_verified_too() {
    if !oracle::ready(&["veritysetup", "fsck.erofs"], false) {
        return;
    }
    let recipe = Verified::new();
    recipe.recipe("profile = \"verity\"", "erofs");
    let bundle = recipe.build("out");
    let root = bundle.manifest["verity"][0]["root_hash"].as_str().unwrap();
    let (data, hash) = (recipe.extract(&bundle, "root"), recipe.extract(&bundle, "root-verity"));
    let output = verify(&data, &hash, root);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    oracle::must("fsck.erofs", &[&data]);
    program::must(&["verify", &bundle.folder.to_string_lossy()]);
}

#[test]
fn every_change_of_data_and_tree_is_named() {
    let recipe = Verified::new();
    let bundle = recipe.build("out");
    let (root, _) = range(&bundle, "root");
    let (tree, _) = range(&bundle, "root-verity");
    let text = fs::read(recipe.path("tree/usr/share/text")).unwrap();
    let mut image = vec![0; (tree - root) as usize];
    fs::File::open(bundle.image()).unwrap().read_exact_at(&mut image, root).unwrap();
    let at = image.windows(64).position(|window| window == &text[8192..8192 + 64]).unwrap() as u64;
    flip(&bundle, root + at + 5);
    let said = found(&bundle.folder);
    let block = at / 4096;
    assert!(said.contains(&format!("block {block} of partition 2 `root`")), "{said}");
    assert!(said.contains("in `/usr/share/text` from byte 8192, is not what its hash tree says"), "{said}");
    flip(&bundle, root + at + 5);
    // The topmost block, one below it, and the salt.
    flip(&bundle, tree + 4096 + 3);
    let said = found(&bundle.folder);
    assert!(said.contains("partition 3 `root-verity` has root hash "), "{said}");
    flip(&bundle, tree + 4096 + 3);
    flip(&bundle, tree + 2 * 4096 + 1);
    let said = found(&bundle.folder);
    assert!(said.contains("verity in partition 3 `root-verity`: block 2 of the tree, level 1"), "{said}");
    flip(&bundle, tree + 2 * 4096 + 1);
    flip(&bundle, tree + 90);
    let said = found(&bundle.folder);
    assert!(said.contains("partition 3 `root-verity` has salt "), "{said}");
    // Preflight reads the tree from the disk, and the root hash from what firmware starts.
    let output = program::run(&["preflight", &bundle.folder.to_string_lossy()]);
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(said.contains("has the root hash "), "{said}");
    assert!(said.contains("and the kernel's command line says"), "{said}");
}

#[test]
fn an_update_of_a_file_sends_a_block_of_hashes_for_each_of_data_at_most() {
    let recipe = Verified::new();
    let old = recipe.build("old");
    recipe.put("usr/share/text", text("another").as_bytes());
    let new = recipe.build("new");
    let differ = ["diff", "--blocks", "--json"].map(str::to_owned).into_iter();
    let paths = [&old, &new].map(|bundle| bundle.folder.to_string_lossy().into_owned());
    let output =
        program::run(&differ.chain(paths).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{report:#}");
    let causes = report["causes"].as_array().unwrap();
    let count = |cause: &str| -> u64 {
        causes.iter().filter(|one| one["cause"] == cause).map(|one| one["blocks"].as_u64().unwrap()).sum()
    };
    let data: u64 = ["new-content", "moved-content", "directories", "inodes", "maps"].map(count).iter().sum();
    assert!(count("hash-tree") >= 1 && count("hash-tree") <= data + 1, "{report:#}");
    // The UKI and the partition table.
    assert!(report["sent"].as_u64().unwrap() <= 2 * data + 6, "{report:#}");
}

#[test]
fn a_profile_for_attestation_leaves_the_esp_unmounted() {
    let recipe = Verified::new();
    recipe.recipe("profile = \"attestable\"\nwritable = { etc = \"none\" }", "ext4");
    let bundle = recipe.build("out");
    let image = bundle.image().to_string_lossy().into_owned();
    let fstab = program::run(&["inspect", &format!("{image}:root/etc/fstab"), "--cat"]);
    assert!(!String::from_utf8_lossy(&fstab.stdout).contains("/boot/efi"));
    let uki = program::run(&["inspect", &format!("{image}:esp/EFI/BOOT/BOOTX64.EFI"), "--cat"]).stdout;
    let words = b"amiforge.writable=etc:none,var:tmpfs systemd.verity_root_options=panic-on-corruption,ignore-zero-blocks \
                  systemd.gpt_auto=0 ";
    assert!(uki.windows(words.len()).any(|window| window == words));
}
