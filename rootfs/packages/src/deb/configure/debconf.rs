//! Answers to questions of debconf that are set before packages are configured, in the format of
//! `debconf-set-selections(1)`. Packages name their questions in `templates` (debconf-devel(7)).

use std::collections::BTreeMap;

use crate::deb::unpack::UnpackedPackage;

/// Answers with a question of a package, and those without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selections {
    /// A line for each answer: package, question, type, value.
    pub text: String,
    /// Questions of no package.
    pub unknown: Vec<String>,
}

/// Divides answers by whether a package has the question.
pub fn selections(packages: &[UnpackedPackage], answers: &BTreeMap<String, String>) -> Selections {
    let templates = packages.iter().filter_map(|package| {
        Some((package.locked.name.as_str(), package.members.get("templates")?.bytes.as_slice()))
    });
    sorted(templates, answers)
}

fn sorted<'a>(
    templates: impl Iterator<Item = (&'a str, &'a [u8])>,
    answers: &BTreeMap<String, String>,
) -> Selections {
    let mut questions = BTreeMap::new();
    if !answers.is_empty() {
        for (package, bytes) in templates {
            let text = String::from_utf8_lossy(bytes);
            let mut question = None;
            for line in text.lines() {
                if let Some(name) = line.strip_prefix("Template:") {
                    question = Some(name.trim().to_owned());
                } else if let Some(kind) = line.strip_prefix("Type:")
                    && let Some(name) = question.take()
                {
                    questions.entry(name).or_insert((package.to_owned(), kind.trim().to_owned()));
                }
            }
        }
    }
    let mut made = Selections::default();
    for (question, value) in answers {
        match questions.get(question) {
            Some((package, kind)) => {
                made.text.push_str(&[package, question, kind, value].map(String::as_str).join(" "));
                made.text.push('\n');
            }
            None => made.unknown.push(question.clone()),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_given_to_the_packages_that_ask() {
        let templates: [(&str, &[u8]); 2] = [
            ("tzdata", b"Template: tzdata/Areas\nType: select\nChoices: Etc, Europe\n\nTemplate: tzdata/Zones/Etc\nType: select\n"),
            ("mail", b"Template: mail/name\nType: string\nDefault: x\nDescription: Name\n Type: not this\n"),
        ];
        let answers = [("mail/name", "my host"), ("tzdata/Areas", "Europe"), ("tzdata/Aeras", "Etc")];
        let answers = answers.map(|(question, value)| (question.to_owned(), value.to_owned())).into();
        let made = sorted(templates.into_iter(), &answers);
        assert_eq!(made.text, "mail mail/name string my host\ntzdata tzdata/Areas select Europe\n");
        assert_eq!(made.unknown, ["tzdata/Aeras"]);
        assert_eq!(sorted(templates.into_iter(), &BTreeMap::new()), Selections::default());
    }
}
