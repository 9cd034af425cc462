//! Finds locales and login shells that a recipe sets and the finished tree does not have. Programs start without them and
//! behave differently, so they are warnings, not errors. Checked after packages and commands have created their files.

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeId, NodeKind, Tree};

use super::accounts::UserSpec;
use super::error::StepError;
use super::probe::exists;
use super::system::SystemSpec;

/// Folder of the locales of glibc.
const LOCALES: &str = "/usr/lib/locale";

/// Longest locale archive that is searched, in bytes: a longer one has every locale.
const LOCALE_ARCHIVE_MAX: u64 = 16 << 20;

/// Magic number at the start of a locale archive (glibc, `locale/locarchive.h`).
const LOCALE_ARCHIVE_MAGIC: u32 = 0xde02_0109;

/// A locale or shell that a setting names and the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MissingSetting {
    /// A locale does not exist.
    #[error(
        "the locale `{locale}` is not generated in the image, so programs fall back to `C`; use `C.UTF-8`, add the \
         package locales-all, or generate it by a `[[run]]` of `localedef -i {} -f {} {locale}`",
        locale.split(['.', '@']).next().unwrap_or(locale),
        codeset(locale)
    )]
    Locale {
        /// The locale as in `[system]`.
        locale: String,
    },
    /// A login shell does not exist.
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

/// Checks the locale of `[system]` and the shells of the users.
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
        let exists = locale_exists(tree, sources, locale);
        let exists = exists.map_err(|source| StepError::System { key, source: source.into() })?;
        if !exists {
            missing.push(MissingSetting::Locale { locale: locale.clone() });
        }
    }
    let shells = missing_shells(tree, sources, users);
    missing.extend(shells.map_err(|source| StepError::Accounts(source.into()))?);
    Ok(missing)
}

/// The users of the recipe whose shell in `/etc/passwd` does not exist.
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

/// Whether the C library of the image has a locale. Only glibc needs files for it: musl treats every locale as UTF-8.
fn locale_exists(tree: &Tree, sources: &dyn Sources, locale: &str) -> Result<bool, PathError> {
    let name = canonical_name(locale);
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
    if content.len() > LOCALE_ARCHIVE_MAX {
        return Ok(true);
    }
    let bytes =
        path::bytes_of(content, sources).map_err(|source| PathError::Read { path: path(), source })?;
    // An archive of unknown format is not searched.
    Ok(archive_names(&bytes).is_none_or(|names| names.contains(&name.as_bytes())))
}

/// Whether the image has the dynamic linker of glibc.
fn has_glibc(tree: &Tree) -> Result<bool, PathError> {
    let mut names = Vec::new();
    for folder in [&b"/lib64"[..], b"/lib"] {
        let entries = path::find(tree, folder)?.and_then(|id: NodeId| tree.entries(id));
        names.extend(entries.into_iter().flat_map(|entries| entries.keys()));
    }
    Ok(names.iter().any(|name| name.as_bytes().starts_with(b"ld-linux")))
}

/// The names in a locale archive: its header gives offset and length of a table of strings, each terminated by NUL.
fn archive_names(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let field = |index: usize| {
        let field = bytes.get(index * 4..index * 4 + 4)?.first_chunk()?;
        Some(u32::from_le_bytes(*field))
    };
    if field(0)? != LOCALE_ARCHIVE_MAGIC {
        return None;
    }
    // Magic, serial; offset, used and size of the table of names; offset and used of the strings.
    let (start, used) = (field(5)? as usize, field(6)? as usize);
    Some(bytes.get(start..start.checked_add(used)?)?.split(|byte| *byte == 0).collect())
}

/// The name under which glibc stores a locale: of the codeset only letters and digits, in lower case.
fn canonical_name(locale: &str) -> String {
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

/// The codeset of a locale as an argument of localedef(1).
fn codeset(locale: &str) -> &str {
    let name = locale.split('@').next().unwrap_or(locale);
    name.split_once('.').map_or("ISO-8859-1", |(_, codeset)| codeset)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;
    use crate::steps::testing::{add, tree};

    fn missing_texts(tree: &Tree, locale: Option<&str>, users: &[&str]) -> Vec<String> {
        let user = |name: &&str| UserSpec { name: (*name).to_owned(), ..UserSpec::default() };
        let users: Vec<_> = users.iter().map(user).collect();
        let system = SystemSpec { locale: locale.map(str::to_owned), ..SystemSpec::default() };
        let missing = missing_settings(tree, &NoSources, &system, &users).unwrap();
        missing.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_locale_that_was_not_generated_is_named() {
        let mut tree = tree(&[("/lib64/ld-linux-x86-64.so.2", "file 0755 x")]);
        assert_eq!(missing_texts(&tree, Some("C.UTF-8"), &[]), [""; 0]);
        assert_eq!(missing_texts(&tree, None, &[]), [""; 0]);
        let [text] = &missing_texts(&tree, Some("de_DE.UTF-8"), &[])[..] else { panic!() };
        assert!(text.contains("`localedef -i de_DE -f UTF-8 de_DE.UTF-8`"), "{text}");
        add(&mut tree, "/usr/lib/locale/de_DE.utf8/LC_CTYPE", "file 0644 x");
        assert_eq!(missing_texts(&tree, Some("de_DE.UTF-8"), &[]), [""; 0]);
        assert_eq!(missing_texts(&tree, Some("de_DE.UTF-8@euro"), &[]).len(), 1);
        let names = b"de_DE.utf8@euro\0fr_FR.iso88591\0";
        let mut archive =
            [LOCALE_ARCHIVE_MAGIC, 1, 0, 0, 0, 28, names.len() as u32].map(u32::to_le_bytes).concat();
        archive.extend_from_slice(names);
        add(&mut tree, "/usr/lib/locale/locale-archive", "file 0644 x");
        let id = tree.lookup(b"usr/lib/locale/locale-archive").unwrap();
        tree.node_mut(id).kind = NodeKind::File(amiforge_formats::tree::Content::Inline(archive.into()));
        assert_eq!(missing_texts(&tree, Some("de_DE.UTF-8@euro"), &[]), [""; 0]);
        assert_eq!(missing_texts(&tree, Some("fr_FR.ISO-8859-1"), &[]), [""; 0]);
        assert_eq!(missing_texts(&tree, Some("fr_FR.UTF-8"), &[]).len(), 1);
        assert_eq!(canonical_name("ja_JP.88591"), "ja_JP.iso88591");
    }

    #[test]
    fn locales_of_images_without_glibc_are_not_checked() {
        let tree = tree(&[("/lib/ld-musl-x86_64.so.1", "file 0755 x")]);
        assert_eq!(missing_texts(&tree, Some("de_DE.UTF-8"), &[]), [""; 0]);
    }

    #[test]
    fn a_login_shell_that_does_not_exist_is_named() {
        let mut tree = tree(&[
            (
                "/etc/passwd",
                "file 0644 root:x:0:0::/root:/bin/zsh\na:x:1000:1000::/home/a:/bin/zsh\nb:x:1001:1001::/:\n",
            ),
            ("/bin/sh", "file 0755 x"),
        ]);
        let missing = missing_texts(&tree, None, &["a", "b"]);
        assert_eq!(missing.len(), 1);
        assert!(
            missing[0].starts_with("the login shell `/bin/zsh` of `a` is not in the image"),
            "{}",
            missing[0]
        );
        add(&mut tree, "/bin/zsh", "link sh");
        assert_eq!(missing_texts(&tree, None, &["a", "b"]), [""; 0]);
    }
}
