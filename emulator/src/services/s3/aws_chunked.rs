//! Decoding of a body with the content encoding `aws-chunked`, including the signatures of the chunks if
//! there are any.
//!
//! `SIZE[;chunk-signature=HEX]`, line end, bytes, line end; the last chunk is empty and followed by trailers.
//! Signature Version 4, "chunked upload" and "trailing headers".

use sha2::{Digest as _, Sha256};

use super::errors::S3Error;
use crate::digest::Sha256Digest;
use crate::sigv4::{SignatureSeed, hmac_sha256};

/// The maximum length of a line in bytes.
const MAX_LINE: usize = 4096;
/// The maximum number of trailers: SDKs send a checksum and its signature.
const MAX_TRAILERS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Head,
    Bytes(u64),
    LineEnd,
    Trailer,
    End,
}

/// The state of the decoder.
pub(crate) struct ChunkDecoder {
    expect: Expect,
    line: Vec<u8>,
    digest: Sha256,
    signature: String,
    /// The key and the previous signature; `None` if the chunks are not signed.
    seed: Option<SignatureSeed>,
    trailers: Vec<(String, String)>,
}

impl ChunkDecoder {
    /// Starts a body. `seed` is required if its chunks are signed.
    pub(crate) fn new(seed: Option<SignatureSeed>) -> Self {
        Self {
            expect: Expect::Head,
            line: Vec::new(),
            digest: Sha256::new(),
            signature: String::new(),
            seed,
            trailers: Vec::new(),
        }
    }

    /// Decodes the next bytes and passes their content to the sink.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), S3Error>,
    ) -> Result<(), S3Error> {
        while !bytes.is_empty() {
            if let Expect::Bytes(left) = self.expect {
                let take = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let (now, later) = bytes.split_at(take);
                self.digest.update(now);
                sink(now)?;
                bytes = later;
                self.expect =
                    if left == take as u64 { Expect::LineEnd } else { Expect::Bytes(left - take as u64) };
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let take = end.map_or(bytes.len(), |end| end + 1);
            self.line.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.line.len() > MAX_LINE {
                return Err(malformed());
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\r\n").ok_or_else(malformed)?;
                self.take_line(std::str::from_utf8(line).map_err(|_| malformed())?)?;
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str) -> Result<(), S3Error> {
        match self.expect {
            Expect::Head => self.take_head(line),
            Expect::LineEnd if line.is_empty() => {
                self.check_chunk()?;
                self.expect = Expect::Head;
                Ok(())
            }
            Expect::Trailer if line.is_empty() => {
                self.expect = Expect::End;
                Ok(())
            }
            Expect::Trailer => {
                if self.trailers.len() >= MAX_TRAILERS {
                    return Err(malformed());
                }
                let (name, value) = line.split_once(':').ok_or_else(malformed)?;
                self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                Ok(())
            }
            Expect::Bytes(_) | Expect::LineEnd | Expect::End => Err(malformed()),
        }
    }

    fn take_head(&mut self, line: &str) -> Result<(), S3Error> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = u64::from_str_radix(size.trim(), 16).map_err(|_| malformed())?;
        let signature = extension.trim().strip_prefix("chunk-signature=").unwrap_or_default();
        if self.seed.is_some() && signature.is_empty() {
            return Err(malformed());
        }
        signature.clone_into(&mut self.signature);
        self.digest = Sha256::new();
        if size > 0 {
            self.expect = Expect::Bytes(size);
            return Ok(());
        }
        self.check_chunk()?;
        self.expect = Expect::Trailer;
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), S3Error> {
        let digest = Sha256Digest(std::mem::take(&mut self.digest).finalize().into()).hex();
        let empty = Sha256Digest::of(b"").hex();
        let Some(seed) = &mut self.seed else { return Ok(()) };
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{digest}",
            seed.date, seed.scope, seed.signature
        );
        verify_signature(seed, &text, &self.signature)
    }

    /// Ends the body and returns its trailers.
    pub(crate) fn finish(mut self) -> Result<Vec<(String, String)>, S3Error> {
        // The last empty line may be missing if there are no trailers.
        let ended =
            self.expect == Expect::End || (self.expect == Expect::Trailer && self.trailers.is_empty());
        if !ended || !self.line.is_empty() {
            return Err(S3Error::incomplete());
        }
        let signature = self.trailers.iter().position(|(name, _)| name == "x-amz-trailer-signature");
        let signature = signature.map(|at| self.trailers.remove(at).1);
        if let (Some(seed), false) = (&mut self.seed, self.trailers.is_empty()) {
            let canonical = self
                .trailers
                .iter()
                .fold(String::new(), |text, (name, value)| text + name + ":" + value + "\n");
            let digest = Sha256Digest::of(canonical.as_bytes()).hex();
            let text = format!(
                "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{digest}",
                seed.date, seed.scope, seed.signature
            );
            verify_signature(seed, &text, &signature.unwrap_or_default())?;
        }
        Ok(self.trailers)
    }
}

/// Verifies a signature, which becomes the previous one of the next chunk.
fn verify_signature(seed: &mut SignatureSeed, text: &str, signature: &str) -> Result<(), S3Error> {
    let expected = Sha256Digest(hmac_sha256(&seed.key, text.as_bytes())).hex();
    if expected != signature {
        let message = "The request signature we calculated does not match the signature you provided. Check your key \
                       and signing method.";
        return Err(S3Error::new(403, "SignatureDoesNotMatch", message));
    }
    seed.signature = expected;
    Ok(())
}

fn malformed() -> S3Error {
    S3Error::new(400, "InvalidRequest", "The chunks of the body are malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Decoded = (Vec<u8>, Vec<(String, String)>);

    fn unsigned(text: &str, step: usize) -> Result<Decoded, S3Error> {
        let mut chunked = ChunkDecoder::new(None);
        let mut bytes = Vec::new();
        for part in text.as_bytes().chunks(step) {
            chunked.feed(part, &mut |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
        }
        Ok((bytes, chunked.finish()?))
    }

    #[test]
    fn chunks_are_joined_however_they_arrive() {
        let text = "5\r\nhello\r\n7\r\n, world\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        for step in 1..text.len() {
            let (bytes, trailers) = unsigned(text, step).unwrap();
            assert_eq!(bytes, b"hello, world", "{step}");
            assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())]);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_decoder_panic(text in "[0-9a-f;\\r\\n:x]{0,60}", step in 1_usize..9) {
            let _ = unsigned(&text, step);
        }
    }

    #[test]
    fn trailers_and_extensions_without_end_are_refused() {
        let many: Vec<_> = (0..20).map(|number| format!("x-{number}:y\r\n")).collect();
        let many = many.concat();
        assert_eq!(unsigned(&format!("0\r\n{many}\r\n"), 50).unwrap_err().code, "InvalidRequest");
        let long = format!("0\r\nx:{}", "y".repeat(5000));
        assert_eq!(unsigned(&long, 50).unwrap_err().code, "InvalidRequest");
        let extension = format!("1;a={}", "y".repeat(5000));
        assert_eq!(unsigned(&extension, 50).unwrap_err().code, "InvalidRequest");
    }

    #[test]
    fn a_body_that_ends_early_is_incomplete() {
        for text in ["", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\nx:y\r\n"] {
            assert_eq!(unsigned(text, 3).unwrap_err().code, "IncompleteBody", "{text:?}");
        }
        assert_eq!(unsigned("x\r\n", 3).unwrap_err().code, "InvalidRequest");
        assert_eq!(unsigned("1\r\nab\r\n", 9).unwrap_err().code, "InvalidRequest");
    }

    /// The example of AWS's documentation of chunked uploads, with its key, date and signatures; 64 KiB and 1
    /// KiB of `a`.
    #[test]
    fn the_documented_example_of_signed_chunks_is_taken() {
        let day = hmac_sha256(b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", b"20130524");
        let key = hmac_sha256(&hmac_sha256(&hmac_sha256(&day, b"us-east-1"), b"s3"), b"aws4_request");
        let seed = |signature: &str| SignatureSeed {
            key,
            scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
            date: "20130524T000000Z".to_owned(),
            signature: signature.to_owned(),
        };
        let head = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let signatures = [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ];
        let body = |last: char| {
            let mut text = String::new();
            for (size, signature) in [65_536, 1024, 0].into_iter().zip(signatures) {
                let mut bytes: String = std::iter::repeat_n('a', size).collect();
                if bytes.pop().is_some() {
                    bytes.push(last);
                }
                text = format!("{text}{size:x};chunk-signature={signature}\r\n{bytes}\r\n");
            }
            text
        };
        let feed = |text: &str| {
            let mut chunked = ChunkDecoder::new(Some(seed(head)));
            chunked.feed(text.as_bytes(), &mut |_| Ok(()))?;
            chunked.finish()
        };
        feed(&body('a')).unwrap();
        assert_eq!(feed(&body('b')).unwrap_err().code, "SignatureDoesNotMatch");
    }
}
