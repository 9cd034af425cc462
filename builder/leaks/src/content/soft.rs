//! What only counts in texts that no package brought: passwords in addresses, on command lines and in settings, tokens
//! with a short mark, and the home of somebody who built the software. In the files of a distribution the same forms are
//! documentation, which is why generic rules are of no use there.

use std::ops::Range;

use memchr::memmem;

use super::Hit;
use super::addresses;
use super::alphabet::{Alphabet, starts_word};
use super::placeholder::{is_placeholder, is_random};
use crate::finding::LeakSeverity;
use crate::rule::LeakRule;

const REMEDY: &str = "change it where it is checked, remove it here, and give it to the machine when it starts (a parameter \
                      store, cloud-init, systemd credentials)";

const URL_PASSWORD: LeakRule = LeakRule {
    id: "url-password",
    severity: LeakSeverity::Error,
    what: "a password in an address",
    remedy: REMEDY,
    source: "RFC 3986, 3.2.1",
};

const COMMAND_PASSWORD: LeakRule = LeakRule {
    id: "command-line-password",
    severity: LeakSeverity::Error,
    what: "a password on a command line",
    remedy: REMEDY,
    source: "manual pages of curl, mysql, sshpass, docker, wget, openssl and useradd",
};

const ASSIGNED_PASSWORD: LeakRule = LeakRule {
    id: "password-assignment",
    severity: LeakSeverity::Warning,
    what: "a setting that is named like a password and has a value",
    remedy: REMEDY,
    source: "names of settings in common use",
};

const SENDGRID: LeakRule = LeakRule {
    id: "sendgrid-key",
    severity: LeakSeverity::Error,
    what: "an API key of SendGrid",
    remedy: REMEDY,
    source: "Twilio SendGrid documentation, \"API keys\": SG., 22 and 43 letters",
};

const HUGGING_FACE: LeakRule = LeakRule {
    id: "hugging-face-user-token",
    severity: LeakSeverity::Error,
    what: "a token of Hugging Face",
    remedy: REMEDY,
    source: "Hugging Face documentation, \"User access tokens\"",
};

const TWILIO: LeakRule = LeakRule {
    id: "twilio-key",
    severity: LeakSeverity::Error,
    what: "an API key of Twilio",
    remedy: REMEDY,
    source: "Twilio documentation, \"API keys\": SK and 32 hexadecimal digits, beside the word Twilio",
};

const AZURE_SECRET: LeakRule = LeakRule {
    id: "azure-client-secret",
    severity: LeakSeverity::Error,
    what: "a client secret of Microsoft Entra",
    remedy: REMEDY,
    source: "the mark 8Q~ in the fourth to sixth letter; gitleaks' rules (MIT)",
};

/// The rules.
pub(super) const RULES: [LeakRule; 7] =
    [URL_PASSWORD, COMMAND_PASSWORD, ASSIGNED_PASSWORD, SENDGRID, HUGGING_FACE, TWILIO, AZURE_SECRET];

/// Whether a rule of this name is one of these.
pub(super) fn is_soft(id: &str) -> bool {
    RULES[..3].iter().any(|rule| rule.id == id)
}

/// Longest text in which settings are looked at line by line.
const SETTINGS_MAX: usize = 1 << 20;

/// Everything of these rules in a text.
pub(super) fn find(bytes: &[u8]) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut add =
        |rule: LeakRule, secret: Option<Range<usize>>| hits.extend(secret.map(|secret| Hit { rule, secret }));
    addresses::passwords(bytes).for_each(|secret| add(URL_PASSWORD, Some(secret)));
    memmem::find_iter(bytes, b"SG.").for_each(|at| add(SENDGRID, sendgrid(bytes, at)));
    memmem::find_iter(bytes, b"hf_")
        .for_each(|at| add(HUGGING_FACE, run_of(bytes, at, 3, Alphabet::Alphanumeric, 34)));
    memmem::find_iter(bytes, b"Q~").for_each(|at| add(AZURE_SECRET, azure(bytes, at)));
    if has_twilio(bytes) {
        memmem::find_iter(bytes, b"SK").for_each(|at| add(TWILIO, run_of(bytes, at, 2, Alphabet::Hex, 32)));
    }
    if bytes.len() <= SETTINGS_MAX {
        let mut start = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            add(COMMAND_PASSWORD, on_command_line(line).map(|range| moved(range, start)));
            add(ASSIGNED_PASSWORD, in_setting(line).map(|range| moved(range, start)));
            start += line.len() + 1;
        }
    }
    hits
}

fn moved(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// A mark of `len` bytes at the start of a word, and exactly `count` letters.
fn run_of(bytes: &[u8], at: usize, len: usize, alphabet: Alphabet, count: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at + len..)?;
    let run = Alphabet::Word.run(rest.get(..=count).unwrap_or(rest));
    let letters = rest.get(..count)?;
    let valid = run == count && letters.iter().all(|byte| alphabet.has(*byte));
    (valid && starts_word(bytes, at) && is_random(letters)).then_some(at..at + len + count)
}

fn sendgrid(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at + 3..)?;
    let first = Alphabet::Base64Url.run(rest.get(..23).unwrap_or(rest));
    let second = Alphabet::Base64Url.run(rest.get(first + 1..)?.get(..44).unwrap_or(rest.get(first + 1..)?));
    let valid = first == 22 && rest.get(first) == Some(&b'.') && second == 43 && starts_word(bytes, at);
    (valid && is_random(&rest[..first])).then_some(at..at + 3 + 22 + 1 + 43)
}

/// `abc8Q~…`: three letters, a digit, the mark, and 31 to 34 letters.
fn azure(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(4)?;
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let head = bytes.get(start..at)?;
    let rest = bytes.get(at + 2..)?;
    let run = rest.iter().take(35).take_while(|byte| letter(byte)).count();
    let valid = head[..3].iter().all(letter) && head[3].is_ascii_digit() && (31..=34).contains(&run);
    (valid && starts_word(bytes, start) && is_random(&rest[..run])).then_some(start..at + 2 + run)
}

fn has_twilio(bytes: &[u8]) -> bool {
    ["twilio", "Twilio", "TWILIO"].iter().any(|word| memmem::find(bytes, word.as_bytes()).is_some())
}

/// Programs that take a password as an argument, the option, and whether it is `user:password`.
const COMMANDS: [(&[u8], &[u8], CommandArgument); 17] = [
    (b"curl", b"-u ", CommandArgument::UserAndPassword),
    (b"curl", b"--user ", CommandArgument::UserAndPassword),
    (b"curl", b"--user=", CommandArgument::UserAndPassword),
    (b"mysql", b" -p", CommandArgument::Attached),
    (b"mysql", b"--password=", CommandArgument::Value),
    (b"mariadb", b" -p", CommandArgument::Attached),
    (b"sshpass", b"-p ", CommandArgument::Value),
    (b"sshpass", b" -p", CommandArgument::Attached),
    (b"docker", b"login", CommandArgument::Login),
    (b"podman", b"login", CommandArgument::Login),
    (b"wget", b"--password=", CommandArgument::Value),
    (b"wget", b"--http-password=", CommandArgument::Value),
    (b"redis-cli", b"-a ", CommandArgument::Value),
    (b"openssl", b"pass:", CommandArgument::Value),
    (b"ldap", b" -w ", CommandArgument::Value),
    (b"chpasswd", b"", CommandArgument::Chpasswd),
    (b"curl", b"Authorization: Bearer ", CommandArgument::Value),
];

/// How a program takes a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandArgument {
    /// The next word.
    Value,
    /// The rest of the word.
    Attached,
    /// The next word, after a colon.
    UserAndPassword,
    /// `-p WORD`, `-p=WORD` or `--password WORD` somewhere after it.
    Login,
    /// `echo user:password | chpasswd`.
    Chpasswd,
}

/// The password on a command line, if the line has a program that takes one.
fn on_command_line(line: &[u8]) -> Option<Range<usize>> {
    if line.len() > 4096 || line.trim_ascii_start().starts_with(b"#") {
        return None;
    }
    COMMANDS.iter().find_map(|(program, option, argument)| {
        let at = memmem::find(line, program).filter(|at| starts_program(line, *at))?;
        let after = at + program.len();
        if *argument == CommandArgument::Chpasswd {
            return chpasswd(line, at);
        }
        let start = after + memmem::find(line.get(after..)?, option)? + option.len();
        match argument {
            CommandArgument::UserAndPassword => {
                let word = word(line, start)?;
                let colon = line[word.clone()].iter().position(|byte| *byte == b':')?;
                accepted(line, word.start + colon + 1..word.end)
            }
            CommandArgument::Login => {
                let rest = line.get(start..)?;
                let options: [&[u8]; 4] = [b"--password=", b"--password ", b" -p=", b" -p "];
                let (matched, option) =
                    options.iter().find_map(|one| Some((memmem::find(rest, one)?, one)))?;
                accepted(line, word(line, start + matched + option.len())?)
            }
            CommandArgument::Attached => {
                // `-p` alone asks for the password, and another letter makes another option.
                let word = word(line, start).filter(|_| !line[start..].starts_with(b" "))?;
                accepted(line, word)
            }
            _ => accepted(line, word(line, start)?),
        }
    })
}

/// `echo 'root:password' | chpasswd`, and not the hashes of `chpasswd -e`.
fn chpasswd(line: &[u8], at: usize) -> Option<Range<usize>> {
    let before = line.get(..at)?;
    let echo = memmem::find(before, b"echo ")? + 5;
    memchr::memchr(b'|', before)?;
    let word = word(before, echo + before.get(echo..)?.iter().take_while(|byte| **byte == b' ').count())?;
    let colon = before[word.clone()].iter().position(|byte| *byte == b':')?;
    accepted(line, word.start + colon + 1..word.end)
}

/// Whether a program begins here: as a word or at the end of a path.
fn starts_program(line: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|at| line.get(at))
        .is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte))
}

/// The word at an offset, without quotes around it.
fn word(line: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = line.get(start..)?;
    let quote = rest.first().filter(|byte| b"\"'".contains(byte)).copied();
    let start = start + usize::from(quote.is_some());
    let rest = line.get(start..)?;
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote,
        None => byte.is_ascii_whitespace() || b"\"';|&)<>`".contains(byte),
    };
    let len = rest.iter().position(ends).unwrap_or(rest.len());
    (len > 0).then_some(start..start + len)
}

/// The range, if it is long enough and no placeholder.
fn accepted(line: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let value = line.get(range.clone())?;
    let text = value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    (value.len() >= 4 && text && !value.starts_with(b"-") && !is_placeholder(value)).then_some(range)
}

/// Ends of names that have a password as their value.
const NAMES: [&[u8]; 11] = [
    b"password",
    b"passwd",
    b"passphrase",
    b"secret",
    b"secret_key",
    b"secretkey",
    b"api_key",
    b"apikey",
    b"auth_token",
    b"access_token",
    b"private_token",
];

/// The value of a setting `…password = value`, with digits and letters as a password of chance has them.
fn in_setting(line: &[u8]) -> Option<Range<usize>> {
    if line.len() > 1024 || line.trim_ascii_start().first().is_some_and(|byte| b"#;/*".contains(byte)) {
        return None;
    }
    let at = line.iter().position(|byte| *byte == b'=' || *byte == b':')?;
    let name = line[..at].trim_ascii().trim_ascii_end();
    let quoted = |byte: &u8| *byte == b'"' || *byte == b'\'';
    let name =
        name.strip_suffix(b"\"").or_else(|| name.strip_suffix(b"'")).unwrap_or(name).to_ascii_lowercase();
    let last = name.iter().rposition(|byte| !(Alphabet::Base64Url.has(*byte) || *byte == b'.'));
    let name = &name[last.map_or(0, |at| at + 1)..];
    let plain: Vec<u8> = name.iter().map(|byte| if b"-.".contains(byte) { b'_' } else { *byte }).collect();
    if !NAMES.iter().any(|known| plain.ends_with(known)) {
        return None;
    }
    let mut start = at + 1;
    // `:=`, `==` and `=>` are no settings, except that `=>` is one of PHP and Ruby.
    match line.get(start)? {
        b'>' => start += 1,
        b'=' | b':' | b'/' => return None,
        _ => {}
    }
    start += line.get(start..)?.iter().take_while(|byte| **byte == b' ' || **byte == b'\t').count();
    let bare = !line.get(start).is_some_and(quoted);
    let word = accepted(line, word(line, start)?)?;
    let value = &line[word.clone()];
    let value = if bare { value.strip_suffix(b",").unwrap_or(value) } else { value };
    let word = word.start..word.start + value.len();
    let digits = value.iter().any(u8::is_ascii_digit) || value.iter().any(|byte| b"!#%^*+=".contains(byte));
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    // A path, a number, a call or a name of something else is no secret.
    let code = value.iter().any(|byte| b"(){}[]$".contains(byte))
        || value.starts_with(b"/")
        || value.contains(&b' ');
    (value.len() >= 8 && digits && letters && !code && is_random(value)).then_some(word)
}
