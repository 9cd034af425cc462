//! The loaders by themselves: a kernel whose only program tells what booted it. Seconds each, no distribution.

use std::path::Path;
use std::time::Duration;

use amiforge_formats::bios::{self, BiosBoot, BiosError};
use amiforge_formats::pe::{self, UkiSection};
use amiforge_tests::machine::{self, Disk, End, Firmware, Machine, MachineRun};
use amiforge_tests::{oracle, scratch};
use object::read::pe::{ImageNtHeaders, PeFile64};

use super::parts::{self, LOADER_SECTOR, Parts, bytes, inline};

const CMDLINE: &str = "console=ttyS0,115200n8 panic=-1 told=\"by the loader\"";

/// The image for UEFI with what the parts have.
fn uki(parts: &Parts) -> Vec<u8> {
    bytes(&pe::uki(&parts.stub, &sections(parts)).expect("an image"))
}

fn sections(parts: &Parts) -> Vec<UkiSection> {
    let section = |name, bytes: &[u8]| UkiSection::new(name, inline(bytes));
    vec![
        section(".osrel", b"ID=tests\nNAME=\"Tests\"\n"),
        section(".cmdline", CMDLINE.as_bytes()),
        section(".uname", b"6.1.0-tests"),
        section(".initrd", &parts.initrd),
        section(".linux", &parts.kernel),
    ]
}

/// The loader for a legacy BIOS with what the parts have.
fn boot(parts: &Parts, kernel: &[u8]) -> BiosBoot {
    let initrd = inline(&parts.initrd);
    bios::load(LOADER_SECTOR, &inline(kernel), &kernel[..4096], Some(&initrd), CMDLINE).expect("a loader")
}

/// What the guest told.
fn told(ran: &MachineRun) -> Vec<&str> {
    ran.assert_ended(End::PoweredOff).lines("GUEST ")
}

/// What a guest with the parts tells.
fn expected(parts: &Parts, firmware: &str, disk: &str) -> Vec<String> {
    let lines = ["runs".to_owned(), format!("firmware {firmware}"), format!("disk {disk}")];
    let more = [format!("cmdline {CMDLINE}"), format!("noise {}", parts.noise), "done".to_owned()];
    lines.into_iter().chain(more).map(|line| format!("GUEST {line}")).collect()
}

#[test]
fn one_disk_boots_by_uefi_and_by_bios_from_nvme_and_from_virtio() {
    let Some(parts) = ready(Firmware::Uefi) else { return };
    let disk = parts.disk("hybrid", Some(&boot(&parts, &parts.kernel)), Some(&uki(&parts)));
    for (firmware, name) in [(Firmware::Uefi, "uefi"), (Firmware::Bios, "bios")] {
        for (bus, kind) in [(Disk::Nvme, "nvme"), (Disk::Virtio, "other")] {
            let ran = Machine { disk: bus, ..Machine::new(firmware, &disk) }.run();
            assert_eq!(told(&ran), expected(&parts, name, kind));
            println!("{firmware:?} {bus:?}: {:?}", ran.time);
        }
    }
}

#[test]
fn an_image_made_by_objcopy_boots_the_same() {
    let Some(parts) = ready(Firmware::Uefi) else { return };
    if !oracle::ready(&["objcopy", "objdump"], false) {
        return;
    }
    let image = pe::read(&uki(&parts)).expect("our image");
    let mut arguments = Vec::new();
    for section in sections(&parts) {
        let (name, path) = (section.name, parts.path(&format!("section{}", section.name)));
        std::fs::write(&path, bytes(&section.content)).expect("a section");
        let va = image.section(name).expect("a section").va;
        arguments.extend([
            "--add-section".to_owned(),
            format!("{name}={}", path.display()),
            "--change-section-vma".to_owned(),
            format!("{name}={va:#x}"),
        ]);
    }
    let (stub, theirs) = (parts.path("stub"), parts.path("theirs"));
    std::fs::write(&stub, &parts.stub).expect("a stub");
    arguments.extend([stub, theirs.clone()].map(|path| path.to_string_lossy().into_owned()));
    oracle::must("objcopy", &arguments);
    let theirs = std::fs::read(theirs).expect("their image");
    let disk = parts.disk("theirs", None, Some(&theirs));
    assert_eq!(told(&Machine::new(Firmware::Uefi, &disk).run()), expected(&parts, "uefi", "nvme"));
    // What is loaded is the same, and neither has bytes that the other's sections have not.
    let read = pe::read(&theirs).expect("their image");
    let mine = uki(&parts);
    assert_eq!(read.sections.len(), image.sections.len());
    for (one, other) in image.sections.iter().zip(&read.sections) {
        assert_eq!((&one.name, one.va, one.len()), (&other.name, other.va, other.len()));
        let most = 1 << 30;
        let content =
            |file: &Vec<u8>, image: &pe::PeHeaders| image.content(file, &one.name, most).expect("a content");
        assert!(content(&mine, &image) == content(&theirs, &read), "{}", one.name);
    }
}

#[test]
fn readers_of_others_see_the_same_sections() {
    let Some(parts) = Parts::take() else { return };
    let ours = uki(&parts);
    let image = pe::read(&ours).expect("our image");
    assert_eq!(image.end, ours.len() as u64, "no byte is outside the sections");
    let theirs = PeFile64::parse(&*ours).expect("their reading");
    let table = theirs.section_table();
    assert_eq!(table.iter().count(), image.sections.len());
    for (section, header) in image.sections.iter().zip(table.iter()) {
        let number = |field: object::U32<object::LittleEndian>| field.get(object::LittleEndian);
        assert_eq!(header.raw_name(), section.name.as_bytes());
        assert_eq!(number(header.virtual_address), section.va);
        assert_eq!(number(header.virtual_size), section.virtual_size);
        assert_eq!(header.pe_file_range(), (section.raw_offset, section.virtual_size.min(section.raw_size)));
    }
    for section in sections(&parts) {
        let header =
            table.iter().find(|header| header.raw_name() == section.name.as_bytes()).expect("a section");
        assert!(header.pe_data(&*ours).expect("its bytes") == bytes(&section.content), "{}", section.name);
    }
    assert_eq!(theirs.nt_headers().file_header().time_date_stamp.get(object::LittleEndian), 0);
    if !oracle::ready(&["objdump"], false) {
        return;
    }
    let path = parts.path("image");
    std::fs::write(&path, &ours).expect("an image");
    let listed = oracle::must("objdump", &["-h", &path.to_string_lossy()]);
    let listed: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    for section in &image.sections {
        let line = listed.iter().find(|words| words.get(1) == Some(&section.name.as_str())).expect("a line");
        let number = |word: usize| u64::from_str_radix(line[word], 16).expect("a number");
        assert_eq!((number(2), number(3)), (section.len(), section.va.into()), "{}", section.name);
        assert_eq!(number(5), u64::from(section.raw_offset), "{}", section.name);
    }
}

#[test]
fn a_damaged_image_is_not_started() {
    let Some(parts) = ready(Firmware::Uefi) else { return };
    let mut damaged = uki(&parts);
    let pe = u32::from_le_bytes(damaged[0x3c..0x40].try_into().unwrap()) as usize;
    damaged[pe] = b'N';
    assert!(pe::read(&damaged).is_err());
    let disk = parts.disk("damaged", None, Some(&damaged));
    let wait_for = "BdsDxe: failed to load";
    let machine =
        Machine { wait_for, timeout: Duration::from_mins(1), ..Machine::new(Firmware::Uefi, &disk) };
    let ran = machine.run();
    ran.assert_ended(End::Matched);
    assert!(ran.lines("GUEST").is_empty(), "{}", ran.console);
}

/// Changes a disk so that it does not boot.
type Damage<'a> = &'a dyn Fn(&Path);

#[test]
fn the_loader_says_in_words_why_it_stops() {
    let Some(parts) = ready(Firmware::Bios) else { return };
    let whole = boot(&parts, &parts.kernel);
    let kernel_at = (LOADER_SECTOR * 512) + 4096;
    let cases: [(&str, u32, Damage); 5] = [
        ("no kernel where one was written", 512, &|disk| parts::write_at(disk, kernel_at + 0x202, b"none")),
        ("the kernel is too new for this loader", 512, &|disk| {
            parts::write_at(disk, kernel_at + 0x206, &[0, 3]);
        }),
        ("too little memory for kernel and initrd", 64, &|_| {}),
        ("the loader is not where it was written", 512, &|disk| {
            parts::write_at(disk, LOADER_SECTOR * 512, &[0; 16]);
        }),
        ("the BIOS cannot read the disk", 512, &|disk| {
            let file = std::fs::File::options().write(true).open(disk).expect("a disk");
            file.set_len(kernel_at + (1 << 20)).expect("a short disk");
        }),
    ];
    for (words, memory, damage) in cases {
        let disk = parts.disk("damaged", Some(&whole), None);
        damage(&disk);
        let wait_for = &format!("amiforge: stopped: {words}\r\n");
        let machine = Machine {
            memory,
            wait_for,
            timeout: Duration::from_mins(1),
            ..Machine::new(Firmware::Bios, &disk)
        };
        println!("{words}: {:?}", machine.run().assert_ended(End::Matched).time);
    }
}

#[test]
fn a_kernel_that_the_loader_does_not_know_is_refused_before_it_is_written() {
    let Some(parts) = Parts::take() else { return };
    let mut kernel = parts.kernel.clone();
    kernel[0x206..0x208].copy_from_slice(&[0x10, 2]);
    let refused = bios::load(LOADER_SECTOR, &inline(&kernel), &kernel[..4096], None, "").unwrap_err();
    assert!(matches!(refused, BiosError::TooNew { .. }), "{refused}");
    let cut = &parts.kernel[..parts.kernel.len() / 2];
    let refused = bios::load(LOADER_SECTOR, &inline(cut), &cut[..4096], None, "").unwrap_err();
    assert!(matches!(refused, BiosError::CutShort { .. }), "{refused}");
}

#[test]
fn the_loader_is_what_its_source_assembles_to() {
    if !cfg!(target_arch = "x86_64") || !oracle::ready(&["as", "ld"], false) {
        return;
    }
    let folder = scratch::folder();
    let stages: [(&str, &str, &[u8]); 2] =
        [("stage1", "0x7c00", bios::STAGE1), ("stage2", "0x8000", bios::STAGE2)];
    for (name, address, committed) in stages {
        let source = scratch::repository().join(format!("formats/src/bios/{name}.S"));
        let at = |suffix: &str| folder.path().join(format!("{name}.{suffix}")).to_string_lossy().into_owned();
        let (object, binary, source) = (at("o"), at("bin"), source.to_string_lossy().into_owned());
        oracle::must("as", &["--32", "-o", &object, &source]);
        let format = ["-m", "elf_i386", "-e", "start", "--oformat", "binary", "-Ttext", address];
        oracle::must("ld", &[&format[..], &["-o", &binary, &object]].concat());
        assert!(std::fs::read(binary).unwrap() == committed, "{name}.bin is not what {name}.S says");
    }
}

/// Makes what the fuzz target starts from: the stub, and an image with everything small.
#[test]
#[ignore = "writes into fuzz/corpus; CI asks for it"]
fn seeds_for_the_fuzz_target_pe() {
    let Some(parts) = Parts::take() else { return };
    let folder = scratch::repository().join("fuzz/corpus/pe");
    std::fs::create_dir_all(&folder).expect("the corpus");
    let mut sections = sections(&parts);
    for section in &mut sections {
        section.content = inline(b"x");
    }
    std::fs::write(folder.join("stub"), &parts.stub).expect("a seed");
    let image = pe::uki(&parts.stub, &sections).expect("an image");
    std::fs::write(folder.join("uki"), bytes(&image)).expect("a seed");
    std::fs::write(folder.join("kernel"), &parts.kernel[..8192]).expect("a seed");
}

/// The parts, where the machine and the tools are there.
fn ready(firmware: Firmware) -> Option<Parts> {
    (machine::ready(firmware) && parts::tools()).then(Parts::take).flatten()
}
