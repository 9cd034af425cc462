//! Modules of a made-up kernel; what the first program does is tried in a machine by the suite `boot`.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Meta;
use amiforge_store::blobs::Blobs;

use super::*;

const DEP: &str = "kernel/drivers/virtio/virtio.ko:\n\
    kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\n\
    kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n\
    kernel/drivers/block/virtio_blk.ko.gz: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n\
    kernel/drivers/block/xen-blkfront.ko:\n";

fn tree() -> Tree {
    let time = Time { secs: 0, nanos: 0 };
    let mut tree = Tree::new(Meta::root_owned(0o755, time));
    let mut put = |path: &str, bytes: &[u8]| {
        let path = format!("usr/lib/modules/6.1/{path}");
        path::write(&mut tree, path.as_bytes(), bytes, 0o644, time).unwrap();
    };
    put("modules.dep", DEP.as_bytes());
    put("modules.builtin", b"kernel/drivers/nvme/host/nvme.ko\nkernel/fs/ext4/ext4.ko\n");
    for name in ["virtio", "virtio_ring", "virtio_pci"] {
        put(&format!("kernel/drivers/virtio/{name}.ko"), name.as_bytes());
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut packed, b"the block driver").unwrap();
    put("kernel/drivers/block/virtio_blk.ko.gz", &packed.finish().unwrap());
    put("kernel/drivers/block/xen-blkfront.ko", b"xen");
    tree
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn what_a_driver_needs_is_loaded_before_it_and_once() {
    let modules = Modules::read(&tree(), &Blobs::new(), "6.1").unwrap();
    let needed = modules.needed(&words(&["nvme", "ext4", "virtio", "xen"])).unwrap();
    assert_eq!(needed, ["virtio", "virtio_ring", "virtio_pci", "virtio_blk", "xen_blkfront"]);
    assert_eq!(modules.needed(&words(&["xen-blkfront"])).unwrap(), ["xen_blkfront"]);
    assert!(modules.needed(&words(&["nvme", "ext4"])).unwrap().is_empty());
    let error = modules.needed(&words(&["floppy"])).unwrap_err().to_string();
    assert_eq!(error, "the kernel `6.1` has no driver `floppy`, neither built in nor as a module");
}

#[test]
fn the_archive_holds_the_first_program_and_the_modules_unpacked() {
    let (tree, blobs) = (tree(), Blobs::new());
    let modules = Modules::read(&tree, &blobs, "6.1").unwrap();
    let needed = modules.needed(&words(&["virtio"])).unwrap();
    let archive = modules.initrd(&tree, &blobs, &needed, Arch::X86_64).unwrap();
    let text = String::from_utf8_lossy(&archive);
    assert!(text.contains("the block driver"));
    assert!(text.contains("virtio.ko\nvirtio_ring.ko\nvirtio_pci.ko\nvirtio_blk.ko\n"));
    assert_eq!(archive, modules.initrd(&tree, &blobs, &needed, Arch::X86_64).unwrap());
}

#[test]
fn the_first_program_is_what_its_source_gives() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/initrd");
    for (machine, name) in [(Arch::X86_64, "x86_64"), (Arch::Aarch64, "aarch64")] {
        // Other releases of the compiler write other code.
        let compiler = format!("{name}-linux-gnu-gcc-12");
        let found = std::process::Command::new(&compiler).arg("--version").output();
        if !found.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("12.2.0")) {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{compiler} 12.2.0 is not there");
            println!("SKIP: {compiler} 12.2.0 is not there");
            continue;
        }
        let out = tempfile::NamedTempFile::new().unwrap();
        let made =
            std::process::Command::new(folder.join("make.sh")).arg(name).arg(out.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        assert!(
            std::fs::read(out.path()).unwrap() == init(machine),
            "run make.sh {name} and commit what it gives"
        );
    }
}
