//! Lengths from the least to a tebibyte.

use amiforge_formats::erofs::write::{ErofsWriteError, minimal_len, plan};

use super::fixture::{MIB, add, empty, judge, options, slice, sparse_image};

#[test]
fn sizes_from_the_least_to_a_tebibyte_have_a_plan() {
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"hello", slice(0, 6));
    add(&mut tree, root, b"longer", slice(0, 60_000));
    let least = minimal_len(&tree, &options(), 0).unwrap();
    assert!(least <= 2 * MIB, "{least}");
    for len in [least, least + 5000, 3 * MIB, 300 * MIB] {
        judge(&tree, len);
    }
    for len in [17 << 30, 1 << 40, (1 << 44) - (1 << 20)] {
        let plan = plan(&tree, &options(), len).unwrap();
        assert_eq!(plan.len(), len);
        if len == 17 << 30 {
            sparse_image(&plan);
        }
    }
}

#[test]
fn the_least_length_is_enough_and_missing_bytes_are_reported() {
    let mut tree = empty();
    let root = tree.root();
    for i in 0..300 {
        add(&mut tree, root, format!("file{i}").as_bytes(), slice(i, i * 1500));
    }
    let least = minimal_len(&tree, &options(), 0).unwrap();
    assert_eq!(minimal_len(&tree, &options(), 10 * MIB).unwrap(), least + 10 * MIB);
    judge(&tree, least);
    // Far less than the stable layout needs: everything is packed.
    let mut tight = least;
    while plan(&tree, &options(), tight).is_ok() {
        tight -= 4096;
    }
    judge(&tree, tight + 4096);
    let Err(ErofsWriteError::NoSpace { needed, available }) = plan(&tree, &options(), tight) else {
        panic!("it fits")
    };
    assert_eq!((needed, available), (tight + 4096, tight));
}
