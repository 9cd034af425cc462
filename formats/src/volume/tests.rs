use super::*;

/// Probes zeros with a signature in them.
fn probed(len: usize, at: usize, magic: &[u8]) -> VolumeContent {
    let mut volume = vec![0; len];
    volume[at..at + magic.len()].copy_from_slice(magic);
    probe(&volume).unwrap()
}

#[test]
fn signatures_name_formats_and_short_volumes_are_safe() {
    assert_eq!(probed(4096, 4086, b"SWAPSPACE2"), VolumeContent::Known(FsKind::Swap));
    assert_eq!(probed(2048, 1080, &[0x53, 0xef]), VolumeContent::Known(FsKind::Ext4));
    assert_eq!(probed(1 << 17, 0x10040, b"_BHRfS_M"), VolumeContent::Foreign("btrfs"));
    assert_eq!(probed(512, 0, b"hsqs"), VolumeContent::Foreign("squashfs"));
    assert_eq!(probed(512, 0, b"XFSB"), VolumeContent::Known(FsKind::Xfs));
    assert_eq!(probed(2048, 1024, b"LABELONE"), VolumeContent::Foreign("lvm"));
    assert_eq!(probed(8192, 4096, &[0xfc, 0x4e, 0x2b, 0xa9]), VolumeContent::Foreign("mdraid"));
    assert_eq!(probed(32768, 16_408, b"version\0"), VolumeContent::Unknown);
    assert_eq!(probed(32768, 16_404, b"\0\0\0\x07version\0"), VolumeContent::Foreign("zfs-member"));
    assert_eq!(probed(512, 100, b"x"), VolumeContent::Unknown);
    assert_eq!(probe(&Vec::new()).unwrap(), VolumeContent::Zeros);
    assert_eq!(probe(&vec![0; 100]).unwrap(), VolumeContent::Zeros);
}

#[test]
fn every_format_has_a_name_of_its_own_that_leads_back_to_it() {
    for kind in FsKind::ALL {
        assert_eq!(FsKind::by_written_name(kind.format().written_name()), Some(kind));
        assert!(FOREIGN.iter().all(|(_, _, name)| *name != kind.format().name()));
    }
}

/// Counts the bytes that are read.
struct Counted<'a>(&'a Vec<u8>, std::sync::atomic::AtomicU64);

impl ReadAt for Counted<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, std::sync::atomic::Ordering::Relaxed);
        self.0.read_exact_at(offset, buf)
    }
}

#[test]
fn a_file_is_read_by_its_path_without_the_rest_of_the_tree() {
    let mut tree = Tree::new(crate::tree::Meta::root_owned(0o755, Time::EPOCH));
    let long: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    for number in 0..400 {
        crate::path::write(
            &mut tree,
            format!("/usr/share/{number}").as_bytes(),
            &long[..9000],
            0o644,
            Time::EPOCH,
        )
        .unwrap();
    }
    crate::path::write(&mut tree, b"/usr/lib/x/long", &long, 0o600, Time::EPOCH).unwrap();
    crate::path::write(&mut tree, b"/usr/lib/x/short", b"short", 0o644, Time::EPOCH).unwrap();
    crate::path::write(&mut tree, b"/usr/lib/x/empty", b"", 0o644, Time::EPOCH).unwrap();
    let ids = VolumeIds::derive("image", "root");
    for options in [
        VolumeOptions::Ext4 { label: String::new(), uuid: None, journal: JournalSize::Auto, reserved: 0 },
        VolumeOptions::Erofs { label: String::new(), uuid: None },
    ] {
        let groups = ChangeGroups::default();
        let mut draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
        let len = draft.minimal_len(0).unwrap();
        let plan = draft.plan(0, len).unwrap();
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        plan.read_exact_at(&crate::plan::NoSources, 0, &mut bytes).unwrap();
        let volume = Counted(&bytes, 0.into());
        let format = options.kind().format();
        let file = |path: &[u8]| format.file(&volume, path, 1 << 20).unwrap();
        assert_eq!(file(b"usr/lib/x/short"), Some(b"short".to_vec()));
        assert_eq!(file(b"/usr/lib/x/empty"), Some(Vec::new()));
        assert_eq!(file(b"usr/lib/x/long").as_ref(), Some(&long));
        for absent in [&b"usr/lib/x"[..], b"usr/lib/y/short", b"usr/lib/x/short/z", b"usr/lib/x/none", b""] {
            assert_eq!(file(absent), None);
        }
        assert!(volume.1.into_inner() < len / 2, "{options:?}");
        assert!(format.file(&bytes, b"usr/lib/x/long", 1000).is_err());
    }
    assert_eq!(FsKind::Swap.format().file(&vec![0; 4096], b"x", 1).unwrap(), None);
}

#[test]
fn a_volume_is_what_its_options_say_and_reads_back_with_its_id() {
    let tree = Tree::new(crate::tree::Meta::root_owned(0o755, Time::EPOCH));
    let ids = VolumeIds::derive("image", "data");
    for options in [
        VolumeOptions::Fat32 { label: "A".to_owned(), volume_id: None },
        VolumeOptions::Ext4 { label: "A".to_owned(), uuid: None, journal: JournalSize::Auto, reserved: 0 },
        VolumeOptions::Swap { label: "A".to_owned(), uuid: None },
        VolumeOptions::Erofs { label: "A".to_owned(), uuid: None },
    ] {
        let groups = ChangeGroups::default();
        let mut draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
        let len = draft.minimal_len(0).unwrap().max(1 << 20);
        let plan = draft.plan(1 << 20, len).unwrap();
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        plan.read_exact_at(&crate::plan::NoSources, 0, &mut bytes).unwrap();
        assert_eq!(probe(&bytes).unwrap(), VolumeContent::Known(options.kind()));
        let format = options.kind().format();
        let read = format.read(&bytes, crate::plan::SourceId(0)).unwrap();
        assert_eq!(read.variant, format.written_name());
        assert_eq!((read.id, read.label.as_slice()), (Some(options.id(&ids)), b"A".as_slice()));
        assert_eq!(read.tree.is_some(), format.files().is_some());
        assert_eq!(format.check(&bytes).unwrap(), [""; 0]);
    }
}
