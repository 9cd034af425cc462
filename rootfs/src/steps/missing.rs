//! What the settings of a recipe name and the finished tree does not have: programs start all the same and behave in
//! another way, so it is a warning and no error. To be asked once packages and commands have made all they make.

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeId, NodeKind, Tree};

use super::accounts::UserSpec;
use super::error::StepError;
use super::probe::exists;
use super::system::SystemSpec;

/// Where the C library of GNU looks for locales.
const LOCALES: &str = "/usr/lib/locale";

/// Longest archive of locales that is searched; one with all of them and more is not.
const ARCHIVE_MAX: u64 = 16 << 20;

/// First word of an archive of locales (glibc, `locale/locarchive.h`).
const ARCHIVE_MAGIC: u32 = 0xde02_0109;

/// Something that a setting names and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MissingSetting {
    /// A locale.
    #[error(
        "the locale `{locale}` is not generated in the image, so programs fall back to `C`; use `C.UTF-8`, add the \
         package locales-all, or generate it by a `[[run]]` of `localedef -i {} -f {} {locale}`",
        locale.split(['.', '@']).next().unwrap_or(locale),
        codeset(locale)
    )]
    Locale {
        /// As `[system]` names it.
        locale: String,
    },
    /// A login shell.
    #[error(
        "the login shell `{shell}` of `{user}` is not in the image, so `{user}` cannot log in; add its package, or set `shell`"
    )]
    Shell {
        /// The user.
        user: String,
        /// Path of the shell.
        shell: String,
    },
}

/// Looks for what the settings name.
///
/// # Errors
/// [`StepError::System`] or [`StepError::Accounts`] where the tree cannot be read.
pub fn missing_settings(
    tree: &Tree,
    sources: &dyn Sources,
    system: &SystemSpec,
    users: &[UserSpec],
) -> Result<Vec<MissingSetting>, StepError> {
    let mut missing = Vec::new();
    if let Some(locale) = &system.locale {
        let key = "locale";
        let known = has_locale(tree, sources, locale);
        let known = known.map_err(|source| StepError::System { key, source: source.into() })?;
        if !known {
            missing.push(MissingSetting::Locale { locale: locale.clone() });
        }
    }
    let shells = missing_shells(tree, sources, users);
    missing.extend(shells.map_err(|source| StepError::Accounts(source.into()))?);
    Ok(missing)
}

/// The users of the recipe whose shell is not there, as the account file of the image has it.
fn missing_shells(
    tree: &Tree,
    sources: &dyn Sources,
    users: &[UserSpec],
) -> Result<Vec<MissingSetting>, PathError> {
    let accounts = path::read(tree, sources, b"/etc/passwd")?.unwrap_or_default();
    let accounts = String::from_utf8_lossy(&accounts);
    let mut missing = Vec::new();
    for line in accounts.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(shell)) = (fields.next(), fields.nth(5)) else { continue };
        // An empty field means /bin/sh.
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        let ours = users.iter().any(|user| user.name == name);
        if ours && !exists(tree, shell) {
            missing.push(MissingSetting::Shell { user: name.to_owned(), shell: shell.to_owned() });
        }
    }
    Ok(missing)
}

/// Whether the C library of the image knows a locale. Only that of GNU is asked: musl takes every name for UTF-8.
fn has_locale(tree: &Tree, sources: &dyn Sources, locale: &str) -> Result<bool, PathError> {
    let name = normalized(locale);
    if ["C", "POSIX", "C.utf8"].contains(&name.as_str()) || !has_glibc(tree)? {
        return Ok(true);
    }
    for name in [locale, &name] {
        if path::find(tree, format!("{LOCALES}/{name}/LC_CTYPE").as_bytes())?.is_some() {
            return Ok(true);
        }
    }
    let Some(archive) = path::find(tree, format!("{LOCALES}/locale-archive").as_bytes())? else {
        return Ok(false);
    };
    let path = || format!("{LOCALES}/locale-archive").into_bytes();
    let NodeKind::File(content) = &tree.node(archive).kind else { return Ok(false) };
    if content.len() > ARCHIVE_MAX {
        return Ok(true);
    }
    let bytes =
        path::bytes_of(content, sources).map_err(|source| PathError::Read { path: path(), source })?;
    // What is no archive that we know is not judged.
    Ok(archived(&bytes).is_none_or(|names| names.contains(&name.as_bytes())))
}

/// Whether programs of the image are linked against the C library of GNU.
fn has_glibc(tree: &Tree) -> Result<bool, PathError> {
    let mut names = Vec::new();
    for folder in [&b"/lib64"[..], b"/lib"] {
        let entries = path::find(tree, folder)?.and_then(|id: NodeId| tree.entries(id));
        names.extend(entries.into_iter().flat_map(|entries| entries.keys()));
    }
    Ok(names.iter().any(|name| name.as_bytes().starts_with(b"ld-linux")))
}

/// The names in an archive of locales: its header gives place and length of the table of texts, each ended by NUL.
fn archived(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let word = |index: usize| {
        let word = bytes.get(index * 4..index * 4 + 4)?.first_chunk()?;
        Some(u32::from_le_bytes(*word))
    };
    if word(0)? != ARCHIVE_MAGIC {
        return None;
    }
    // Magic, serial; place, used and size of the table of names; place and used of the texts.
    let (start, used) = (word(5)? as usize, word(6)? as usize);
    Some(bytes.get(start..start.checked_add(used)?)?.split(|byte| *byte == 0).collect())
}

/// The name under which glibc keeps a locale: of the codeset only letters and digits in lower case count.
fn normalized(locale: &str) -> String {
    let (rest, modifier) = locale.split_once('@').map_or((locale, None), |(rest, name)| (rest, Some(name)));
    let mut name = match rest.split_once('.') {
        Some((language, codeset)) => {
            let codeset: String = codeset.chars().filter(char::is_ascii_alphanumeric).collect();
            let digits = codeset.chars().all(|c| c.is_ascii_digit());
            format!("{language}.{}{}", if digits { "iso" } else { "" }, codeset.to_ascii_lowercase())
        }
        None => rest.to_owned(),
    };
    if let Some(modifier) = modifier {
        name = format!("{name}@{modifier}");
    }
    name
}

/// The codeset of a locale as localedef(1) takes it.
fn codeset(locale: &str) -> &str {
    let name = locale.split('@').next().unwrap_or(locale);
    name.split_once('.').map_or("ISO-8859-1", |(_, codeset)| codeset)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;
    use crate::steps::testing::{add, tree};

    fn found(tree: &Tree, locale: Option<&str>, users: &[&str]) -> Vec<String> {
        let user = |name: &&str| UserSpec { name: (*name).to_owned(), ..UserSpec::default() };
        let users: Vec<_> = users.iter().map(user).collect();
        let system = SystemSpec { locale: locale.map(str::to_owned), ..SystemSpec::default() };
        let missing = missing_settings(tree, &NoSources, &system, &users).unwrap();
        missing.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_locale_that_was_not_generated_is_named() {
        let mut tree = tree(&[("/lib64/ld-linux-x86-64.so.2", "file 0755 x")]);
        assert_eq!(found(&tree, Some("C.UTF-8"), &[]), [""; 0]);
        assert_eq!(found(&tree, None, &[]), [""; 0]);
        let [lack] = &found(&tree, Some("de_DE.UTF-8"), &[])[..] else { panic!() };
        assert!(lack.contains("`localedef -i de_DE -f UTF-8 de_DE.UTF-8`"), "{lack}");
        add(&mut tree, "/usr/lib/locale/de_DE.utf8/LC_CTYPE", "file 0644 x");
        assert_eq!(found(&tree, Some("de_DE.UTF-8"), &[]), [""; 0]);
        assert_eq!(found(&tree, Some("de_DE.UTF-8@euro"), &[]).len(), 1);
        let names = b"de_DE.utf8@euro\0fr_FR.iso88591\0";
        let mut archive = [ARCHIVE_MAGIC, 1, 0, 0, 0, 28, names.len() as u32].map(u32::to_le_bytes).concat();
        archive.extend_from_slice(names);
        add(&mut tree, "/usr/lib/locale/locale-archive", "file 0644 x");
        let id = tree.lookup(b"usr/lib/locale/locale-archive").unwrap();
        tree.node_mut(id).kind = NodeKind::File(amiforge_formats::tree::Content::Inline(archive.into()));
        assert_eq!(found(&tree, Some("de_DE.UTF-8@euro"), &[]), [""; 0]);
        assert_eq!(found(&tree, Some("fr_FR.ISO-8859-1"), &[]), [""; 0]);
        assert_eq!(found(&tree, Some("fr_FR.UTF-8"), &[]).len(), 1);
        assert_eq!(normalized("ja_JP.88591"), "ja_JP.iso88591");
    }

    #[test]
    fn images_without_the_c_library_of_gnu_are_not_judged() {
        let tree = tree(&[("/lib/ld-musl-x86_64.so.1", "file 0755 x")]);
        assert_eq!(found(&tree, Some("de_DE.UTF-8"), &[]), [""; 0]);
    }

    #[test]
    fn a_login_shell_that_is_not_there_is_named() {
        let mut tree = tree(&[
            (
                "/etc/passwd",
                "file 0644 root:x:0:0::/root:/bin/zsh\na:x:1000:1000::/home/a:/bin/zsh\nb:x:1001:1001::/:\n",
            ),
            ("/bin/sh", "file 0755 x"),
        ]);
        let missing = found(&tree, None, &["a", "b"]);
        assert_eq!(missing.len(), 1);
        assert!(
            missing[0].starts_with("the login shell `/bin/zsh` of `a` is not in the image"),
            "{}",
            missing[0]
        );
        add(&mut tree, "/bin/zsh", "link sh");
        assert_eq!(found(&tree, None, &["a", "b"]), [""; 0]);
    }
}
