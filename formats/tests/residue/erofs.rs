//! EROFS.

use amiforge_formats::erofs::read::open;
use amiforge_formats::erofs::write::{ErofsOptions, minimal_len, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{NoSources, PlanReader};
use amiforge_formats::volume::FsKind;

use super::fixture::{Found, TIME, bytes, full_tree, short, survey};

#[test]
fn planted_bytes_are_found_where_they_are() {
    let options = ErofsOptions { uuid: Guid::from_u128(7), label: "root".to_owned(), time: TIME };
    let tree = full_tree();
    let len = minimal_len(&tree, &options, 0).unwrap() + (1 << 20);
    let plan = plan(&tree, &options, len).unwrap();
    let reader = PlanReader { plan: &plan, sources: &NoSources };
    assert_eq!(short(FsKind::Erofs.format().residue(&reader).unwrap()), []);
    let mut image = bytes(&plan);
    let (slack, names, end) = {
        let system = open(&image).unwrap();
        let files = system.numbered_tree(amiforge_formats::plan::SourceId(0)).unwrap();
        let nid = |path: &str| files.nids[files.tree.lookup(path.as_bytes()).unwrap().index()];
        let many = system.mapping(&system.inode(nid("many")).unwrap()).unwrap();
        let whole = files.tree.walk().find_map(|entry| {
            let inode = system.inode(files.nids[entry.id.index()]).unwrap();
            let run = *system.mapping(&inode).unwrap().runs.last()?;
            let outside = run.physical + run.len > inode.offset + 4096 || run.physical > inode.offset + 4096;
            let path = String::from_utf8(entry.path).unwrap();
            (outside
                && inode.kind == amiforge_formats::erofs::read::ErofsFileKind::File
                && !(run.physical + run.len).is_multiple_of(4096))
            .then(|| (run.physical + run.len, format!("/{path}")))
        });
        (whole, many.runs[0].physical + 4095, system.superblock().end)
    };
    let mut expected: Found = vec![("boot-area", 100, String::new())];
    if let Some((at, path)) = slack {
        expected.push(("file-slack", at, path));
    }
    if image[names as usize] == 0 {
        expected.push(("directory-gap", names, "/many".to_owned()));
    }
    if (end as usize) < image.len() {
        expected.push(("volume-tail", end + 5, String::new()));
    }
    for (_, at, _) in &expected {
        assert_eq!(image[*at as usize], 0, "{at}");
        image[*at as usize] = b'S';
    }
    expected.sort_by_key(|(_, at, _)| *at);
    assert_eq!(survey(FsKind::Erofs, &image), expected);
    assert!(expected.len() >= 3, "{expected:?}");
}
