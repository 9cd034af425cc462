//! Parses the `[Install]` section of unit files and expands specifiers in its values. Knows no trees.
//!
//! Follows systemd.syntax(7) and systemd.unit(5).

use super::error::UnitError;
use super::name::{UnitName, UnitNameForm};

/// The `[Install]` sections of a unit and its drop-ins, with specifiers not yet expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct InstallSection {
    pub(super) aliases: Vec<String>,
    pub(super) wanted_by: Vec<String>,
    pub(super) required_by: Vec<String>,
    pub(super) upheld_by: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) default_instance: Option<String>,
}

impl InstallSection {
    /// Adds the section of another file; an empty value clears the values before it.
    pub(super) fn merge(&mut self, text: &[u8]) {
        let mut in_section = false;
        for line in logical_lines(text) {
            let line = line.trim();
            if line.starts_with('[') {
                in_section = line == "[Install]";
            } else if let (true, Some((key, value))) = (in_section, line.split_once('=')) {
                self.assign(key.trim_end(), value.trim_start());
            }
        }
    }

    fn assign(&mut self, key: &str, value: &str) {
        let list = match key {
            "Alias" => &mut self.aliases,
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Also" => {
                // Unlike the others, an empty Also= clears nothing.
                self.also.extend(split_values(value));
                return;
            }
            "DefaultInstance" => {
                self.default_instance = Some(value.to_owned()).filter(|value| !value.is_empty());
                return;
            }
            _ => return,
        };
        if value.is_empty() {
            list.clear();
        }
        list.extend(split_values(value));
    }
}

/// Joins lines that end with a backslash, and drops comments, also between joined lines.
fn logical_lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    let mut lines = Vec::new();
    let mut joined = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let backslashes = line.bytes().rev().take_while(|&byte| byte == b'\\').count();
        if let (1, Some(head)) = (backslashes % 2, line.strip_suffix('\\')) {
            joined.push_str(head);
            joined.push(' ');
        } else {
            joined.push_str(line);
            lines.push(std::mem::take(&mut joined));
        }
    }
    lines.push(joined);
    lines
}

/// Splits at white space outside of quotes.
fn split_values(value: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut current: Option<String> = None;
    let mut quote = None;
    for letter in value.chars() {
        match (quote, letter) {
            (None, '"' | '\'') => {
                quote = Some(letter);
                current.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (None, _) if letter.is_ascii_whitespace() => values.extend(current.take()),
            _ => current.get_or_insert_default().push(letter),
        }
    }
    values.extend(current);
    values
}

/// Expands the specifiers of `text` for `unit`, whose instance is `default_instance` if it is a template.
pub(super) fn expand(
    text: &str,
    unit: &UnitName,
    default_instance: Option<&str>,
) -> Result<String, UnitError> {
    let instance = match (unit.form(), default_instance) {
        (UnitNameForm::Template, Some(instance)) => instance,
        _ => unit.instance(),
    };
    let whole = match unit.form() {
        UnitNameForm::Template => unit.with_instance(instance).unwrap_or_else(|| unit.clone()),
        _ => unit.clone(),
    };
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('i') => out.push_str(instance),
            Some('n') => out.push_str(whole.as_str()),
            Some('N') => out.push_str(stem(&whole)),
            Some('p') => out.push_str(unit.prefix()),
            Some('j') => out.push_str(unit.prefix().rsplit('-').next().unwrap_or_default()),
            Some('u' | 'g') => out.push_str("root"),
            Some('U' | 'G') => out.push('0'),
            Some('%') => out.push('%'),
            other => {
                return Err(UnitError::Specifier {
                    specifier: other.map(String::from).unwrap_or_default(),
                    text: text.to_owned(),
                });
            }
        }
    }
    Ok(out)
}

/// The name without its type.
fn stem(unit: &UnitName) -> &str {
    unit.as_str().rsplit_once('.').map_or("", |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_accumulate_until_an_empty_one_clears_them() {
        let mut install = InstallSection::default();
        install.merge(
            b"\xef\xbb\xbf[Unit]\nWantedBy=no.target\n[Install]\n# c\nWantedBy=a.target \\\n; between\n  b.target\n\
              Alias='x.service' \"y.service\"\nRequiredBy=r.target\nAlso=s.socket\n\xff\xfe=1\n[X]\nWantedBy=z.target\n",
        );
        assert_eq!(install.wanted_by, ["a.target", "b.target"]);
        assert_eq!(install.aliases, ["x.service", "y.service"]);
        install.merge(
            b"[Install]\nWantedBy=\nWantedBy = c.target\nUpheldBy=u.target\nDefaultInstance=t\nAlso=\n",
        );
        assert_eq!(
            (install.wanted_by, install.upheld_by),
            (vec!["c.target".into()], vec!["u.target".into()])
        );
        assert_eq!((install.also, install.default_instance), (vec!["s.socket".into()], Some("t".into())));
    }

    #[test]
    fn specifiers_are_expanded() {
        let unit = UnitName::new("a-b@x-y.service").unwrap();
        assert_eq!(expand("%n %N %p %i %j %%", &unit, None).unwrap(), "a-b@x-y.service a-b@x-y a-b x-y b %");
        let unit = UnitName::new("a-b@.service").unwrap();
        assert_eq!(expand("%n %N %i", &unit, Some("t")).unwrap(), "a-b@t.service a-b@t t");
        assert!(matches!(expand("%H", &unit, None), Err(UnitError::Specifier { .. })));
        assert!(matches!(expand("x%", &unit, None), Err(UnitError::Specifier { .. })));
    }
}
