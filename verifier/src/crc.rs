//! CRC-32 of IEEE 802.3 (GPT) and CRC-32C of Castagnoli (ext4, EROFS), eight bytes at a time.

use crate::bytes::{byte, le32};

type Tables = [[u32; 256]; 8];

const fn tables(polynomial: u32) -> Tables {
    let mut all = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        all[0][index] = value;
        index += 1;
    }
    index = 0;
    while index < 256 {
        let mut table = 1;
        while table < 8 {
            let last = all[table - 1][index];
            all[table][index] = last >> 8 ^ all[0][(last & 0xff) as usize];
            table += 1;
        }
        index += 1;
    }
    all
}

static IEEE: Tables = tables(0xedb8_8320);
static CASTAGNOLI: Tables = tables(0x82f6_3b78);

fn entry(tables: &Tables, table: usize, value: u32) -> u32 {
    tables.get(table).and_then(|table| table.get((value & 0xff) as usize)).copied().unwrap_or(0)
}

fn run(tables: &Tables, mut state: u32, bytes: &[u8]) -> u32 {
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let (low, high) = (state ^ le32(chunk, 0), le32(chunk, 4));
        state = entry(tables, 7, low)
            ^ entry(tables, 6, low >> 8)
            ^ entry(tables, 5, low >> 16)
            ^ entry(tables, 4, low >> 24)
            ^ entry(tables, 3, high)
            ^ entry(tables, 2, high >> 8)
            ^ entry(tables, 1, high >> 16)
            ^ entry(tables, 0, high >> 24);
    }
    let rest = chunks.remainder();
    (0..rest.len()).fold(state, |state, at| state >> 8 ^ entry(tables, 0, state ^ u32::from(byte(rest, at))))
}

/// CRC-32 as GPT has it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !run(&IEEE, !0, bytes)
}

/// The register of CRC-32C after further bytes: without inversion at either end, as ext4 and EROFS use it.
pub(crate) fn crc32c(state: u32, bytes: &[u8]) -> u32 {
    run(&CASTAGNOLI, state, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(!0, b"1234"), b"56789"), crc32c(!0, b"123456789"));
    }
}
