//! Compressed files of archives, unpacked in memory. Knows nothing of what is in them.

use std::io::{self, Read};

/// Unpacks bytes by the ending of their file's name: `.xz`, `.gz`, `.zst`, or none. `most` bounds what comes out.
///
/// # Errors
/// When the bytes are damaged, or more than `most` bytes are in them.
pub fn inflate(name: &str, bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let reader: Box<dyn Read + '_> = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes)),
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(bytes)?),
        _ => Box::new(bytes),
    };
    let mut plain = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut plain)?;
    if plain.len() as u64 > most {
        return Err(io::Error::other(format!("there are more than {most} bytes in it")));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn files_are_decompressed_up_to_the_bound() {
        let plain = vec![7; 100_000];
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&plain).unwrap();
        let forms = [
            ("a/Packages.gz", gz.finish().unwrap()),
            ("a/Packages.xz", xz.finish().unwrap()),
            ("Packages.zst", zstd::encode_all(plain.as_slice(), 1).unwrap()),
            ("Packages", plain.clone()),
        ];
        for (name, bytes) in forms {
            assert_eq!(inflate(name, &bytes, 100_000).unwrap(), plain, "{name}");
            assert!(inflate(name, &bytes, 99_999).unwrap_err().to_string().contains("99999"), "{name}");
            if name.contains('.') {
                assert!(inflate(name, &bytes[..bytes.len() - 1], 100_000).is_err(), "{name}");
            }
        }
    }
}
