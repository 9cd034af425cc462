//! The bucket and key of a request: from its path, or from the first label of a host below `localhost`.

use std::fmt::Write as _;

use super::errors::S3Error;

/// The maximum length of a key in bytes.
const MAX_KEY: usize = 1024;

/// The bucket and key of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `None` for all buckets.
    pub(crate) bucket: Option<String>,
    /// `None` for the bucket itself.
    pub(crate) key: Option<String>,
}

impl Address {
    /// Parses a path and a host.
    pub(crate) fn read(path: &str, host: &str) -> Result<Self, S3Error> {
        let path = decode(path.strip_prefix('/').unwrap_or(path))?;
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        let (bucket, key) = match name.strip_suffix(".localhost") {
            Some(bucket) => (bucket.to_owned(), path),
            None => match path.split_once('/') {
                Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
                None => (path, String::new()),
            },
        };
        if key.len() > MAX_KEY {
            return Err(S3Error::new(400, "KeyTooLongError", "Your key is too long"));
        }
        let non_empty = |text: String| (!text.is_empty()).then_some(text);
        Ok(Self { bucket: non_empty(bucket), key: non_empty(key) })
    }
}

/// Decodes `%XX` in a text.
pub(crate) fn decode(text: &str) -> Result<String, S3Error> {
    let wrong = || S3Error::new(400, "InvalidURI", "Couldn't parse the specified URI.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Encodes a name for a listing with `encoding-type=url`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Checks the form of a bucket name.
pub(crate) fn check_bucket(name: &str) -> Result<(), S3Error> {
    let received = |one: u8| one.is_ascii_lowercase() || one.is_ascii_digit() || b".-".contains(&one);
    let edge = |one: Option<&u8>| one.is_some_and(|one| one.is_ascii_lowercase() || one.is_ascii_digit());
    let bytes = name.as_bytes();
    let address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    let valid = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|one| received(*one))
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
        && !address;
    if valid {
        Ok(())
    } else {
        Err(S3Error::new(400, "InvalidBucketName", "The specified bucket is not valid."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_in_the_path_or_in_the_host() {
        let read = |path, host| Address::read(path, host).unwrap();
        let of = |bucket: &str, key: &str| Address {
            bucket: (!bucket.is_empty()).then(|| bucket.to_owned()),
            key: (!key.is_empty()).then(|| key.to_owned()),
        };
        assert_eq!(read("/", "127.0.0.1:80"), of("", ""));
        assert_eq!(read("/b", "127.0.0.1:80"), of("b", ""));
        assert_eq!(read("/b/", "127.0.0.1:80"), of("b", ""));
        assert_eq!(read("/b/k/l%20m+n", "127.0.0.1:80"), of("b", "k/l m+n"));
        assert_eq!(read("/k/l", "b.localhost:80"), of("b", "k/l"));
        assert_eq!(Address::read("/b/%zz", "h").unwrap_err().code, "InvalidURI");
    }

    #[test]
    fn names_of_buckets() {
        for (name, valid) in [
            ("bundles", true),
            ("my.bundles-2", true),
            ("ab", false),
            ("Bundles", false),
            ("-bundles", false),
            ("bundles-", false),
            ("a..b", false),
            ("192.168.5.4", false),
        ] {
            assert_eq!(check_bucket(name).is_ok(), valid, "{name}");
        }
    }
}
