//! Identifies keys in texts: PEM, and the text formats of `PuTTY`, JSON Web Keys, `GnuPG`, `WireGuard` and BIND.

use super::kind::KeyKind;

/// Least number of base64 digits after the header of a key; fewer are an example or an empty frame.
const BODY_MIN: usize = 32;

/// Least number of digits of a key in PEM without its end line: no example has so many.
const UNENDED_BODY_MIN: usize = 4096;

/// Most bytes before `PRIVATE KEY` that belong to its line: `-----BEGIN ` and the kind of key.
const LABEL_MAX: usize = 64;

/// The magic of an OpenSSH key in base64. The name of the cipher follows, `none` where there is no passphrase.
const OPENSSH_MAGIC: &[u8] = b"b3BlbnNzaC1rZXktdjEAAAAA";

/// Bytes that every key of a format has, and the check of the text around them.
#[derive(Debug, Clone, Copy)]
pub struct TextMarker {
    /// The bytes.
    pub bytes: &'static [u8],
    rule: fn(&[u8], usize) -> Option<KeyKind>,
}

impl TextMarker {
    /// The kind of the key around this marker at the offset `at` of `text`, if there is one.
    pub fn identify(&self, text: &[u8], at: usize) -> Option<KeyKind> {
        (self.rule)(text, at)
    }
}

/// The markers of all formats.
pub const TEXT_MARKERS: [TextMarker; 7] = [
    TextMarker { bytes: b"PRIVATE KEY", rule: pem },
    TextMarker { bytes: b"PuTTY-User-Key-File-", rule: putty },
    TextMarker { bytes: b"\"kty\"", rule: jwk },
    TextMarker { bytes: b"(private-key", rule: gnupg },
    TextMarker { bytes: b"(protected-private-key", rule: gnupg },
    TextMarker { bytes: b"PrivateKey", rule: wire_guard },
    TextMarker { bytes: b"hmac-", rule: tsig },
];

/// The kind of a key in a part of a text.
pub fn identify_text(bytes: &[u8]) -> Option<KeyKind> {
    let of = |marker: TextMarker| occurrences(bytes, marker.bytes).find_map(|at| marker.identify(bytes, at));
    TEXT_MARKERS.into_iter().find_map(of)
}

/// The offsets of a marker.
fn occurrences<'a>(bytes: &'a [u8], marker: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = find(bytes.get(from..)?, marker)?;
        from += at + 1;
        Some(from - 1)
    })
}

/// The first offset of a marker. Searches its first byte, which is fast.
fn find(bytes: &[u8], marker: &[u8]) -> Option<usize> {
    let first = *marker.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = rest.iter().position(|byte| *byte == first)?;
        if rest.get(at..)?.starts_with(marker) {
            return Some(from + at);
        }
        from += at + 1;
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

/// The lines of a text, without white space and quotes around them. A line may also end in an escaped `\n`, as in JSON.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = all.iter().enumerate().find_map(|(at, byte)| match byte {
            b'\n' | b'\r' => Some((at, 1)),
            b'\\' if matches!(all.get(at + 1), Some(b'n' | b'r')) => Some((at, 2)),
            _ => None,
        });
        let (line, after) = match end {
            Some((at, len)) => (&all[..at], all.get(at + len..)),
            None => (all, None),
        };
        rest = after;
        let is_content = |byte: &u8| !(byte.is_ascii_whitespace() || b"\"'\\#*|".contains(byte));
        let from = line.iter().position(is_content).unwrap_or(line.len());
        let to = line.iter().rposition(is_content).map_or(from, |last| last + 1);
        Some(&line[from..to])
    })
}

/// `-----BEGIN … PRIVATE KEY-----` with a body; SSH.com writes four dashes and a space.
fn pem(bytes: &[u8], at: usize) -> Option<KeyKind> {
    let before = bytes.get(at.saturating_sub(LABEL_MAX)..at)?;
    let begin = before.windows(6).rposition(|window| window == b"BEGIN ")?;
    let label = &before[begin + 6..];
    let dashes = before[..begin].ends_with(b"-----") || before[..begin].ends_with(b"---- ");
    let capitals = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    if !dashes || !label.iter().all(capitals) {
        return None;
    }
    let after = bytes.get(at + b"PRIVATE KEY".len()..)?;
    let after = after.strip_prefix(b" BLOCK").unwrap_or(after);
    let body = after.strip_prefix(b"-----").or_else(|| after.strip_prefix(b" ----"))?;
    let mut encrypted = label.starts_with(b"ENCRYPTED") || label.starts_with(b"SSH2 ENCRYPTED");
    let (mut digits, mut first, mut ended) = (0, None, false);
    for line in lines(body) {
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b"-----END ") || line.starts_with(b"---- END ") {
            ended = true;
            break;
        }
        if digits == 0 && line.contains(&b':') {
            encrypted |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            continue;
        }
        // An example abbreviates: a line of dots is not part of a key.
        if !line.iter().all(|byte| is_base64(*byte)) {
            break;
        }
        first = first.or(Some(line));
        digits += line.len();
    }
    // A long one may continue in the next part of the text.
    if digits < BODY_MIN || (!ended && digits < UNENDED_BODY_MIN) {
        return None;
    }
    Some(match label {
        [b'P', b'G', b'P', ..] => KeyKind::OpenPgp,
        [b'O', b'P', b'E', b'N', b'S', b'S', b'H', ..] => {
            let plain = first?.strip_prefix(OPENSSH_MAGIC).is_some_and(|rest| rest.starts_with(b"BG5vbmU"));
            if plain { KeyKind::OpenSsh } else { KeyKind::Encrypted }
        }
        _ if encrypted => KeyKind::Encrypted,
        _ => KeyKind::Plain,
    })
}

/// `PuTTY-User-Key-File-3: ssh-ed25519` with private lines after it.
fn putty(bytes: &[u8], at: usize) -> Option<KeyKind> {
    let mut lines = lines(bytes.get(at..)?).take(400);
    let count = lines.find_map(|line| line.strip_prefix(b"Private-Lines: "))?;
    let body = lines.find(|line| !line.is_empty())?;
    let valid =
        count.iter().all(u8::is_ascii_digit) && body.len() >= 16 && body.iter().all(|byte| is_base64(*byte));
    valid.then_some(KeyKind::Putty)
}

/// The files of `GnuPG` are S-expressions: `(private-key (rsa (n #00…#)`, in the extended format after `Key: `.
fn gnupg(bytes: &[u8], at: usize) -> Option<KeyKind> {
    let before = bytes.get(..at)?;
    let at_start = before.is_empty() || before.ends_with(b"Key: ");
    (at_start && bytes.get(at..)?.iter().take(4096).any(|byte| *byte == b'#')).then_some(KeyKind::OpenPgp)
}

/// The object around `"kty"` has the private part: `d`, or `k` where the key is symmetric.
fn jwk(bytes: &[u8], at: usize) -> Option<KeyKind> {
    let from = bytes.get(..at)?.iter().rposition(|byte| *byte == b'{')?;
    let rest = bytes.get(from..)?;
    let object = rest.get(..rest.iter().take(16 << 10).position(|byte| *byte == b'}')?)?;
    let private = if find(object, b"\"oct\"").is_some() { b"\"k\"" } else { b"\"d\"" };
    let value = object.get(find(object, private)? + private.len()..)?;
    let value: Vec<u8> = value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(64).collect();
    let digits = value.strip_prefix(b":\"")?;
    let digits = digits.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    (digits.count() >= BODY_MIN).then_some(KeyKind::Jwk)
}

/// `PrivateKey = …` in a section of wg(8) or of systemd.netdev(5): 32 bytes in base64.
fn wire_guard(bytes: &[u8], at: usize) -> Option<KeyKind> {
    let starts_line = at == 0 || bytes.get(at - 1) == Some(&b'\n');
    let sections: [&[u8]; 2] = [b"[Interface]", b"[WireGuard]"];
    let section = sections.iter().any(|section| find(&bytes[at.saturating_sub(4096)..at], section).is_some());
    let line = lines(bytes.get(at + b"PrivateKey".len()..)?).next()?;
    let value: Vec<u8> = line.iter().copied().filter(|byte| *byte != b' ').collect();
    let value = value.strip_prefix(b"=")?;
    let key = value.len() == 44 && value.ends_with(b"=") && value.iter().all(|byte| is_base64(*byte));
    (starts_line && section && key).then_some(KeyKind::WireGuard)
}

/// `key "name" { algorithm hmac-sha256; secret "…"; };`
fn tsig(bytes: &[u8], at: usize) -> Option<KeyKind> {
    let before = bytes.get(at.saturating_sub(512)..at)?;
    let opened = before.iter().rposition(|byte| *byte == b'{')?;
    let named =
        find(before.get(..opened)?, b"key ").is_some() && find(&before[opened..], b"algorithm").is_some();
    let block = bytes.get(at..(at + 512).min(bytes.len()))?;
    let block = block.get(..block.iter().position(|byte| *byte == b'}')?)?;
    let value = block.get(find(block, b"secret \"")? + b"secret \"".len()..)?;
    let digits = value.iter().take_while(|byte| is_base64(**byte)).count();
    (named && digits >= 16 && value.get(digits) == Some(&b'"')).then_some(KeyKind::Tsig)
}
