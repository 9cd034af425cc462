//! The URI of a key on a token (RFC 7512), as far as a signature needs it.

use std::path::PathBuf;

use amiforge_formats::digest::hex;

use super::SignerError;

/// A key on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Key {
    /// The library of the token.
    pub module: PathBuf,
    /// Label of the token.
    pub token: Option<String>,
    /// Label of the key.
    pub object: Option<String>,
    /// Id of the key, in hexadecimal.
    pub id: Option<String>,
    /// The file with the PIN.
    pub pin_file: Option<PathBuf>,
}

impl Pkcs11Key {
    /// Parses a URI. A PIN in it is refused: others could read it in the list of processes.
    ///
    /// # Errors
    /// [`SignerError::Uri`].
    pub fn parse(uri: &str) -> Result<Self, SignerError> {
        let wrong = |reason: &str| SignerError::Uri { reason: reason.to_owned() };
        let rest =
            uri.strip_prefix("pkcs11:").ok_or_else(|| wrong("the URI does not begin with `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut module, mut key) =
            (None, Self { module: PathBuf::new(), token: None, object: None, id: None, pin_file: None });
        let attributes = path.split(';').chain(query.split('&')).filter(|attribute| !attribute.is_empty());
        for attribute in attributes {
            let (name, value) =
                attribute.split_once('=').ok_or_else(|| wrong("an attribute of the URI has no `=`"))?;
            let bytes =
                unescape(value).ok_or_else(|| wrong("the URI has a `%` without two hexadecimal digits"))?;
            if name == "id" {
                key.id = Some(hex(&bytes));
                continue;
            }
            let text = String::from_utf8(bytes).ok().filter(|text| !text.is_empty() && !text.contains('\0'));
            let text = text.ok_or_else(|| wrong("an attribute of the URI is empty or no text"))?;
            match name {
                "module-path" => module = Some(PathBuf::from(text)),
                "token" => key.token = Some(text),
                "object" => key.object = Some(text),
                "pin-source" => {
                    let path =
                        text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(&text);
                    key.pin_file = Some(PathBuf::from(path));
                }
                "pin-value" => {
                    return Err(wrong(
                        "a PIN on the command line can be read by others: use AMIFORGE_PKCS11_PIN or pin-source",
                    ));
                }
                "type" if text == "private" => {}
                other => {
                    let shown = amiforge_formats::tree::Printable(other.as_bytes()).to_string();
                    return Err(wrong(&format!(
                        "the attribute `{shown}` of the URI is none that is used here"
                    )));
                }
            }
        }
        if key.object.is_none() && key.id.is_none() {
            return Err(wrong("the URI names no key: add `object=` or `id=`"));
        }
        key.module =
            module.ok_or_else(|| wrong("the URI names no library of a token: add `?module-path=`"))?;
        Ok(key)
    }
}

/// The bytes of a value with escapes such as `%20`.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (digit(rest.next()?)? << 4 | digit(rest.next()?)?) as u8
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_token_and_object_or_id() {
        let key = Pkcs11Key::parse(
            "pkcs11:token=a%20b;object=db;id=%0A%ff;type=private?module-path=/m.so&pin-source=file:/pin",
        );
        let expected = Pkcs11Key {
            module: "/m.so".into(),
            token: Some("a b".to_owned()),
            object: Some("db".to_owned()),
            id: Some("0aff".to_owned()),
            pin_file: Some("/pin".into()),
        };
        assert_eq!(key.unwrap(), expected);
    }

    #[test]
    fn a_pin_in_the_uri_and_a_uri_without_a_key_are_refused() {
        for (uri, why) in [
            ("pkcs11:object=db?module-path=/m&pin-value=1234", "can be read by others"),
            ("pkcs11:token=a?module-path=/m", "names no key"),
            ("pkcs11:object=db", "no library"),
            ("pkcs11:object=%zz?module-path=/m", "hexadecimal"),
            ("pkcs11:object?module-path=/m", "no `=`"),
            ("pkcs11:object=?module-path=/m", "empty"),
            ("pkcs11:object=db;slot-id=1?module-path=/m", "`slot-id`"),
        ] {
            let refused = Pkcs11Key::parse(uri).unwrap_err().to_string();
            assert!(refused.contains(why) && !refused.contains("1234"), "{uri}: {refused}");
        }
    }
}
