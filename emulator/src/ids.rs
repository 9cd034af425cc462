//! Random identifiers from the system: resource ids, request ids, keys.

use std::fmt::Write as _;

/// Creates a resource id: a prefix such as `snap` and seventeen hexadecimal digits, the form of a real
/// region.
pub(crate) fn fresh(prefix: &str) -> String {
    let bytes: [u8; 16] = random();
    let mut id = format!("{prefix}-0");
    for byte in &bytes[..8] {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Creates a UUID (version 4).
pub(crate) fn uuid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // Linux has had this call since 3.17, and there is no secure fallback.
            Err(error) => panic!("the system returns no random bytes: {error}"),
        }
    }
    bytes
}
