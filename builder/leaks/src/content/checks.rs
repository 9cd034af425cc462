//! The checks of tokens whose form is more than a run of letters after a literal.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::alphabet::{Alphabet, starts_word};
use super::placeholder::{is_placeholder, is_random};

/// Bytes between a name and its value that are looked at: quotes, white space, separators, an option's name.
const GAP_MAX: usize = 8;

/// Longest value that is read.
const VALUE_MAX: usize = 4096;

/// The checks of tokens whose form is more than a run of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    AwsKeyId,
    AwsSecret,
    AwsSession,
    SlackWebhook,
    DiscordWebhook,
    TeamsWebhook,
    AzureAccountKey,
    AzureSharedKey,
    AzureSas,
    OpenAiMark,
    TerraformCloud,
    TerraformVariable,
    OpenVpnKey,
    Jwt,
    AssignedValue,
    EnvironmentValue,
}

/// The range of the secret whose literal of `len` bytes is at the offset `at`.
#[expect(clippy::too_many_lines, reason = "a row for each check")]
pub(super) fn check(code: Code, bytes: &[u8], at: usize, len: usize) -> Option<Range<usize>> {
    let after = at + len;
    match code {
        Code::AwsKeyId => {
            let count = Alphabet::Alphanumeric.run(bytes.get(after..)?.get(..17).unwrap_or(&bytes[after..]));
            let token = bytes.get(at..after + count)?;
            let valid = count == 16 && token[len..].iter().all(|byte| Alphabet::Base32.has(*byte));
            (valid && starts_word(bytes, at) && is_random(token)).then_some(at..after + count)
        }
        Code::AwsSecret => assigned(bytes, after, Alphabet::Base64, 40..=40),
        Code::AwsSession => assigned(bytes, after, Alphabet::Base64, 100..=VALUE_MAX),
        Code::SlackWebhook => {
            let rest = bytes.get(after..)?;
            let path = ["services/", "workflows/", "triggers/"]
                .iter()
                .find(|path| rest.starts_with(path.as_bytes()))?;
            address_part(bytes, after + path.len(), 40)
        }
        Code::DiscordWebhook | Code::TeamsWebhook => address_part(bytes, after, 60),
        Code::AzureAccountKey => base64_value(bytes, after, &[88]),
        Code::AzureSharedKey => base64_value(bytes, after, &[44, 88]),
        Code::AzureSas => {
            let rest = bytes.get(after..)?;
            let line = rest.get(
                ..rest.iter().take(1024).position(u8::is_ascii_whitespace).unwrap_or(rest.len().min(1024)),
            )?;
            let sig = after + memchr::memmem::find(line, b"sig=")? + 4;
            let count = bytes
                .get(sig..)?
                .iter()
                .take_while(|byte| Alphabet::Base64.has(**byte) || **byte == b'%')
                .count();
            (count >= 40 && is_random(&bytes[sig..sig + count])).then_some(sig..sig + count)
        }
        Code::OpenAiMark => {
            let before = bytes.get(at.checked_sub(23)?..at)?;
            let count = Alphabet::Alphanumeric.run(bytes.get(after..)?.get(..21).unwrap_or(&bytes[after..]));
            let letters = before.strip_prefix(b"sk-")?.iter().all(u8::is_ascii_alphanumeric);
            (letters && count == 20).then_some(at - 23..after + 20)
        }
        Code::TerraformCloud => {
            let before = bytes.get(at.checked_sub(14)?..at)?;
            let count = Alphabet::Base64Url.run(bytes.get(after..)?.get(..100).unwrap_or(&bytes[after..]));
            let letters = before.iter().all(u8::is_ascii_alphanumeric) && starts_word(bytes, at - 14);
            (letters && count >= 60 && is_random(&bytes[after..after + count]))
                .then_some(at - 14..after + count)
        }
        Code::TerraformVariable => {
            let name = Alphabet::Word.run(bytes.get(after..)?.get(..64).unwrap_or(&bytes[after..]));
            let secret = ["token", "secret", "password", "key"];
            let name_text = bytes.get(after..after + name)?.to_ascii_lowercase();
            let named = bytes[at..].starts_with(b"TF_TOKEN_")
                || secret.iter().any(|word| memchr::memmem::find(&name_text, word.as_bytes()).is_some());
            let value = assigned(bytes, after + name, Alphabet::Dotted, 14..=255)?;
            (named && bytes.get(after + name) == Some(&b'=')).then_some(value)
        }
        Code::OpenVpnKey => {
            let body = bytes.get(after..after + 64.min(bytes.len() - after))?;
            let digits = body.iter().filter(|byte| Alphabet::Hex.has(**byte)).count();
            (digits >= 32 && is_random(body)).then_some(at..after)
        }
        Code::Jwt => jwt(bytes, at),
        Code::AssignedValue => word_value(bytes, after),
        Code::EnvironmentValue => {
            // The literal has the separator at its end.
            word_value(bytes, after - 1).filter(|value| starts_word(bytes, at) && value.start <= after + 1)
        }
    }
}

/// The value of a name that ends at `after`: at most some white space, quotes and one separator, then a number of letters.
fn assigned(
    bytes: &[u8],
    after: usize,
    alphabet: Alphabet,
    count: std::ops::RangeInclusive<usize>,
) -> Option<Range<usize>> {
    let start = after + gap(bytes.get(after..)?)?;
    let rest = bytes.get(start..)?;
    let run = alphabet.run(rest.get(..=*count.end()).unwrap_or(rest));
    let end = start + run;
    // `=` is a letter of base64, and no secret begins with it.
    (count.contains(&run) && is_random(&bytes[start..end])).then_some(start..end)
}

/// A value up to white space, a quote or the end of a statement, which is not a placeholder.
fn word_value(bytes: &[u8], after: usize) -> Option<Range<usize>> {
    let start = after + gap(bytes.get(after..)?)?;
    let rest = bytes.get(start..)?;
    let ends =
        |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'`;,&|)<>}".contains(byte);
    let len = rest.iter().take(VALUE_MAX).position(ends).unwrap_or(rest.len().min(VALUE_MAX));
    let value = &rest[..len];
    let text = value.iter().all(u8::is_ascii_graphic);
    (len >= 4 && text && !is_placeholder(value)).then_some(start..start + len)
}

/// The bytes of white space, quotes and one separator before a value; none without a separator.
fn gap(rest: &[u8]) -> Option<usize> {
    let mut separators = 0;
    let mut len = 0;
    for byte in rest.iter().take(GAP_MAX) {
        match byte {
            b'=' | b':' if separators < 2 => separators += 1,
            b'>' if separators == 1 => {}
            b' ' | b'\t' | b'"' | b'\'' | b'\\' => {}
            _ => break,
        }
        len += 1;
    }
    (separators > 0).then_some(len)
}

/// A value in base64 of one of these lengths, its padding included.
fn base64_value(bytes: &[u8], start: usize, lens: &[usize]) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let run = Alphabet::Base64.run(rest.get(..100).unwrap_or(rest));
    let value = &rest[..run];
    (lens.contains(&run) && value.ends_with(b"=") && is_random(value)).then_some(start..start + run)
}

/// The rest of an address, of at least `min` letters.
fn address_part(bytes: &[u8], start: usize, min: usize) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_/@.".contains(byte);
    let run = rest.iter().take(300).take_while(|byte| letter(byte)).count();
    let path = &rest[..run];
    (run >= min && path.contains(&b'/') && is_random(path)).then_some(start..start + run)
}

/// Header, payload and signature: the header names an algorithm that is not `none`, and the payload is an object.
fn jwt(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at..)?;
    let rest = rest.get(..VALUE_MAX).unwrap_or(rest);
    let run = Alphabet::Dotted.run(rest);
    let mut parts = rest[..run].split(|byte| *byte == b'.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let object =
        |part: &[u8]| serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let algorithm = object(header)?.get("alg")?.as_str()?.to_owned();
    let signed = !algorithm.eq_ignore_ascii_case("none") && signature.len() >= 32;
    let len = header.len() + payload.len() + signature.len() + 2;
    (signed && object(payload)?.is_object() && starts_word(bytes, at)).then_some(at..at + len)
}
