//! What is sealed: the command line and the files that carry it.

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::tree::{Content, Origin};

use super::*;

fn content(bytes: &[u8]) -> Content {
    Content::Inline(bytes.into())
}

/// A machine that GRUB starts, with an initrd in no file system, and a legacy BIOS too.
fn boot(arguments: &str) -> BootSpec {
    let parts =
        GrubParts { program: b"MZ grub".to_vec(), file_system: "0f".to_owned(), mount: "/boot".to_owned() };
    BootSpec {
        kernel: BootKernel {
            release: "6.1".to_owned(),
            path: "/boot/vmlinuz-6.1".to_owned(),
            content: content(b"kernel"),
            head: b"kernel".to_vec(),
        },
        initrd: Some(Initrd { path: None, content: content(b"initrd") }),
        cmdline: CommandLine {
            root: Some(CommandRoot::Partition(Guid::from_u128(1))),
            consoles: "console=ttyS0",
            arguments: arguments.to_owned(),
        },
        uefi: Some(UefiSpec { default_name: "BOOTX64.EFI", loader: LoaderPrograms::Grub(parts) }),
        bios: true,
        secure_boot: false,
        policy_key: None,
    }
}

fn text(file: &EspFile) -> String {
    let Content::Inline(bytes) = &file.content else { panic!("{} is not inline", file.path) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_firmware_gets_the_same_command_line() {
    let line = "root=PARTUUID=00000000-0000-0000-0000-000000000001 rootwait ro console=ttyS0 \
                nvme_core.io_timeout=4294967295 quiet";
    let sealed = seal(&boot("quiet"), &LateValues::default()).unwrap();
    let paths: Vec<_> = sealed.esp.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["EFI/BOOT/BOOTX64.EFI", "EFI/debian/initrd.img", "EFI/debian/grub.cfg"]);
    let configuration = text(&sealed.esp[2]);
    for wanted in [format!("linux /vmlinuz-6.1 {line}\n"), "initrd ($esp)/EFI/debian/initrd.img\n".to_owned()]
    {
        assert!(configuration.contains(&wanted), "{configuration}");
    }
    assert_eq!(sealed.bios.unwrap().cmdline, line);
    assert_eq!(sealed.esp[1].content.len(), 6);
}

#[test]
fn a_root_hash_goes_on_the_line_and_its_value_changes_no_length() {
    let hash = Digest::of(b"the root");
    let with = |root_hash| seal(&boot(""), &LateValues { root_hash, ..LateValues::default() }).unwrap();
    let (draft, sealed) = (with(Some(Digest([0; 32]))), with(Some(hash)));
    let line = sealed.bios.as_ref().unwrap().cmdline.clone();
    assert!(line.contains(&format!(" roothash={hash} ")), "{line}");
    assert!(text(&sealed.esp[2]).contains(&line));
    let lens = |sealed: &Sealed| sealed.esp.iter().map(|file| file.content.len()).collect::<Vec<_>>();
    assert_eq!(lens(&draft), lens(&sealed));
    assert_eq!(draft.bios.unwrap().cmdline.len(), line.len());
}

#[test]
fn a_verified_root_is_named_by_its_hash_alone() {
    let hash = Digest::of(b"the root");
    let line = |etc, var, gpt_auto| {
        let mut boot = boot("quiet");
        let arguments = VerityArguments { writable: WritableFolders { etc, var }, gpt_auto };
        boot.cmdline.root = Some(CommandRoot::Verity(arguments));
        let sealed = seal(&boot, &LateValues { root_hash: Some(hash), ..LateValues::default() }).unwrap();
        sealed.bios.unwrap().cmdline
    };
    let options = "systemd.verity_root_options=panic-on-corruption,ignore-zero-blocks";
    let rest = "panic=30 rootwait ro console=ttyS0 nvme_core.io_timeout=4294967295 quiet";
    assert_eq!(
        line(Writable::Tmpfs, Writable::Data, true),
        format!("roothash={hash} amiforge.writable=etc:tmpfs,var:data {options} {rest}")
    );
    assert_eq!(
        line(Writable::None, Writable::Tmpfs, false),
        format!("roothash={hash} amiforge.writable=etc:none,var:tmpfs {options} systemd.gpt_auto=0 {rest}")
    );
    assert_eq!(line(Writable::None, Writable::None, true), format!("roothash={hash} {options} {rest}"));
}

#[test]
fn a_line_that_the_kernel_would_cut_is_refused() {
    let len = seal(&boot(""), &LateValues::default()).unwrap().bios.unwrap().cmdline.len() + 1;
    let longest = "x".repeat(CommandLine::MAX - len);
    assert!(seal(&boot(&longest), &LateValues::default()).is_ok());
    let refused = seal(&boot(&format!("{longest}x")), &LateValues::default());
    assert!(matches!(refused, Err(SealError::CommandLine { len }) if len == CommandLine::MAX + 1));
}

#[test]
fn the_kernel_stays_a_reference() {
    let at = |origin: &Origin| matches!(origin, Origin::Slice { .. });
    let mut boot = boot("");
    boot.kernel.content = Content::Slice { source: amiforge_formats::plan::SourceId(3), at: 7, len: 9 };
    let loader = seal(&boot, &LateValues::default()).unwrap().bios.unwrap();
    assert!(loader.kernel.segments().iter().all(|segment| at(&segment.origin)));
}
