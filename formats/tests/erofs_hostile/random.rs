//! Random damage. What the checker finds clean the reader reads, and neither panics.

use super::fixture::Image;

/// Pseudo-random numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// The bytes that a corruption may put somewhere: those that ends and signs are made of, and any.
fn byte(draw: &mut Draw) -> u8 {
    match draw.below(6) {
        0 => 0,
        1 => 0xff,
        2 => 0x80,
        3 => 1,
        _ => draw.below(256) as u8,
    }
}

#[test]
fn random_damage_never_panics_and_is_found_before_it_is_read() {
    let image = Image::new();
    let mut draw = Draw(1);
    // Metadata is in the first blocks; further behind is only content.
    let metadata = image.bytes.len().min(15 * 4096);
    let mut refused = 0;
    for round in 0..6000 {
        let mut damaged = image.clone();
        for _ in 0..=draw.below(4) {
            let at = if round % 3 == 0 { 1024 + draw.below(128) } else { 4096 + draw.below(metadata - 4096) };
            for byte_at in at..(at + 1 + draw.below(4)).min(damaged.bytes.len()) {
                damaged.bytes[byte_at] = byte(&mut draw);
            }
        }
        damaged.repair();
        let (refusal, findings) = damaged.outcome();
        refused += u32::from(refusal.is_some());
        assert!(refusal.is_none() || !findings.is_empty(), "{refusal:?} and no finding in round {round}");
    }
    assert!(refused > 500, "{refused}");
}
