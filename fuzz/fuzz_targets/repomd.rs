//! Fuzzes the readers of rpm repositories' metadata with arbitrary bytes: they may refuse them, they may not panic, hang or
//! take unbounded memory. The first byte chooses the reader.
#![no_main]

use std::collections::BTreeSet;

use amiforge_packages::rpm::repository::{comps, filelists, mirrors, modules, primary, repomd, updateinfo};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 8 {
        0 => drop(repomd::Repomd::parse(bytes)),
        1 => drop(primary::read("primary.xml", &mut &*bytes, 0)),
        2 => drop(filelists::read("filelists.xml", &mut &*bytes, &BTreeSet::from(["/usr/bin/sh".to_owned()]))),
        3 => drop(comps::read("comps.xml", &mut &*bytes)),
        4 => drop(updateinfo::read("updateinfo.xml", &mut &*bytes)),
        5 => drop(modules::read("modules.yaml", &mut &*bytes)),
        6 => drop(mirrors::metalink(bytes)),
        _ => drop(mirrors::list(&String::from_utf8_lossy(bytes))),
    }
});
