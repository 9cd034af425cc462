//! Registers of made-up images, each computed here from the list of its events; and constants that real machines have.

use super::*;
use crate::der::Certificate;
use crate::der::sample::certificate;
use crate::guid::Guid;
use crate::pe::{self, UkiSection};
use crate::tree::{Content, Origin};
use crate::uefi_vars::{SignatureKind, SignatureList, write_signature_lists};

/// The bytes of a content that refers to no source.
fn bytes(content: &Content) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let Origin::Inline { bytes: from, at } = &segment.origin else { panic!("a reference") };
        let (start, len) = (segment.offset as usize, segment.len as usize);
        bytes[start..start + len].copy_from_slice(&from[*at..*at + len]);
    }
    bytes
}

fn section(name: &'static str, content: &[u8]) -> UkiSection {
    UkiSection::new(name, Content::Inline(content.into()))
}

/// A stub of a version.
fn stub(version: &str) -> Vec<u8> {
    let mut stub = pe::sample::stub(0x400);
    stub[0x600..0x630].fill(0);
    pe::sample::put(&mut stub, pe::sample::TABLE + 48, &0x80_u32.to_le_bytes());
    pe::sample::put(&mut stub, 0x600, format!("#### LoaderInfo: systemd-stub {version} ####").as_bytes());
    pe::sample::put(&mut stub, pe::sample::PE + 24 + 56, &0x2080_u32.to_le_bytes());
    stub
}

/// A kernel that is an image of its own.
fn kernel() -> Vec<u8> {
    let mut kernel = pe::sample::stub(0x200);
    pe::sample::put(&mut kernel, pe::sample::PE + 24 + 44, &[1, 0]);
    kernel
}

fn image(version: &str, more: &[UkiSection]) -> Vec<u8> {
    let mut sections = vec![section(".cmdline", b"ro"), section(".linux", &kernel())];
    sections.extend(more.iter().cloned());
    bytes(&pe::uki(&stub(version), &sections).unwrap())
}

fn authenticode(bytes: &[u8]) -> BankDigests {
    let parts = pe::hashed_ranges(&bytes, bytes.len() as u64).unwrap();
    let all: Vec<_> =
        parts.iter().flat_map(|part| &bytes[part.start as usize..part.end as usize]).copied().collect();
    BankDigests::of(&all)
}

fn enrolled() -> Firmware {
    let variables = Variables { pk: vec![1; 40], kek: vec![2; 40], db: vec![3; 60], dbx: Vec::new() };
    Firmware { variables, authority: Some(vec![3; 32]) }
}

fn pcrs(image: &[u8], firmware: &Firmware) -> BTreeMap<u8, BankDigests> {
    predict(&measure(&image, None).unwrap(), firmware, &PhasePath::default()).unwrap()
}

#[test]
fn an_empty_store_and_the_separator_have_the_values_of_real_machines() {
    let values = pcrs(&image("252.39-1~deb12u2", &[]), &Firmware::default());
    assert_eq!(values.keys().copied().collect::<Vec<_>>(), PREDICTED);
    assert_eq!(
        values[&SECURE_BOOT].hex(Bank::Sha256),
        "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068"
    );
    assert_eq!(
        values[&SECURE_BOOT].hex(Bank::Sha384),
        "98441c7f7625d10058c47683aec486ce311c633235eb555593a7ee791121e3578ae72d04ecef661f272d59058b77af35"
    );
    assert!(values[&DRIVERS].hex(Bank::Sha384).starts_with("518923b0f955d08d"));
    assert_eq!(values[&DRIVERS], values[&DRIVER_CONFIG]);
    assert_eq!(values[&KERNEL_PARAMETERS], Pcr::ZERO.value());
    assert_eq!(values[&SYSTEM_EXTENSIONS], Pcr::ZERO.value());
}

#[test]
fn the_kernel_is_a_program_of_its_own_where_firmware_loads_it() {
    let head = [BankDigests::of(b"Calling EFI Application from Boot Option"), BankDigests::of(&[0; 4])];
    for (version, loaded) in
        [("252.39-1", true), ("254.26", true), ("257.13", true), ("258", false), ("262.1", false)]
    {
        let image = image(version, &[]);
        let alone = [head.as_slice(), &[authenticode(&image)]].concat();
        let with_kernel = [alone.as_slice(), &[authenticode(&kernel())]].concat();
        let off = Pcr::after(if loaded { &with_kernel } else { &alone }).value();
        assert_eq!(pcrs(&image, &Firmware::default())[&BOOT_PROGRAMS], off, "{version}");
        assert_eq!(pcrs(&image, &enrolled())[&BOOT_PROGRAMS], Pcr::after(&alone).value(), "{version}");
    }
}

#[test]
fn each_version_measures_its_sections_in_its_order() {
    let names = [".osrel", ".uname", ".sbat", ".pcrpkey", ".pcrsig", ".ucode", ".dtb", ".other"];
    let more = names.map(|name| section(name, name.as_bytes()));
    let expected = [
        ("252.39", ".linux .osrel .cmdline .dtb .pcrpkey"),
        ("254.26", ".linux .osrel .cmdline .dtb .uname .sbat .pcrpkey"),
        ("257.13", ".linux .osrel .cmdline .ucode .dtb .uname .sbat .pcrpkey"),
        ("262.1", ".linux .osrel .cmdline .ucode .dtb .uname .sbat .pcrpkey"),
    ];
    for (version, list) in expected {
        let image = image(version, &more);
        let digests = measure(&image, None).unwrap();
        let measured: Vec<_> = digests.sections.iter().map(|(name, _)| *name).collect();
        assert_eq!(measured.join(" "), list);
        let mut pcr = Pcr::ZERO;
        for name in list.split(' ') {
            let content = match name {
                ".linux" => kernel(),
                ".cmdline" => b"ro".to_vec(),
                name => name.as_bytes().to_vec(),
            };
            pcr.extend(&BankDigests::of(format!("{name}\0").as_bytes()));
            pcr.extend(&BankDigests::of(&content));
        }
        assert_eq!(pcrs(&image, &Firmware::default())[&KERNEL_IMAGE], pcr.value(), "{version}");
        let phases = PhasePath::parse("sysinit:ready").unwrap();
        let later = predict(&digests, &Firmware::default(), &phases).unwrap();
        assert_eq!(later[&KERNEL_IMAGE], phases.extend(pcr).value());
    }
}

#[test]
fn a_signature_changes_no_register() {
    let plain = image("262.1", &[]);
    let mut signed = plain.clone();
    signed.extend([0xaa; 64]);
    let at = pe::sample::PE + 24 + 112 + 32;
    pe::sample::put(&mut signed, at, &(plain.len() as u32).to_le_bytes());
    pe::sample::put(&mut signed, at + 4, &64_u32.to_le_bytes());
    assert_eq!(measure(&signed, None).unwrap(), measure(&plain, None).unwrap());
}

#[test]
fn memory_that_no_file_holds_is_measured_as_zeros() {
    let sections = [UkiSection { memory: 0x1_2345, ..section(".linux", &kernel()) }];
    let image = bytes(&pe::uki(&stub("252.39"), &sections).unwrap());
    let mut kernel = kernel();
    kernel.resize(0x1_2345, 0);
    let digests = measure(&image, None).unwrap();
    assert_eq!(digests.sections, [(".linux", BankDigests::of(&kernel))]);
    assert_eq!(digests.kernel, Some(authenticode(&kernel)));
}

#[test]
fn what_may_be_measured_otherwise_is_refused() {
    let refused = |image: Vec<u8>| measure(&image, None).unwrap_err();
    assert!(matches!(refused(image("263", &[])), PcrError::UnknownStub { version } if version == "263"));
    assert!(matches!(
        refused(image("262", &[section(".profile", b"ID=x")])),
        PcrError::ByMachine { name: ".profile", .. }
    ));
    // Older stubs take it for `.dtb`.
    assert!(matches!(
        refused(image("252.39", &[section(".dtbauto", b"x")])),
        PcrError::Ambiguous { name: ".dtb" }
    ));
    assert!(matches!(refused(stub("252.39")), PcrError::NoKernel));
    assert!(matches!(refused(b"MZ".to_vec()), PcrError::Image(_)));
    let other = [section(".linux", b"an ELF file")];
    let other = bytes(&pe::uki(&stub("252.39"), &other).unwrap());
    assert!(matches!(refused(other), PcrError::Kernel(_)));
    let old = [section(".linux", &pe::sample::stub(0x200))];
    let old = bytes(&pe::uki(&stub("252.39"), &old).unwrap());
    assert!(matches!(refused(old), PcrError::OldKernel { version: 0 }));
    let vast = [UkiSection { memory: 0xf000_0000, ..section(".linux", &kernel()) }];
    let vast = bytes(&pe::uki(&stub("262.1"), &vast).unwrap());
    assert!(matches!(refused(vast), PcrError::MemoryOnly { .. }));
    let unsigned = Firmware { authority: None, ..enrolled() };
    let digests = measure(&image("262.1", &[]), None).unwrap();
    assert!(matches!(predict(&digests, &unsigned, &PhasePath::default()), Err(PcrError::NoAuthority)));
}

#[test]
fn a_stub_without_a_version_counts_as_the_one_that_is_assumed() {
    let mut unnamed = image("262.1", &[]);
    pe::sample::put(&mut unnamed, pe::sample::TABLE + 40, b".nothing");
    assert!(matches!(measure(&unnamed, None), Err(PcrError::NoVersion)));
    let assumed = StubVersion::parse("252.23").unwrap();
    assert_eq!(measure(&unnamed, Some(&assumed)).unwrap().stub, assumed);
    let named = measure(&image("262.1", &[]), Some(&assumed)).unwrap();
    assert_eq!(named.stub.text(), "262.1", "a version that is named counts");
}

#[test]
fn the_policy_of_each_bank_is_another() {
    let value = BankDigests::of(b"x");
    assert_ne!(policy_digest(&value, Bank::Sha256), policy_digest(&value, Bank::Sha384));
}

/// The entry of an owner.
fn entry(value: &[u8]) -> Vec<u8> {
    [&[7; 16], value].concat()
}

/// A database of certificates by these names, and of digests.
fn database(names: &[&str], digests: &[[u8; 32]]) -> Vec<u8> {
    let owner = Guid::from_bytes_le([7; 16]);
    let mut lists: Vec<_> =
        names.iter().map(|name| SignatureList::certificate(owner, &certificate(name))).collect();
    if !digests.is_empty() {
        let entries = digests.iter().map(|digest| (owner, digest.to_vec())).collect();
        lists.insert(0, SignatureList { kind: SignatureKind::Sha256, entries });
    }
    write_signature_lists(&lists)
}

#[test]
fn the_first_entry_that_allows_the_image_is_measured() {
    let image = measure(&image("262.1", &[]), None).unwrap();
    let digest = image.image.sha256;
    let signed_by = |name: &str| vec![Certificate::parse(&certificate(name)).unwrap()];
    let found = |db: &[u8], chain: &[Certificate]| authority(db, chain, &image);
    let db = database(&["a", "b"], &[[1; 32]]);
    assert_eq!(found(&db, &signed_by("b")).unwrap(), entry(&certificate("b")));
    assert_eq!(found(&db, &signed_by("a")).unwrap(), entry(&certificate("a")));
    assert!(matches!(found(&db, &signed_by("c")), Err(PcrError::NoAuthority)));
    // What the only certificate of a database verifies is measured as that certificate, for every signature.
    assert_eq!(found(&database(&["a"], &[]), &[]).unwrap(), entry(&certificate("a")));
    assert!(matches!(found(&db, &[]), Err(PcrError::Undecided { certificates: 2 })));
    assert!(matches!(found(&[], &[]), Err(PcrError::NoAuthority)));
    let listed = database(&["a"], &[[1; 32], digest]);
    assert_eq!(found(&listed, &[]).unwrap(), entry(&digest));
    assert_eq!(found(&listed, &signed_by("a")).unwrap(), entry(&certificate("a")), "a signature goes first");
    assert_eq!(found(&listed, &signed_by("c")).unwrap(), entry(&digest));
    assert!(matches!(found(b"short", &[]), Err(PcrError::Database { variable: "db", .. })));
}

#[test]
fn of_two_issuers_of_one_name_none_is_chosen() {
    let image = measure(&image("262.1", &[]), None).unwrap();
    let mut other = certificate("a");
    let key = other.windows(8).position(|bytes| bytes == [0xa5; 8]).unwrap();
    other[key] ^= 1;
    let owner = Guid::from_bytes_le([7; 16]);
    let chain = vec![Certificate::parse(&certificate("a")).unwrap()];
    let lists =
        [SignatureList::certificate(owner, &other), SignatureList::certificate(owner, &certificate("a"))];
    let refused = authority(&write_signature_lists(&lists), &chain, &image);
    assert!(matches!(refused, Err(PcrError::Undecided { certificates: 2 })));
}

#[test]
fn no_damage_to_an_image_makes_the_prediction_panic() {
    let whole = image("257.13", &[section(".initrd", b"0707")]);
    for len in (0..whole.len()).step_by(13) {
        let _ = measure(&whole[..len].to_vec(), None);
    }
    for at in 0..0x300 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            let _ = measure(&damaged, None);
        }
    }
}
