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
    let plain = (Arch::X86_64, InitProgram::Plain);
    let archive = modules.build_initrd(&tree, &blobs, &order, plain).unwrap();
    let text = String::from_utf8_lossy(&archive);
    assert!(text.contains("the block driver"));
    assert!(text.contains("virtio.ko\nvirtio_ring.ko\nvirtio_pci.ko\nvirtio_blk.ko\n"));
    assert_eq!(archive, modules.build_initrd(&tree, &blobs, &order, plain).unwrap());
    let verified =
        modules.build_initrd(&tree, &blobs, &order, (Arch::X86_64, InitProgram::Verified)).unwrap();
    assert!(String::from_utf8_lossy(&verified).contains("the arguments name no root hash"));
    assert!(!text.contains("the arguments name no root hash"));
}

#[test]
fn a_verified_root_takes_the_device_mapper_and_a_fast_digest_where_the_kernel_has_them_as_modules() {
    let dep = "kernel/drivers/md/dm-mod.ko:\n\
        kernel/drivers/md/dm-bufio.ko: kernel/drivers/md/dm-mod.ko\n\
        kernel/lib/reed_solomon/reed_solomon.ko:\n\
        kernel/arch/x86/crypto/sha256-ssse3.ko:\n\
        kernel/drivers/md/dm-verity.ko: kernel/lib/reed_solomon/reed_solomon.ko kernel/drivers/md/dm-bufio.ko \
        kernel/drivers/md/dm-mod.ko\n\
        kernel/fs/overlayfs/overlay.ko.xz:\n\
        kernel/lib/libcrc32c.ko:\n\
        kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko\n";
    let mut tree = tree();
    let time = Time { secs: 0, nanos: 0 };
    path::write(&mut tree, b"usr/lib/modules/6.1/modules.dep", dep.as_bytes(), 0o644, time).unwrap();
    let modules = KernelModules::read(&tree, &Blobs::new(), "6.1").unwrap();
    let order = modules.load_order(&names(&["verity", "overlay", "erofs"])).unwrap();
    let expected =
        ["sha256_ssse3", "dm_mod", "dm_bufio", "reed_solomon", "dm_verity", "overlay", "libcrc32c", "erofs"];
    assert_eq!(order, expected);
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
        for (source, program) in [("init.c", InitProgram::Plain), ("verity.c", InitProgram::Verified)] {
            let out = tempfile::NamedTempFile::new().unwrap();
            let mut make = std::process::Command::new(folder.join("make.sh"));
            let made = make.arg(name).arg(out.path()).arg(source).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            assert!(
                std::fs::read(out.path()).unwrap() == program.bytes(machine),
                "run make.sh {name} OUT {source} and commit its output"
            );
        }
    }
}
