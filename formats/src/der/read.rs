//! The reader of elements: one after another, each within what holds it.
//!
//! Only the encodings that DER allows are taken: definite lengths in the fewest bytes, tags of one byte. The reader never
//! descends by itself, so nothing nests deeper than its callers ask for.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::{DerError, tag};

/// An element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its tag.
    pub tag: u8,
    /// Its content.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
    /// Offset of its tag in the outermost bytes.
    pub at: usize,
}

impl<'a> Tlv<'a> {
    /// A reader of the elements in its content.
    pub fn reader(&self) -> DerReader<'a> {
        let header = self.whole.len().saturating_sub(self.content.len());
        DerReader { bytes: self.content, at: 0, base: self.at.saturating_add(header) }
    }

    /// The number of an `INTEGER` that is not negative, in the fewest bytes, without a zero before it.
    ///
    /// # Errors
    /// [`DerError::Value`].
    pub fn unsigned(&self, what: &'static str) -> Result<&'a [u8], DerError> {
        let rule = "a number that is not negative, in the fewest bytes";
        let wrong = || DerError::Value { what, at: self.at, rule };
        match self.content {
            [] => Err(wrong()),
            [0] => Ok(self.content),
            [0, next, ..] if next & 0x80 == 0 => Err(wrong()),
            [0, rest @ ..] => Ok(rest),
            [first, ..] if first & 0x80 != 0 => Err(wrong()),
            _ => Ok(self.content),
        }
    }

    /// The bytes of a `BIT STRING` of whole bytes.
    ///
    /// # Errors
    /// [`DerError::Value`].
    pub fn bits(&self, what: &'static str) -> Result<&'a [u8], DerError> {
        let rule = "a bit string of whole bytes";
        match self.content {
            [0, rest @ ..] => Ok(rest),
            _ => Err(DerError::Value { what, at: self.at, rule }),
        }
    }
}

/// Reads elements one after another.
#[derive(Debug, Clone)]
pub struct DerReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of `bytes` in the outermost bytes.
    base: usize,
}

impl<'a> DerReader<'a> {
    /// A reader of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// Whether no element is left.
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Where the next element begins, in the outermost bytes.
    pub fn position(&self) -> usize {
        self.base.saturating_add(self.at)
    }

    /// The tag of the next element.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// [`DerError`] where its encoding is not that of DER.
    pub fn element(&mut self, what: &'static str) -> Result<Tlv<'a>, DerError> {
        let at = self.position();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let [tag, first, after @ ..] = rest else { return Err(DerError::Missing { what, at }) };
        if tag & 0x1f == 0x1f {
            return Err(DerError::LongTag { at });
        }
        let (header, len) = length(*first, after).ok_or(DerError::Length { at: at.saturating_add(1) })?;
        let end = header.saturating_add(len);
        let outside = DerError::Outside {
            at,
            end: at.saturating_add(end),
            len: self.base.saturating_add(self.bytes.len()),
        };
        let whole = rest.get(..end).ok_or(outside)?;
        self.at = self.at.saturating_add(end);
        Ok(Tlv { tag: *tag, content: whole.get(header..).unwrap_or_default(), whole, at })
    }

    /// The next element, which has to have this tag.
    ///
    /// # Errors
    /// [`DerError::Tag`], [`DerError::Missing`], or as [`DerReader::element`].
    pub fn expect(&mut self, expected: u8, what: &'static str) -> Result<Tlv<'a>, DerError> {
        let element = self.clone().element(what)?;
        if element.tag != expected {
            return Err(DerError::Tag { what, at: element.at, found: element.tag, expected });
        }
        self.element(what)
    }

    /// The next element if it has this tag.
    ///
    /// # Errors
    /// As [`DerReader::element`].
    pub fn optional(&mut self, tag: u8, what: &'static str) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek() == Some(tag) { self.element(what).map(Some) } else { Ok(None) }
    }

    /// A reader of the content of the next element, which has to be a `SEQUENCE`.
    ///
    /// # Errors
    /// As [`DerReader::expect`].
    pub fn sequence(&mut self, what: &'static str) -> Result<DerReader<'a>, DerError> {
        Ok(self.expect(tag::SEQUENCE, what)?.reader())
    }

    /// The content of the next element, which has to be an object identifier.
    ///
    /// # Errors
    /// As [`DerReader::expect`].
    pub fn object_identifier(&mut self, what: &'static str) -> Result<&'a [u8], DerError> {
        let element = self.expect(tag::OBJECT_IDENTIFIER, what)?;
        match element.content.last() {
            Some(last) if last & 0x80 == 0 => Ok(element.content),
            _ => Err(DerError::Value { what, at: element.at, rule: "an object identifier" }),
        }
    }

    /// Ends what is read.
    ///
    /// # Errors
    /// [`DerError::Trailing`] when elements are left.
    pub fn end(self, what: &'static str) -> Result<(), DerError> {
        match self.bytes.len().saturating_sub(self.at) {
            0 => Ok(()),
            more => Err(DerError::Trailing { what, at: self.position(), more }),
        }
    }
}

/// Bytes of tag and length together, and the length of the content, from the first byte of the length and those after it.
fn length(first: u8, after: &[u8]) -> Option<(usize, usize)> {
    if first < 0x80 {
        return Some((2, first.into()));
    }
    let count = usize::from(first & 0x7f);
    // More than four bytes would be a length that no memory holds; none is the indefinite form.
    if !(1..=4).contains(&count) {
        return None;
    }
    let bytes = after.get(..count)?;
    let len = bytes.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
    let fewest = bytes.first().is_some_and(|byte| *byte != 0) && len >= 0x80;
    fewest.then_some((count.saturating_add(2), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Result<Tlv<'_>, DerError> {
        DerReader::new(bytes).element("x")
    }

    #[test]
    fn lengths_in_other_forms_are_refused() {
        assert_eq!(first(&[4, 1, 9]).unwrap().content, [9]);
        assert_eq!(first(&[4, 0x80, 0, 0]), Err(DerError::Length { at: 1 }));
        assert_eq!(first(&[4, 0x81, 0x7f]), Err(DerError::Length { at: 1 }));
        assert_eq!(first(&[4, 0x82, 0, 0x80]), Err(DerError::Length { at: 1 }));
        assert_eq!(first(&[4, 0x85, 1, 0, 0, 0, 0]), Err(DerError::Length { at: 1 }));
        assert_eq!(first(&[0x1f, 1, 0]), Err(DerError::LongTag { at: 0 }));
        assert_eq!(first(&[4, 3, 0, 0]), Err(DerError::Outside { at: 0, end: 5, len: 4 }));
        assert_eq!(first(&[4]), Err(DerError::Missing { what: "x", at: 0 }));
        let long = [&[4, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0; 9]].concat();
        assert!(matches!(first(&long), Err(DerError::Outside { .. })));
    }

    #[test]
    fn offsets_are_those_of_the_outermost_bytes() {
        let mut outer = DerReader::new(&[0x30, 5, 0x30, 3, 2, 1, 5]);
        let mut inner = outer.sequence("outer").unwrap().sequence("inner").unwrap();
        let wrong = inner.expect(tag::NULL, "nothing").unwrap_err();
        assert_eq!(wrong, DerError::Tag { what: "nothing", at: 4, found: 2, expected: 5 });
        assert_eq!(inner.clone().end("inner"), Err(DerError::Trailing { what: "inner", at: 4, more: 3 }));
        assert_eq!(inner.expect(tag::INTEGER, "five").unwrap().unsigned("five"), Ok(&[5][..]));
        inner.end("inner").unwrap();
    }

    #[test]
    fn numbers_are_in_the_fewest_bytes() {
        let number = |content: &[u8]| {
            let bytes = [&[2, content.len() as u8], content].concat();
            first(&bytes).unwrap().unsigned("n").map(<[u8]>::to_vec)
        };
        assert_eq!(number(&[0]), Ok(vec![0]));
        assert_eq!(number(&[0, 0x80]), Ok(vec![0x80]));
        for wrong in [&[][..], &[0x80], &[0, 0x7f], &[0, 0]] {
            assert!(number(wrong).is_err(), "{wrong:?}");
        }
    }
}
