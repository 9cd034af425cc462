//! Names for FAT: which can be, and the 8.3 name that goes with a long one.
//!
//! A name of upper-case 8.3 needs no long one. One that is 8.3 but for its case keeps it as its short name, and its
//! case in a long one, as Linux does. Every other gets a short name with a numeric tail: dots and spaces dropped, what
//! 8.3 cannot represent replaced by `_`, tails counted up in the order of the names.

use std::collections::{BTreeMap, BTreeSet};

use super::super::spec::FORBIDDEN;

/// Punctuation that a short name may have.
const PUNCTUATION: &[u8] = b"$%'-_@~`!(){}^#&";

/// Why FAT cannot hold a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatNameError {
    /// The bytes are not UTF-8, and FAT stores UTF-16.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A character that no name has.
    #[error("no name has the character {0:?}")]
    Character(char),
    /// Windows drops a dot or a space at the end, so the name would become another.
    #[error("it ends in a dot or a space")]
    End,
}

/// A short name, and whether it needs a long one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) bytes: [u8; 11],
    pub(super) long: bool,
}

/// The UTF-16 units of a name. At most 255: a name of the tree has no more bytes.
pub(super) fn units(name: &[u8]) -> Result<Vec<u16>, FatNameError> {
    let text = std::str::from_utf8(name).map_err(|_| FatNameError::NotUtf8)?;
    let bad = |character: &char| {
        (*character as u32) < 0x20 || u8::try_from(*character).is_ok_and(|byte| FORBIDDEN.contains(&byte))
    };
    if let Some(character) = text.chars().find(bad) {
        return Err(FatNameError::Character(character));
    }
    if text.ends_with(['.', ' ']) {
        return Err(FatNameError::End);
    }
    Ok(text.encode_utf16().collect())
}

/// The short names of a directory, in the order of its names, which differ in more than case.
pub(super) fn shorten(names: &[&[u8]]) -> Vec<Short> {
    let plain: Vec<Option<Short>> = names.iter().map(|name| plain(name)).collect();
    let mut taken: BTreeSet<[u8; 11]> = plain.iter().flatten().map(|short| short.bytes).collect();
    let mut tails = BTreeMap::new();
    let shorten = |(name, plain): (&&[u8], Option<Short>)| {
        plain.unwrap_or_else(|| Short { bytes: tailed(name, &mut taken, &mut tails), long: true })
    };
    names.iter().zip(plain).map(shorten).collect()
}

/// The short name of a name that is 8.3 already, but perhaps for its case.
fn plain(name: &[u8]) -> Option<Short> {
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let (base, extension) = dot.map_or((name, &name[..0]), |dot| (&name[..dot], &name[dot + 1..]));
    let fits = !base.is_empty() && base.len() <= 8 && extension.len() <= 3;
    let sayable = |byte: &u8| byte.is_ascii_alphanumeric() || PUNCTUATION.contains(byte);
    if !fits || !base.iter().chain(extension).all(sayable) {
        return None;
    }
    let bytes = join(&base.to_ascii_uppercase(), &extension.to_ascii_uppercase());
    Some(Short { bytes, long: name.iter().any(u8::is_ascii_lowercase) })
}

/// A short name with a numeric tail that no other has.
fn tailed(name: &[u8], taken: &mut BTreeSet<[u8; 11]>, tails: &mut BTreeMap<[u8; 11], u32>) -> [u8; 11] {
    let (base, extension) = basis(name);
    // Counting goes on where it stopped for this beginning, or a directory of many like names takes quadratic time.
    let tail = tails.entry(join(&base[..base.len().min(6)], &extension)).or_insert(0);
    loop {
        *tail += 1;
        let digits = format!("~{tail}");
        let kept = base.len().min(8 - digits.len());
        let short = join(&[&base[..kept], digits.as_bytes()].concat(), &extension);
        if taken.insert(short) {
            return short;
        }
    }
}

/// What is left of a name in 8.3: at most 8 bytes before the dot, at least one, and at most 3 after it.
fn basis(name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let text = String::from_utf8_lossy(name);
    let text = text.trim_start_matches(['.', ' ']);
    let (base, extension) = text.rsplit_once('.').unwrap_or((text, ""));
    let short = |text: &str, most: usize| -> Vec<u8> {
        let kept = text.chars().filter(|character| !matches!(character, '.' | ' '));
        let byte = |character: char| match u8::try_from(character.to_ascii_uppercase()) {
            Ok(byte) if byte.is_ascii_alphanumeric() || PUNCTUATION.contains(&byte) => byte,
            _ => b'_',
        };
        kept.map(byte).take(most).collect()
    };
    (short(base, 8), short(extension, 3))
}

/// Base and extension padded with spaces.
fn join(base: &[u8], extension: &[u8]) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorts(names: &[&str]) -> Vec<String> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let text = |short: Short| {
            format!("{}{}", String::from_utf8_lossy(&short.bytes), if short.long { "+" } else { "" })
        };
        shorten(&names).into_iter().map(text).collect()
    }

    #[test]
    fn names_of_8_3_keep_their_letters() {
        let given = ["BOOTX64.EFI", "grub.cfg", "EFI", "Boot", "A.b"];
        assert_eq!(
            shorts(&given),
            ["BOOTX64 EFI", "GRUB    CFG+", "EFI        ", "BOOT       +", "A       B  +"]
        );
    }

    #[test]
    fn other_names_get_the_next_tail_that_is_free() {
        let given =
            ["loader.conf", "loader.config", "LOADER~2.CON", "a b.tar.gz", ".config", "äöü", "a+b", ". x"];
        let expected = [
            "LOADER~1CON+",
            "LOADER~3CON+",
            "LOADER~2CON",
            "ABTAR~1 GZ +",
            "CONFIG~1   +",
            "___~1      +",
            "A_B~1      +",
            "X~1        +",
        ];
        assert_eq!(shorts(&given), expected);
        let many: Vec<String> = (0..12).map(|n| format!("longname{n:02}.txt")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(shorts(&many)[8..10], ["LONGNA~9TXT+", "LONGN~10TXT+"]);
    }

    #[test]
    fn names_that_fat_cannot_hold_are_refused() {
        assert_eq!(units(b"\xff"), Err(FatNameError::NotUtf8));
        assert_eq!(units(b"a:b"), Err(FatNameError::Character(':')));
        assert_eq!(units(b"a\n"), Err(FatNameError::Character('\n')));
        assert_eq!(units(b"a."), Err(FatNameError::End));
        assert_eq!(units(b"a "), Err(FatNameError::End));
        assert_eq!(units("ä.b".as_bytes()), Ok(vec![0xe4, 0x2e, 0x62]));
    }
}
