//! Held to the files that kmod's depmod wrote into a real root.

use super::super::testing::{self, root_of};
use super::*;

#[test]
fn every_file_is_what_depmod_wrote() {
    let Some(tar) = testing::input("min.tar") else { return };
    let (tree, blobs) = root_of(&tar);
    let modules = path::find(&tree, b"/lib/modules").unwrap().unwrap();
    let mut kernels = 0;
    for &kernel in tree.entries(modules).unwrap().values() {
        let made = depmod(&tree, &blobs, kernel).unwrap();
        assert!(made.damaged.is_empty() && made.modules > 500, "{:?} {}", made.damaged, made.modules);
        for (name, bytes) in made.files {
            let id = tree.child(kernel, name.as_bytes()).unwrap_or_else(|| panic!("no {name}"));
            let NodeKind::File(content) = &tree.node(id).kind else { panic!("{name}") };
            let theirs = path::bytes_of(content, &blobs).unwrap();
            if theirs != bytes {
                let lines = |bytes: &[u8]| -> Vec<String> {
                    bytes.split(|&b| b == b'\n').map(|l| String::from_utf8_lossy(l).into_owned()).collect()
                };
                let (ours, theirs) = (lines(&bytes), lines(&theirs));
                let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
                let at = at.unwrap_or(ours.len().min(theirs.len()) - 1);
                panic!("{name} differs in line {at}:\n{}\n{}", ours[at], theirs[at]);
            }
        }
        kernels += 1;
    }
    assert_eq!(kernels, 1);
}
