//! The checks behind the rows of the tables that need more than one value.

use std::ops::Range;

use amiforge_formats::private_key;
use amiforge_formats::tree::Printable;
use memchr::memmem;

use super::text::{content_lines, quoted_after, value_len, values};
use super::{RuleSubject, StructureCheck};
use crate::accounts;
use crate::content::{is_placeholder, password_in_address};

/// A secret, and whom or what it is about.
type CheckMatch = (Option<Range<usize>>, Option<String>);

/// What a file has by a check.
#[expect(clippy::too_many_lines, reason = "a row for each check")]
pub(super) fn check(check: StructureCheck, subject: &RuleSubject<'_>) -> Vec<CheckMatch> {
    let RuleSubject { path, bytes } = *subject;
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let by_names = |names: &[&str]| secrets(values(bytes, names));
    match check {
        StructureCheck::Addresses => secrets(addresses(bytes)),
        StructureCheck::Application => application(name, bytes),
        StructureCheck::AuthorizedKeys => authorized_keys(bytes),
        StructureCheck::BuilderAccount => accounts::builder_accounts(bytes),
        StructureCheck::BundlerConfig => secrets(bundler(bytes)),
        StructureCheck::CiRunner => match name {
            b"config.toml" | b"buildkite-agent.cfg" | b"cli.yml" => by_names(&["token"]),
            _ => present(bytes),
        },
        StructureCheck::CloudConfig => {
            let mut all = by_names(&["passwd", "hashed_passwd", "plain_text_passwd", "password"]);
            all.extend(secrets(chpasswd_list(bytes)));
            all
        }
        StructureCheck::DebconfPassword => secrets(lines_with(bytes, b"Value:")),
        StructureCheck::EmptyPassword => accounts::empty_passwords(name, bytes),
        StructureCheck::EnvironmentFile => secrets(environment(bytes)),
        StructureCheck::GitConfig => {
            let mut all = secrets(addresses(bytes));
            all.extend(secrets(
                memmem::find_iter(bytes, b"://").filter_map(|at| token_in_address(bytes, at)).collect(),
            ));
            all.extend(secrets(lines_with(&bytes.to_ascii_lowercase(), b"extraheader")));
            all
        }
        StructureCheck::GrubPassword => secrets(lines_with(bytes, b"grub.pbkdf2.sha512.")),
        StructureCheck::InstallerPassword => installer(bytes),
        StructureCheck::IpsecSecret => ipsec(name, bytes),
        StructureCheck::LdapSecret if name.ends_with(b".secret") => any_line(bytes),
        StructureCheck::LdapSecret => by_names(&["bindpw", "ldap_default_authtok", "rootpwmodpw"]),
        StructureCheck::Log => nonzero(bytes),
        StructureCheck::MachineId => match bytes.trim_ascii() {
            b"" | b"uninitialized" => Vec::new(),
            _ => present(bytes),
        },
        StructureCheck::MachineIdentity => {
            let own = |range: &Range<usize>| !bytes[range.clone()].starts_with(b"GenerateName");
            content_lines(bytes).filter(own).take(1).map(|_| (None, None)).collect()
        }
        StructureCheck::MailPassword
            if name.ends_with(b"passwd.client") || name.ends_with(b"sasl_passwd") =>
        {
            any_line(bytes)
        }
        StructureCheck::MailPassword => by_names(&[
            "password",
            "passwd",
            "authpass",
            "pass",
            "imap_pass",
            "smtp_pass",
            "remotepass",
            "auth_password",
        ]),
        StructureCheck::MavenPassword => {
            let all = memmem::find_iter(bytes, b"<password>").chain(memmem::find_iter(bytes, b"<master>"));
            secrets(all.filter_map(|at| xml_value(bytes, at)).collect())
        }
        StructureCheck::MountOptions => secrets(mount_options(bytes)),
        StructureCheck::MyCnf if name == b".mylogin.cnf" || name == b".mysql_secret" => present(bytes),
        StructureCheck::MyCnf => by_names(&["password", "passwd"]),
        StructureCheck::PasswordHash => accounts::password_hashes(bytes),
        StructureCheck::PgPass if name == b".pgpass" => {
            let full = |range: &Range<usize>| memchr::memchr_iter(b':', &bytes[range.clone()]).count() >= 4;
            content_lines(bytes).filter(full).map(|range| (Some(last_field(bytes, range)), None)).collect()
        }
        StructureCheck::PgPass => by_names(&["password"]),
        StructureCheck::RadiusSecret if name == b"clients.conf" => by_names(&["secret"]),
        StructureCheck::RadiusSecret => any_line(bytes),
        StructureCheck::S3Credentials if name.ends_with(b"passwd-s3fs") => any_line(bytes),
        StructureCheck::S3Credentials => by_names(&[
            "aws_secret_access_key",
            "secret_key",
            "gs_secret_access_key",
            "gs_oauth2_refresh_token",
        ]),
        StructureCheck::ServiceAccount => service_account(bytes),
        StructureCheck::Share if name == b"secrets" => any_line(bytes),
        StructureCheck::Share => by_names(&["password", "pass"]),
        StructureCheck::Snmp => secrets(snmp(bytes)),
        StructureCheck::Spooled => spooled(name, bytes),
        StructureCheck::SshIdentity if name.ends_with(b".pub") => Vec::new(),
        StructureCheck::PrivateFile | StructureCheck::SshIdentity => private_file(bytes),
        StructureCheck::SwapFile => swap_file(bytes),
        StructureCheck::YumPassword => {
            let mut all = by_names(&["password", "proxy_password", "pass"]);
            all.extend(secrets(addresses(bytes)));
            all
        }
    }
}

fn secrets(ranges: Vec<Range<usize>>) -> Vec<CheckMatch> {
    ranges.into_iter().map(|range| (Some(range), None)).collect()
}

fn present(bytes: &[u8]) -> Vec<CheckMatch> {
    if bytes.is_empty() { Vec::new() } else { vec![(None, None)] }
}

fn any_line(bytes: &[u8]) -> Vec<CheckMatch> {
    content_lines(bytes).take(1).map(|_| (None, None)).collect()
}

fn nonzero(bytes: &[u8]) -> Vec<CheckMatch> {
    if bytes.iter().any(|byte| *byte != 0) { vec![(None, None)] } else { Vec::new() }
}

/// The lines, comments excepted, that have a mark and something behind it.
fn lines_with(bytes: &[u8], mark: &[u8]) -> Vec<Range<usize>> {
    let after = |range: Range<usize>| {
        let line = &bytes[range.clone()];
        let at = memmem::find(line, mark)? + mark.len();
        let value = line[at..].trim_ascii();
        let skipped = line[at..].len() - line[at..].trim_ascii_start().len();
        (!value.is_empty()).then(|| range.start + at + skipped..range.start + at + skipped + value.len())
    };
    content_lines(bytes).filter_map(after).collect()
}

fn addresses(bytes: &[u8]) -> Vec<Range<usize>> {
    memmem::find_iter(bytes, b"://").filter_map(|at| password_in_address(bytes, at)).collect()
}

/// `https://TOKEN@host`: a name that is too long for a user.
fn token_in_address(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at + 3..)?;
    let len =
        rest.iter().take(300).position(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte))?;
    (len >= 20 && rest[len] == b'@').then_some(at + 3..at + 3 + len)
}

/// Keys that may log in; the comment at the end of a key names it.
fn authorized_keys(bytes: &[u8]) -> Vec<CheckMatch> {
    let matched = content_lines(bytes).map(|range| {
        let line = bytes[range.clone()].trim_ascii();
        let start = range.start + bytes[range.clone()].len() - bytes[range].trim_ascii_start().len();
        let comment = line.rsplit(|byte| *byte == b' ').next().filter(|word| !word.starts_with(b"AAAA"));
        (Some(start..start + line.len()), comment.map(|comment| format!("`{}`", Printable(comment))))
    });
    matched.collect()
}

/// A file in a folder of private keys that is neither a certificate nor a key by its structure, which has a rule of its own.
fn private_file(bytes: &[u8]) -> Vec<CheckMatch> {
    let len = bytes.len() as u64;
    let key = private_key::identify_text(bytes).or_else(|| private_key::identify_binary(bytes, len));
    let public = [&b"-----BEGIN CERTIFICATE"[..], b"-----BEGIN PUBLIC KEY", b"-----BEGIN DH PARAMETERS"];
    let public = public.iter().any(|mark| memmem::find(bytes, mark).is_some());
    if key.is_some() || public || bytes.is_empty() { Vec::new() } else { vec![(None, None)] }
}

fn application(name: &[u8], bytes: &[u8]) -> Vec<CheckMatch> {
    if name.ends_with(b".key") {
        return present(bytes);
    }
    let names: [&[u8]; 8] = [
        b"DB_PASSWORD",
        b"AUTH_KEY",
        b"SECRET_KEY",
        b"secret_key_base",
        b"$wgDBpassword",
        b"$password",
        b"'password' =>",
        b"database_password",
    ];
    let code = |at: &usize| {
        let start = bytes[..*at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = bytes[start..*at].trim_ascii_start();
        !line.starts_with(b"*") && !line.starts_with(b"#") && !line.starts_with(b"//")
    };
    let after = |name: &&[u8]| {
        let len = name.len();
        // The quote that ends the name is not one that begins a value.
        let start =
            move |at: usize| at + len + usize::from(matches!(bytes.get(at + len), Some(b'\'' | b'"')));
        memmem::find_iter(bytes, *name)
            .filter(code)
            .filter_map(move |at| {
                let value = quoted_after(bytes, start(at));
                value.or_else(|| {
                    values(&bytes[at..(at + 200).min(bytes.len())], &["secret_key_base", "database_password"])
                        .into_iter()
                        .next()
                        .map(|range| range.start + at..range.end + at)
                })
            })
            .collect::<Vec<_>>()
    };
    secrets(
        names
            .iter()
            .flat_map(after)
            .filter(|range| memmem::find(&bytes[range.clone()], b"put your").is_none())
            .collect(),
    )
}

/// `BUNDLE_HOST__NAME: "token"`.
fn bundler(bytes: &[u8]) -> Vec<Range<usize>> {
    let value = |range: Range<usize>| {
        let line = &bytes[range.clone()];
        let colon = memmem::find(line, b": ")?;
        let host = line.starts_with(b"BUNDLE_") && memmem::find(&line[..colon], b"__").is_some();
        let start = range.start + colon + 2 + usize::from(line.get(colon + 2) == Some(&b'"'));
        let len = value_len(&bytes[start..range.end]);
        let value = &bytes[start..start + len];
        (host && len >= 8 && !value.starts_with(b"http") && !is_placeholder(value))
            .then(|| start..start + len)
    };
    content_lines(bytes).filter_map(value).collect()
}

/// The lines `user:password` below `chpasswd:`.
fn chpasswd_list(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut within = false;
    let mut all = Vec::new();
    for range in content_lines(bytes) {
        let line = &bytes[range.clone()];
        if !line.starts_with(b" ") && !line.starts_with(b"-") {
            within = line.starts_with(b"chpasswd:");
            continue;
        }
        let text = line.trim_ascii_start();
        let text = text.strip_prefix(b"- ").unwrap_or(text);
        let Some(colon) = text.iter().position(|byte| *byte == b':').filter(|_| within) else { continue };
        let value = text[colon + 1..].trim_ascii_end();
        if value.len() >= 2
            && !value.starts_with(b" ")
            && text[..colon].iter().all(|byte| !byte.is_ascii_whitespace())
        {
            all.push(range.end - value.len()..range.end);
        }
    }
    all
}

/// `NAME_PASSWORD=value`.
fn environment(bytes: &[u8]) -> Vec<Range<usize>> {
    let words = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIAL"];
    let value = |range: Range<usize>| {
        let line = &bytes[range.clone()];
        let equals = line.iter().position(|byte| *byte == b'=')?;
        let name = line[..equals].to_ascii_uppercase();
        let named = words.iter().any(|word| memmem::find(&name, word.as_bytes()).is_some());
        let quote = usize::from(matches!(line.get(equals + 1), Some(b'"' | b'\'')));
        let start = range.start + equals + 1 + quote;
        let value = bytes.get(start..start + value_len(bytes.get(start..range.end)?))?;
        let valid = value.len() >= 6 && !value.starts_with(b"/") && !is_placeholder(value);
        (named && valid).then(|| start..start + value.len())
    };
    content_lines(bytes).filter_map(value).collect()
}

fn installer(bytes: &[u8]) -> Vec<CheckMatch> {
    let marks: [&[u8]; 8] = [
        b"rootpw ",
        b"--password=",
        b"root-password password ",
        b"root-password-again password ",
        b"user-password password ",
        b"user-password-crypted password ",
        b"root-password-crypted password ",
        b"identity:",
    ];
    let mut all: Vec<CheckMatch> = Vec::new();
    for mark in &marks[..7] {
        all.extend(secrets(lines_with(bytes, mark)).into_iter().filter(|(range, _)| {
            range.as_ref().is_some_and(|range| !bytes[range.clone()].starts_with(b"--lock"))
        }));
    }
    all.extend(secrets(values(bytes, &["password"])));
    all.extend(
        secrets(
            memmem::find_iter(bytes, b"<Value>").filter_map(|at| xml_value(bytes, at)).collect::<Vec<_>>(),
        )
        .into_iter()
        .filter(|_| memmem::find(bytes, b"Password>").is_some()),
    );
    all.sort_by_key(|(range, _)| range.as_ref().map(|range| range.start));
    all.dedup_by(|later, kept| match (&later.0, &kept.0) {
        (Some(later), Some(kept)) => later.start < kept.end,
        _ => false,
    });
    all
}

/// The text of the element whose start tag is at an offset.
fn xml_value(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + bytes.get(at..)?.iter().position(|byte| *byte == b'>')? + 1;
    let len = bytes.get(start..)?.iter().take(1024).position(|byte| *byte == b'<')?;
    let value = &bytes[start..start + len];
    (len > 0 && !is_placeholder(value)).then_some(start..start + len)
}

fn ipsec(name: &[u8], bytes: &[u8]) -> Vec<CheckMatch> {
    if name.ends_with(b".conf") {
        return secrets(values(bytes, &["secret"]));
    }
    let kinds: [&[u8]; 6] = [b"PSK ", b"XAUTH ", b"EAP ", b"NTLM ", b"PIN ", b"RSA "];
    let has =
        |range: &Range<usize>| kinds.iter().any(|kind| memmem::find(&bytes[range.clone()], kind).is_some());
    content_lines(bytes).filter(has).take(1).map(|_| (None, None)).collect()
}

/// `password=…` among the options of a mount.
fn mount_options(bytes: &[u8]) -> Vec<Range<usize>> {
    let of_line = |range: Range<usize>| {
        let line = &bytes[range.clone()];
        let at = [&b",password="[..], b",pass=", b" password=", b"\tpassword=", b"=password="]
            .iter()
            .find_map(|mark| memmem::find(line, mark).map(|at| at + mark.len()))?;
        let len = value_len(&line[at..]);
        (len > 0 && !is_placeholder(&line[at..at + len])).then(|| range.start + at..range.start + at + len)
    };
    content_lines(bytes).filter_map(of_line).collect()
}

fn last_field(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let at = bytes[range.clone()].iter().rposition(|byte| *byte == b':').unwrap_or(0);
    range.start + at + 1..range.end
}

/// `"type": "service_account"` or `"authorized_user"`, and what lets somebody in.
fn service_account(bytes: &[u8]) -> Vec<CheckMatch> {
    let has = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
    let key = has("\"service_account\"") && has("\"private_key\"");
    let user = has("\"authorized_user\"") && has("\"refresh_token\"");
    if has("\"type\"") && (key || user) { vec![(None, None)] } else { Vec::new() }
}

/// Communities other than those that documentation uses, and users.
fn snmp(bytes: &[u8]) -> Vec<Range<usize>> {
    let of_line = |range: Range<usize>| {
        let line = &bytes[range.clone()];
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let word = words.next()?;
        let named = [&b"rocommunity"[..], b"rwcommunity", b"rocommunity6", b"rwcommunity6", b"createUser"]
            .contains(&word);
        let value = words.next().filter(|value| named && *value != b"public")?;
        let at = memmem::find(line, value)?;
        (!is_placeholder(value)).then(|| range.start + at..range.start + at + value.len())
    };
    content_lines(bytes).filter_map(of_line).collect()
}

/// Files of CUPS and at that are jobs.
fn spooled(name: &[u8], bytes: &[u8]) -> Vec<CheckMatch> {
    let job = matches!(name, [b'a' | b'c' | b'd', b'0'..=b'9', ..]);
    if job { present(bytes) } else { Vec::new() }
}

/// A swap area with bytes behind its header.
fn swap_file(bytes: &[u8]) -> Vec<CheckMatch> {
    let header = bytes.get(4086..4096).is_some_and(|magic| magic == b"SWAPSPACE2");
    if header { nonzero(&bytes[4096..]) } else { Vec::new() }
}
