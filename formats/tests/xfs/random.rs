//! Random damage with right checksums. What the checker finds clean the reader reads, and neither panics.

use super::fixture::Image;

/// Pseudo-random numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// A byte that ends and signs are made of, or any.
    fn byte(&mut self) -> u8 {
        match self.below(6) {
            0 => 0,
            1 => 0xff,
            2 => 0x80,
            3 => 1,
            _ => self.below(256) as u8,
        }
    }
}

/// Damages one to three structures in each round.
fn damage(name: &str, rounds: u32, seed: u64) {
    let mut image = Image::new(name);
    let mut draw = Draw(seed);
    let mut refused = 0;
    for round in 0..rounds {
        let mut undo = Vec::new();
        for _ in 0..=draw.below(3) {
            let one = image.structures[draw.below(image.structures.len())];
            // Most fields are in the first bytes.
            let within = if draw.below(3) > 0 { one.len.min(256) } else { one.len };
            let at = one.at + draw.below(within);
            undo.push((one.at, image.bytes[one.at..one.at + one.len].to_vec()));
            for byte in at..(at + 1 + draw.below(4)).min(one.at + one.len) {
                image.bytes[byte] = draw.byte();
            }
            image.repair(at);
        }
        let (refusal, findings) = image.outcome();
        refused += u32::from(refusal.is_some());
        assert!(refusal.is_none() || !findings.is_empty(), "{name} {round}: {refusal:?} and no finding");
        if round % 10 == 0 {
            image.explain();
        }
        for (at, bytes) in undo.into_iter().rev() {
            image.put(at, &bytes);
        }
    }
    assert!(refused > rounds / 10, "{refused} of {rounds}");
}

#[test]
fn random_damage_never_panics_and_is_found_before_it_is_read() {
    damage("plain", 150, 1);
    damage("small-blocks", 100, 2);
    damage("large-sectors", 50, 3);
}

#[test]
#[ignore = "thorough"]
fn much_random_damage_never_panics_and_is_found_before_it_is_read() {
    for name in super::fixture::NAMES {
        damage(name, 4000, 4);
    }
}
