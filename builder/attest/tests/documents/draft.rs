//! Documents in the making: each part can be changed before the document is signed, or after.

use ciborium::Value;

use super::pki::{MADE, Pki};

/// A document in the making.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) tag: Option<u8>,
    /// The signed header.
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Value,
    pub(crate) entries: Vec<(Value, Value)>,
    /// Whether the map of the payload has a length, or an end as those of NitroTPM.
    pub(crate) definite: bool,
    /// The level whose key signs; the last if not given.
    pub(crate) signer: Option<usize>,
}

impl Draft {
    /// A document as NitroTPM makes it, with PCR `n` filled with the byte `n`.
    pub(crate) fn new(pki: &Pki) -> Self {
        let (certificate, cabundle) = pki.certificates.split_last().expect("certificates");
        let pcrs = (0..24).map(|index: u8| (Value::from(index), Value::Bytes(vec![index; 48])));
        let list = cabundle.iter().map(|one| Value::Bytes(one.clone())).collect();
        Self {
            tag: None,
            protected: vec![0xa1, 0x01, 0x38, 0x22],
            unprotected: Value::Map(Vec::new()),
            entries: vec![
                entry("module_id", Value::from("i-0123456789abcdef0-tpm0000000000000000")),
                entry("digest", Value::from("SHA384")),
                entry("timestamp", Value::from(MADE * 1000)),
                entry("nitrotpm_pcrs", Value::Map(pcrs.collect())),
                entry("certificate", Value::Bytes(certificate.clone())),
                entry("cabundle", Value::Array(list)),
                entry("public_key", Value::Null),
                entry("user_data", Value::Null),
                entry("nonce", Value::Bytes(b"a nonce".to_vec())),
            ],
            definite: false,
            signer: None,
        }
    }

    /// Sets an entry of the payload.
    pub(crate) fn set(mut self, name: &str, value: Value) -> Self {
        self.entries.retain(|(key, _)| key.as_text() != Some(name));
        self.entries.push(entry(name, value));
        self
    }

    /// Removes an entry of the payload.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.entries.retain(|(key, _)| key.as_text() != Some(name));
        self
    }

    /// Changes the entries of the map of PCRs.
    pub(crate) fn with_pcrs(mut self, change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Self {
        let pcrs = self.entries.iter_mut().find(|(key, _)| key.as_text() == Some("nitrotpm_pcrs"));
        change(pcrs.expect("PCRs").1.as_map_mut().expect("a map"));
        self
    }

    /// The bytes of the payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        if self.definite {
            return encode(&Value::Map(self.entries.clone()));
        }
        let mut payload = vec![0xbf];
        for (key, value) in &self.entries {
            payload.extend(encode(key));
            payload.extend(encode(value));
        }
        payload.push(0xff);
        payload
    }

    /// The signed document.
    pub(crate) fn sign(&self, pki: &Pki) -> Vec<u8> {
        self.sign_payload(pki, self.payload())
    }

    /// The document with another payload, signed.
    pub(crate) fn sign_payload(&self, pki: &Pki, payload: Vec<u8>) -> Vec<u8> {
        let (protected, payload) = (Value::Bytes(self.protected.clone()), Value::Bytes(payload));
        let signed = Value::Array(vec![
            Value::from("Signature1"),
            protected.clone(),
            Value::Bytes(Vec::new()),
            payload.clone(),
        ]);
        let signer = self.signer.unwrap_or(pki.certificates.len() - 1);
        let signature = Value::Bytes(pki.sign_with(signer, &encode(&signed)));
        let mut document: Vec<u8> = self.tag.into_iter().collect();
        document.extend(encode(&Value::Array(vec![protected, self.unprotected.clone(), payload, signature])));
        document
    }
}

pub(crate) fn entry(name: &str, value: Value) -> (Value, Value) {
    (Value::from(name), value)
}

pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("memory can be written");
    bytes
}
