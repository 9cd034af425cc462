//! How an image is cut into parts, and the checksum of an object.

use amiforge_formats::digest::Digest;

use super::parts::PartPlan;
use super::store::composite;

#[test]
fn parts_cover_the_image_and_are_at_most_ten_thousand() {
    for (size, parts, first, last) in [
        (1, 1, 0..1, 0..1),
        (8 << 20, 1, 0..16, 0..16),
        ((8 << 20) + 1, 2, 0..16, 16..17),
        (1 << 30, 128, 0..16, 2032..2048),
        // 16 TiB: parts of more than a GiB.
        (16 << 40, 9999, 0..3356, 33_553_288..33_554_432),
    ] {
        let plan = PartPlan::new(size);
        assert_eq!(plan.numbers(), 1..=parts, "{size}");
        assert_eq!(plan.blocks_of(1), first, "{size}");
        assert_eq!(plan.blocks_of(parts), last, "{size}");
        assert!(plan.in_flight() >= 1 && plan.in_flight() <= 16);
        assert_eq!(plan.len(), plan.blocks() << 19);
    }
}

/// Computed with `openssl dgst -sha256 -binary | base64` over the two binary digests of `a` and `b`.
#[test]
fn the_checksum_of_an_object_is_that_of_the_digests_of_its_parts() {
    let digests = [Digest::of(b"a"), Digest::of(b"b")];
    assert_eq!(composite(digests.into_iter()), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
}
