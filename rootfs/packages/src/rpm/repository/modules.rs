//! `modules.yaml`: the names of modules and the packages that belong to them (libmodulemd, `modulemd-stream-v2`). Only these two
//! are looked for, line by line: none of the rest of YAML is needed to hide packages.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io::BufRead;

use super::error::RepodataError;
use super::xml::malformed;

/// The longest line, in bytes.
const LONGEST_LINE: usize = 1 << 20;
/// Most packages of modules.
const MOST_PACKAGES: usize = 1 << 20;

/// The modules of a repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RpmModules {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Their packages, as `name-epoch:version-release.arch`.
    pub artifacts: BTreeSet<String>,
}

/// Reads the modules.
///
/// # Errors
/// [`RepodataError`].
pub fn read(file: &str, input: &mut dyn BufRead) -> Result<RpmModules, RepodataError> {
    let mut modules = RpmModules::default();
    let mut stack: Vec<(usize, String)> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let limited = std::io::Read::take(&mut *input, LONGEST_LINE as u64).read_until(b'\n', &mut line);
        let count = limited.map_err(|source| RepodataError::Unpack { file: file.to_owned(), source })?;
        if count == 0 {
            return Ok(modules);
        }
        if count == LONGEST_LINE {
            return Err(malformed(file, format!("it has a line of {LONGEST_LINE} bytes")));
        }
        let text = String::from_utf8_lossy(&line);
        let content = text.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if matches!(content, "---" | "...") {
            stack.clear();
            continue;
        }
        let indent = text.len().saturating_sub(text.trim_start().len());
        if let Some(item) = content.strip_prefix("- ") {
            let keys: Vec<&str> =
                stack.iter().filter(|(depth, _)| *depth <= indent).map(|(_, key)| key.as_str()).collect();
            if keys == ["data", "artifacts", "rpms"] {
                modules.artifacts.insert(unquoted(item));
            }
        } else if let Some((key, value)) = content.split_once(':') {
            stack.retain(|(depth, _)| *depth < indent);
            let keys: Vec<&str> = stack.iter().map(|(_, key)| key.as_str()).collect();
            if keys == ["data"] && matches!(key, "name" | "module") && !value.trim().is_empty() {
                modules.names.insert(unquoted(value));
            }
            stack.push((indent, key.to_owned()));
        }
        if modules.artifacts.len() > MOST_PACKAGES || modules.names.len() > MOST_PACKAGES {
            return Err(malformed(file, format!("it has more than {MOST_PACKAGES} packages")));
        }
    }
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_packages_of_modules_are_found() {
        let text = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: php\n  stream: \"8.2\"\n  api:\n    rpms:\n    - php-api\n  \
                    artifacts:\n    rpms:\n    - php-0:8.2-1.x86_64\n    - \"php-cli-0:8.2-1.x86_64\"\n  profiles:\n    rpms:\n    - no\n...\n\
                    ---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: nodejs\n...\n";
        let modules = read("modules.yaml", &mut text.as_bytes()).unwrap();
        assert_eq!(modules.names, BTreeSet::from(["nodejs".to_owned(), "php".to_owned()]));
        let artifacts = ["php-0:8.2-1.x86_64", "php-cli-0:8.2-1.x86_64"].map(str::to_owned);
        assert_eq!(modules.artifacts, BTreeSet::from(artifacts));
    }
}
