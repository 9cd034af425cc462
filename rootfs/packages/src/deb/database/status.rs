//! A package's stanza in the file `status`: the fields that dpkg knows in its own order, relations in its own spelling,
//! then the others in the package's order.

use super::conffiles::Conffiles;
use super::state::DatabaseState;
use crate::deb::relation;
use crate::deb::unpack::UnpackedPackage;

/// Fields that dpkg knows, in the order in which it writes them; `Status` and `Conffiles` are its own.
const KNOWN: [&str; 25] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
];

/// Fields that hold relations.
const RELATIONS: [&str; 9] = [
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
];

/// Fields that dpkg knows and never writes into `status`.
const LEFT_OUT: [&str; 9] = [
    "Config-Version",
    "Filename",
    "Size",
    "MD5sum",
    "MSDOS-Filename",
    "Triggers-Pending",
    "Triggers-Awaited",
    "Revision",
    "Package-Revision",
];

/// The stanza, with the empty line that ends it.
pub(super) fn stanza(package: &UnpackedPackage, state: DatabaseState, conffiles: &Conffiles) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        text.push_str(name);
        // A value that begins with a newline is a list below its name.
        text.push_str(if value.starts_with('\n') { ":" } else { ": " });
        text.push_str(value);
        text.push('\n');
    };
    for name in KNOWN {
        match (name, package.field(name)) {
            ("Status", _) => field(name, &format!("install ok {}", word(state))),
            ("Conffiles", _) => {
                if let Some(list) = conffiles.field() {
                    field(name, &list);
                }
            }
            // Said only where it says something.
            (_, None | Some("")) | ("Essential" | "Protected" | "Multi-Arch", Some("no")) => {}
            ("Priority", Some(value)) if known_priority(value) => field(name, &value.to_ascii_lowercase()),
            (_, Some(value)) if RELATIONS.contains(&name) => field(name, &spelled(value)),
            (_, Some(value)) => field(name, value),
        }
    }
    for (name, value) in package.control.fields() {
        let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !known(&KNOWN) && !known(&LEFT_OUT) {
            field(name, value);
        }
    }
    text.push('\n');
    text
}

fn known_priority(value: &str) -> bool {
    let known = ["required", "important", "standard", "optional", "extra"];
    known.iter().any(|known| known.eq_ignore_ascii_case(value))
}

fn word(state: DatabaseState) -> &'static str {
    match state {
        DatabaseState::Unpacked => "unpacked",
        DatabaseState::Installed => "installed",
    }
}

/// Relations as dpkg spells them; what does not parse stays as it is.
fn spelled(value: &str) -> String {
    let groups: Result<Vec<String>, _> = relation::groups(value)
        .map(|group| {
            let group = group?;
            let alternatives: Vec<String> = group.iter().map(ToString::to_string).collect();
            Ok::<_, relation::RelationError>(alternatives.join(" | "))
        })
        .collect();
    groups.map_or_else(|_| value.to_owned(), |groups| groups.join(", "))
}
