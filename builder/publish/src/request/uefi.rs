//! UEFI variables for `RegisterImage`: those of the bundle, or the base64 of the blob that EC2's tools write. Magic, length,
//! checksum and version are checked, which a wrong file would fail; where the variables can be read without EC2's
//! dictionary, none of them may be a boot option.
//!
//! Format: `AMZNUEFI`, CRC-32C of the rest, version 0 (both little-endian), then a zlib stream
//! (awslabs/python-uefivars).

use std::path::Path;

use amiforge_formats::uefi_vars::{UefiVarsError, check_enrolment, decode_ec2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ImageFacts, RequestMistake};

/// Magic bytes.
const MAGIC: &[u8] = b"AMZNUEFI";
/// Maximum length of the base64 in EC2.
const MAX_BASE64: usize = 64_000;
/// Remedy for a file in another format.
const REMEDY: &str = "give a file that `uefivars -o aws` or `virt-fw-vars --output-aws` wrote";

/// The variables of the bundle, else those of a file.
pub(super) fn choose(file: Option<&Path>, facts: &ImageFacts) -> Result<Option<String>, RequestMistake> {
    let given = file.map(read).transpose()?;
    match (given, &facts.uefi_data) {
        (Some(given), Some(own)) if given != *own => {
            let problem = "the bundle brings variables, and these are others";
            Err(RequestMistake::new("--uefi-data", problem, "leave the option out"))
        }
        (given, own) => Ok(own.clone().or(given)),
    }
}

/// Reads variables from a file with the blob or its base64, and returns the base64.
fn read(path: &Path) -> Result<String, RequestMistake> {
    let mistake = |problem: String| RequestMistake::new("--uefi-data", problem, REMEDY);
    let shown = path.display();
    let bytes = amiforge_progress::regular::read(path)
        .map_err(|error| mistake(format!("`{shown}` cannot be read: {error}")))?;
    let blob = if bytes.starts_with(MAGIC) { bytes } else { decode_base64(&bytes) };
    check_blob(&blob).map_err(|why| mistake(format!("`{shown}` holds no UEFI variables: {why}")))?;
    let text = STANDARD.encode(&blob);
    if text.len() > MAX_BASE64 {
        let problem = format!("`{shown}` has {} characters of base64", text.len());
        let remedy = format!("{MAX_BASE64} are the most; leave out variables that the image does not need");
        return Err(RequestMistake::new("--uefi-data", problem, remedy));
    }
    let variables = decode_ec2(&text).unwrap_or_default();
    match check_enrolment(&variables) {
        Err(error @ UefiVarsError::BootOption { .. }) => Err(RequestMistake::new(
            "--uefi-data",
            format!("`{shown}`: {error}"),
            "leave the variable out; the loader at its default path is started without one",
        )),
        _ => Ok(text),
    }
}

/// Decodes base64 with line breaks; empty if it is not base64.
fn decode_base64(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(text).unwrap_or_default()
}

fn check_blob(blob: &[u8]) -> Result<(), String> {
    let rest = blob.strip_prefix(MAGIC).ok_or("it does not begin with `AMZNUEFI`")?;
    let (checksum, rest) = rest.split_first_chunk::<4>().ok_or("it ends in its checksum")?;
    let version = rest.first_chunk::<4>().ok_or("it ends in its version")?;
    let (stored, computed) = (u32::from_le_bytes(*checksum), crc32c::crc32c(rest));
    if stored != computed {
        return Err(format!("its checksum is {stored:08x}, and that of its bytes {computed:08x}"));
    }
    match u32::from_le_bytes(*version) {
        0 => Ok(()),
        other => Err(format!("it has version {other}, and only 0 is known")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn blob(version: u32, rest: &[u8]) -> Vec<u8> {
        let body = [&version.to_le_bytes()[..], rest].concat();
        [MAGIC, &crc32c::crc32c(&body).to_le_bytes(), &body].concat()
    }

    fn read_bytes(bytes: &[u8]) -> Result<String, RequestMistake> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    #[test]
    fn variables_are_read_as_bytes_and_as_base64_with_line_breaks() {
        let blob = blob(0, b"zlib");
        let text = STANDARD.encode(&blob);
        assert_eq!(read_bytes(&blob), Ok(text.clone()));
        let broken = text.as_bytes().chunks(10).map(<[u8]>::to_vec).collect::<Vec<_>>().join(&b"\n"[..]);
        assert_eq!(read_bytes(&broken), Ok(text));
    }

    #[test]
    fn a_file_in_another_format_is_refused() {
        let mut flipped = blob(0, b"zlib");
        *flipped.last_mut().unwrap() ^= 1;
        for (bytes, why) in [
            (b"".to_vec(), "AMZNUEFI"),
            (b"ESL".to_vec(), "AMZNUEFI"),
            (MAGIC.to_vec(), "ends in its checksum"),
            (flipped, "its checksum is"),
            (blob(1, b""), "version 1"),
            (blob(0, &vec![7; 48_000]), "characters of base64"),
        ] {
            let refused = read_bytes(&bytes).unwrap_err();
            assert!(refused.problem.contains(why), "{refused}");
        }
    }
}
