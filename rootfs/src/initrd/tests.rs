//! Modules of a synthetic kernel. The suite `boot` runs the init program in a virtual machine.

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

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn dependencies_of_a_driver_are_loaded_before_it_and_once() {
    let modules = KernelModules::read(&tree(), &Blobs::new(), "6.1").unwrap();
    let order = modules.load_order(&names(&["nvme", "ext4", "virtio", "xen"])).unwrap();
    assert_eq!(order, ["virtio", "virtio_ring", "virtio_pci", "virtio_blk", "xen_blkfront"]);
    assert_eq!(modules.load_order(&names(&["xen-blkfront"])).unwrap(), ["xen_blkfront"]);
    assert!(modules.load_order(&names(&["nvme", "ext4"])).unwrap().is_empty());
    let error = modules.load_order(&names(&["floppy"])).unwrap_err().to_string();
    assert_eq!(error, "the kernel `6.1` has no driver `floppy`, neither built in nor as a module");
}

#[test]
fn the_archive_has_the_init_program_and_the_decompressed_modules() {
    let (tree, blobs) = (tree(), Blobs::new());
    let modules = KernelModules::read(&tree, &blobs, "6.1").unwrap();
    let order = modules.load_order(&names(&["virtio"])).unwrap();
    let archive = modules.build_initrd(&tree, &blobs, &order, Arch::X86_64).unwrap();
    let text = String::from_utf8_lossy(&archive);
    assert!(text.contains("the block driver"));
    assert!(text.contains("virtio.ko\nvirtio_ring.ko\nvirtio_pci.ko\nvirtio_blk.ko\n"));
    assert_eq!(archive, modules.build_initrd(&tree, &blobs, &order, Arch::X86_64).unwrap());
}

#[test]
fn the_committed_init_programs_are_those_of_the_source() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/initrd");
    for (machine, name) in [(Arch::X86_64, "x86_64"), (Arch::Aarch64, "aarch64")] {
        // Other releases of the compiler generate other code.
        let compiler = format!("{name}-linux-gnu-gcc-12");
        let version = std::process::Command::new(&compiler).arg("--version").output();
        if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("12.2.0")) {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{compiler} 12.2.0 is not installed");
            println!("SKIP: {compiler} 12.2.0 is not installed");
            continue;
        }
        let out = tempfile::NamedTempFile::new().unwrap();
        let made =
            std::process::Command::new(folder.join("make.sh")).arg(name).arg(out.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        assert!(
            std::fs::read(out.path()).unwrap() == init(machine),
            "run make.sh {name} and commit its output"
        );
    }
}
