//! Tells secrets from what documentation and templates write in their stead.

/// Words that a secret of chance does not have, and an example does.
const EXAMPLE_WORDS: [&[u8]; 9] = [
    b"example",
    b"placeholder",
    b"xxxxx",
    b"redacted",
    b"changeme",
    b"your_",
    b"your-",
    b"dummy",
    b"00000000",
];

/// Whether a value is no secret but stands for one: empty, a variable, a template, a word of documentation.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let marks: [&[u8]; 12] = [b"$", b"<", b"{", b"%", b"@", b"*", b"...", b"!", b"(", b"[", b"&", b"\\"];
    let words: [&[u8]; 20] = [
        b"",
        b"none",
        b"null",
        b"nil",
        b"true",
        b"false",
        b"yes",
        b"no",
        b"password",
        b"passwd",
        b"pass",
        b"secret",
        b"token",
        b"file",
        b"prompt",
        b"ask",
        b"undefined",
        b"string",
        b"pwd",
        b"required",
    ];
    (marks.iter().any(|mark| value.starts_with(mark)) && !is_crypt(value))
        || words.iter().any(|word| value.eq_ignore_ascii_case(word))
        || has_example_word(value)
        || value.iter().all(|byte| *byte == value[0])
}

/// Whether a value is a hash of crypt(5), `$id$…`, and not a variable.
fn is_crypt(value: &[u8]) -> bool {
    let rest = value.strip_prefix(b"$").unwrap_or_default();
    let id = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (1..=8).contains(&id) && rest.get(id) == Some(&b'$') && rest.len() >= id + 8
}

/// Whether a word of documentation is in a value.
fn has_example_word(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    EXAMPLE_WORDS.iter().any(|word| memchr::memmem::find(&lower, word).is_some())
}

/// Whether letters look drawn: enough different ones for their number, and no word of documentation.
pub(crate) fn is_random(token: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in token {
        seen[usize::from(*byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    different >= (token.len() / 3).min(8) && !has_example_word(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_and_variables_are_told_from_secrets() {
        for value in
            ["", "${TOKEN}", "<password>", "{{ x }}", "xxxxxxxx", "password", "********", "changeme", "None"]
        {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in ["hunter2", "S3cr3t!", "correct horse", "$6$salt$abcdefgh"] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
        assert!(!is_random(b"AKIAIOSFODNN7EXAMPLE"));
        assert!(!is_random(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        assert!(is_random(b"wJalrXUtnFEMIK7MDENGbPxRfiCYzzTOPz3kQz1p"));
    }
}
