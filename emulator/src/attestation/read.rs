//! A reader of the items of CBOR that documents have (RFC 8949).

/// The deepest nesting.
const MAX_DEPTH: u32 = 6;

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Unsigned(u64),
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(Item, Item)>),
    Null,
}

/// The only item of bytes; `None` if they are anything else.
pub(super) fn item(bytes: &[u8]) -> Option<Item> {
    let mut rest = bytes;
    let item = next(&mut rest, MAX_DEPTH)?;
    rest.is_empty().then_some(item)
}

fn next(rest: &mut &[u8], depth: u32) -> Option<Item> {
    let depth = depth.checked_sub(1)?;
    let first = take(rest, 1)?[0];
    let (major, additional) = (first >> 5, first & 0x1f);
    if first == 0xbf {
        let mut entries = Vec::new();
        while *rest.first()? != 0xff {
            entries.push((next(rest, depth)?, next(rest, depth)?));
        }
        take(rest, 1)?;
        return Some(Item::Map(entries));
    }
    let argument = match additional {
        0..=23 => additional.into(),
        24..=27 => {
            let bytes = take(rest, 1 << (additional - 24))?;
            bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
        }
        _ => return None,
    };
    let len = usize::try_from(argument).ok();
    Some(match major {
        0 => Item::Unsigned(argument),
        1 => Item::Negative(argument),
        2 => Item::Bytes(take(rest, len?)?.to_vec()),
        3 => Item::Text(std::str::from_utf8(take(rest, len?)?).ok()?.to_owned()),
        // Every element takes a byte, so a wrong number ends with the bytes.
        4 => Item::List((0..argument).map(|_| next(rest, depth)).collect::<Option<_>>()?),
        5 => Item::Map(
            (0..argument).map(|_| Some((next(rest, depth)?, next(rest, depth)?))).collect::<Option<_>>()?,
        ),
        7 if additional == 22 => Item::Null,
        _ => return None,
    })
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::super::cbor;
    use super::*;

    #[test]
    fn items_are_read_and_anything_else_is_not() {
        let written = cbor::list(&[
            cbor::unsigned(1000),
            cbor::negative(34),
            cbor::open_map(&[(cbor::text("a"), cbor::bytes(&[1; 300]))]),
            cbor::null(),
        ]);
        let map = Item::Map(vec![(Item::Text("a".to_owned()), Item::Bytes(vec![1; 300]))]);
        let expected = vec![Item::Unsigned(1000), Item::Negative(34), map, Item::Null];
        assert_eq!(item(&written), Some(Item::List(expected)));
        for len in 0..written.len() {
            assert_eq!(item(&written[..len]), None, "{len}");
        }
        assert_eq!(item(&[&written[..], &[0]].concat()), None);
        for wrong in [
            vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![0x81; 40],
            vec![0xc0, 0],
            vec![0xfb],
        ] {
            assert_eq!(item(&wrong), None);
        }
    }
}
