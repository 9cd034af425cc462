//! What came of the mutations: agreements by number, disagreements by the words of the side that refused.

use std::collections::BTreeMap;

/// A disagreement that is meant to be: part of what the one says that refuses, and why the other accepts.
pub(crate) struct Known {
    pub(crate) words: &'static str,
    pub(crate) reason: &'static str,
}

/// What is known to differ. Each row is documented in `docs/verifier.md`.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        words: "are not known",
        reason: "amiforge-verify does not call good what it does not know, such as flags of inodes that nothing here sets",
    },
    Known {
        words: "the MBR has more than the protective entry",
        reason: "the other entries of the MBR have to be zero (UEFI 2.10, 5.2.3); amiforge verify looks at those of a type",
    },
    Known {
        words: "CHS address of the protective entry",
        reason: "amiforge verify leaves CHS addresses aside, which nothing reads",
    },
    Known {
        words: "a reserved field of the header",
        reason: "amiforge verify leaves reserved fields of GPT aside",
    },
    Known {
        words: "the rest of the header's sector is not zero",
        reason: "amiforge verify leaves what is behind a header of GPT aside",
    },
    Known {
        words: "ManifestText",
        reason: "amiforge verify writes the manifest anew, its notes included, and compares the texts",
    },
];

/// Why a side refuses; empty where it accepts.
pub(crate) type Reasons = Vec<String>;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) refused: usize,
    pub(crate) accepted: usize,
    pub(crate) known: BTreeMap<&'static str, usize>,
    disagreements: BTreeMap<String, (usize, String)>,
}

impl Tally {
    /// Counts a mutation.
    pub(crate) fn add(&mut self, mutation: &str, amiforge: &Reasons, independent: &Reasons) {
        match (amiforge.is_empty(), independent.is_empty()) {
            (true, true) => self.accepted += 1,
            (false, false) => self.refused += 1,
            (own_accepts, _) => {
                let (side, reasons) = if own_accepts {
                    ("only amiforge-verify", independent)
                } else {
                    ("only amiforge", amiforge)
                };
                let known = |reason: &String| KNOWN.iter().find(|known| reason.contains(known.words));
                let all: Option<Vec<_>> = reasons.iter().map(known).collect();
                if let Some(known) = all.and_then(|all| all.into_iter().next()) {
                    *self.known.entry(known.reason).or_default() += 1;
                    return;
                }
                let words: String =
                    reasons[0].chars().map(|one| if one.is_ascii_digit() { '#' } else { one }).collect();
                let entry = self.disagreements.entry(format!("{side}: {words}"));
                entry.or_insert((0, format!("{mutation}: {}", reasons.join("; ")))).0 += 1;
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.refused += other.refused;
        self.accepted += other.accepted;
        for (reason, count) in other.known {
            *self.known.entry(reason).or_default() += count;
        }
        for (words, (count, first)) in other.disagreements {
            self.disagreements.entry(words).or_insert((0, first)).0 += count;
        }
    }

    /// Prints the counts, and fails where the two disagreed or fewer mutations were refused than there should be.
    pub(crate) fn finish(self, what: &str, least_refused: usize) {
        println!(
            "{what}: both refused {}, both accepted {}, known to differ {:?}",
            self.refused, self.accepted, self.known
        );
        for (words, (count, first)) in &self.disagreements {
            println!("{count:6} {words}\n       first {first}");
        }
        assert!(
            self.disagreements.is_empty(),
            "{what}: the two disagree in {} ways",
            self.disagreements.len()
        );
        assert!(self.refused >= least_refused, "{what}: only {} mutations were refused", self.refused);
    }
}

/// Numbers that are the same in every run (SplitMix64).
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}
