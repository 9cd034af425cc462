//! Passwords of accounts and groups (shadow(5), passwd(5), gshadow(5)). A field is never printed.

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::Violation;

/// Files with passwords in their second field, and what holds an account.
const FILES: [(&str, &str); 4] =
    [("/etc/passwd", "user"), ("/etc/shadow", "user"), ("/etc/group", "group"), ("/etc/gshadow", "group")];

pub(super) fn violations(
    tree: &Tree,
    sources: &dyn Sources,
    found: &mut Vec<Violation>,
) -> Result<(), PathError> {
    for (file, holder) in FILES {
        let text = path::read(tree, sources, file.as_bytes())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(password)) = (fields.next(), fields.next()) else { continue };
            let name = name.escape_default();
            let fact = match password {
                // In these two files an `x` says that the password is in the other.
                "x" if !file.ends_with("shadow") => continue,
                // A group without a password is one that no user enters by it (newgrp(1)).
                "" if holder == "group" => continue,
                "" => format!("the user `{name}` needs no password: the field in `{file}` is empty"),
                locked if locked.starts_with(['!', '*']) => continue,
                _ => format!("the {holder} `{name}` has a password in `{file}`"),
            };
            let remedy = match holder {
                "user" => {
                    "lock the account: no `password` in its `[[user]]`, or `passwd --lock` in a `[[run]]`"
                }
                _ => "remove the password: `gpasswd --remove-password` in a `[[run]]`",
            };
            found.push(Violation::new(fact, remedy));
        }
    }
    Ok(())
}
