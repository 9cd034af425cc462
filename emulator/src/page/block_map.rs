//! The block map of a snapshot, drawn as a grid: which blocks were written into it, which of them are zeros,
//! which are its parent's, and which were never written.

use std::sync::OnceLock;

use super::html::{Attribute, Html};
use super::text;
use crate::digest::Sha256Digest;
use crate::state::block_map::{BlockMap, BlockOrigin};
use crate::state::blocks::BLOCK_SIZE;

/// The number of squares in a row.
const COLUMNS: usize = 128;
/// The largest number of rows; a square of a larger volume stands for several blocks.
const ROWS: usize = 48;

/// What a square stands for. Of several blocks the first in this order decides, so that nothing that was
/// written is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Square {
    Written,
    Zeros,
    Inherited,
    Never,
}

/// The squares of a volume, and how many blocks are of each kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grid {
    squares: Vec<Square>,
    blocks_per_square: u64,
    /// The number of blocks: written, written as zeros, inherited, never written.
    pub(super) counts: [u64; 4],
}

impl Square {
    const ALL: [Self; 4] = [Self::Written, Self::Zeros, Self::Inherited, Self::Never];

    fn class(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Zeros => "zeros",
            Self::Inherited => "inherited",
            Self::Never => "never",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Zeros => "written as zeros",
            Self::Inherited => "of the parent",
            Self::Never => "never written",
        }
    }
}

impl Grid {
    /// The grid of a volume of this many blocks.
    pub(super) fn new(map: &BlockMap, blocks: u64) -> Self {
        let most = (COLUMNS * ROWS) as u64;
        let blocks_per_square = blocks.div_ceil(most).next_power_of_two().max(1);
        let squares = usize::try_from(blocks.div_ceil(blocks_per_square)).unwrap_or(COLUMNS * ROWS);
        let mut grid = Self { squares: vec![Square::Never; squares], blocks_per_square, counts: [0; 4] };
        for (index, entry) in map.entries_from(0) {
            let kind = match entry.origin {
                BlockOrigin::Inherited => Square::Inherited,
                BlockOrigin::Written if entry.digest == zeros() => Square::Zeros,
                BlockOrigin::Written => Square::Written,
            };
            grid.counts[kind as usize] += 1;
            let at = usize::try_from(u64::from(index) / blocks_per_square).unwrap_or(usize::MAX);
            if let Some(square) = grid.squares.get_mut(at) {
                *square = (*square).min(kind);
            }
        }
        let held: u64 = grid.counts.iter().sum();
        grid.counts[Square::Never as usize] = blocks.saturating_sub(held);
        grid
    }

    /// The runs of equal squares within a row: row, first column, length, kind.
    fn runs(&self) -> Vec<(usize, usize, usize, Square)> {
        let mut runs: Vec<(usize, usize, usize, Square)> = Vec::new();
        for (at, &kind) in self.squares.iter().enumerate() {
            let (row, column) = (at / COLUMNS, at % COLUMNS);
            match runs.last_mut() {
                Some((of, _, length, same)) if *of == row && *same == kind => *length += 1,
                _ => runs.push((row, column, 1, kind)),
            }
        }
        runs
    }

    /// Writes the grid and its legend.
    pub(super) fn write(&self, html: &mut Html) {
        let rows = self.squares.len().div_ceil(COLUMNS).max(1);
        let size = format!("0 0 {COLUMNS} {rows}");
        let summary = self.summary();
        html.element("figure", &[Attribute::Class("map")], |html| {
            let svg = [
                Attribute::Value("viewBox", &size),
                Attribute::Fixed("role", "img"),
                Attribute::Value("aria-label", &summary),
            ];
            html.element("svg", &svg, |html| {
                for run in self.runs() {
                    self.write_run(html, run);
                }
            });
            html.element("figcaption", &[], |html| self.legend(html));
        });
    }

    fn write_run(&self, html: &mut Html, (row, column, length, kind): (usize, usize, usize, Square)) {
        let first = (row * COLUMNS + column) as u64 * self.blocks_per_square;
        let last = first + length as u64 * self.blocks_per_square - 1;
        let rect = [
            Attribute::Class(kind.class()),
            Attribute::Number("x", column as u64),
            Attribute::Number("y", row as u64),
            Attribute::Number("width", length as u64),
            Attribute::Fixed("height", "0.9"),
        ];
        html.element("rect", &rect, |html| {
            html.text_in("title", "", &format!("blocks {first} to {last}: {}", kind.label()));
        });
    }

    fn legend(&self, html: &mut Html) {
        for kind in Square::ALL.into_iter().filter(|kind| self.counts[*kind as usize] > 0) {
            let number = self.counts[kind as usize];
            html.element("span", &[Attribute::Class("key")], |html| {
                let class = [
                    Attribute::Class(kind.class()),
                    Attribute::Fixed("width", "1"),
                    Attribute::Fixed("height", "1"),
                ];
                html.element(
                    "svg",
                    &[Attribute::Fixed("viewBox", "0 0 1 1"), Attribute::Fixed("aria-hidden", "true")],
                    |html| {
                        html.element("rect", &class, |_| {});
                    },
                );
                html.text(&format!("{number} {} ({})", kind.label(), text::blocks(number)));
            });
        }
        let each = text::size(self.blocks_per_square * BLOCK_SIZE as u64);
        html.text_in("span", "key", &format!("a square is {each}"));
    }

    fn summary(&self) -> String {
        let part = |kind: Square| format!("{} {}", self.counts[kind as usize], kind.label());
        format!("Map of the blocks: {}", Square::ALL.map(part).join(", "))
    }
}

/// The digest of a block of zeros.
fn zeros() -> Sha256Digest {
    static DIGEST: OnceLock<Sha256Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| Sha256Digest::of(&vec![0; BLOCK_SIZE]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(parent: &[u32], written: &[u32], zero: &[u32]) -> BlockMap {
        let folder = tempfile::tempdir().unwrap();
        let mut of_parent = BlockMap::create(folder.path().join("p"), None).unwrap();
        for index in parent {
            of_parent.record(*index, Sha256Digest::of(b"p")).unwrap();
        }
        let mut map = BlockMap::create(folder.path().join("c"), Some(&of_parent)).unwrap();
        for (all, digest) in [(written, Sha256Digest::of(b"w")), (zero, zeros())] {
            for index in all {
                map.record(*index, digest).unwrap();
            }
        }
        map
    }

    #[test]
    fn blocks_are_counted_by_their_origin() {
        let grid = Grid::new(&map(&[0, 1, 2], &[1, 127, 128], &[5]), 2048);
        assert_eq!(grid.counts, [3, 1, 2, 2042]);
        assert_eq!((grid.squares.len(), grid.blocks_per_square), (2048, 1));
        let runs: Vec<_> = grid.runs().into_iter().take(6).collect();
        assert_eq!(
            runs,
            [
                (0, 0, 1, Square::Inherited),
                (0, 1, 1, Square::Written),
                (0, 2, 1, Square::Inherited),
                (0, 3, 2, Square::Never),
                (0, 5, 1, Square::Zeros),
                (0, 6, 121, Square::Never),
            ]
        );
    }

    #[test]
    fn a_square_of_many_blocks_shows_that_one_was_written() {
        // 64 TiB, the largest volume.
        let grid = Grid::new(&map(&[], &[134_217_727], &[0]), 134_217_728);
        assert!(grid.squares.len() <= COLUMNS * ROWS, "{}", grid.squares.len());
        assert_eq!(grid.squares.last(), Some(&Square::Written));
        assert_eq!(grid.squares[0], Square::Zeros);
    }
}
