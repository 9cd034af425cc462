//! Digest and length of a file.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Digest and length of a file, which is rewound.
pub(crate) fn measure(file: &mut File) -> std::io::Result<(Digest, u64)> {
    file.flush()?;
    file.rewind()?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
    file.rewind()?;
    Ok((Digest(hash.finalize().into()), size))
}
