//! Parses the text files of a policy: `file_contexts` (`selabel_file(5)`) and the substitutions beside it. Compiles nothing.

use super::error::{RuleProblem, SelinuxError};
use super::pattern::PathPattern;
use amiforge_formats::tree::NodeKind;

/// Most rules of a policy: fifteen times those of Fedora's.
const RULES_MAX: usize = 100_000;

/// Longest context in bytes (`SELINUX_LABEL_MAX` leaves more, no policy comes near).
const CONTEXT_MAX: usize = 1024;

/// The context of a rule that gives no label.
const NO_LABEL: &[u8] = b"<<none>>";

/// The type of a file in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleFileType {
    Regular,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Socket,
    Fifo,
}

impl RuleFileType {
    fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"--" => Self::Regular,
            b"-d" => Self::Directory,
            b"-l" => Self::Symlink,
            b"-c" => Self::CharDevice,
            b"-b" => Self::BlockDevice,
            b"-s" => Self::Socket,
            b"-p" => Self::Fifo,
            _ => return None,
        })
    }

    /// The type of a node.
    pub(super) fn of(kind: &NodeKind) -> Self {
        match kind {
            NodeKind::Dir(_) => Self::Directory,
            NodeKind::File(_) => Self::Regular,
            NodeKind::Symlink(_) => Self::Symlink,
            NodeKind::CharDevice { .. } => Self::CharDevice,
            NodeKind::BlockDevice { .. } => Self::BlockDevice,
            NodeKind::Fifo => Self::Fifo,
            NodeKind::Socket => Self::Socket,
        }
    }
}

/// A rule of `file_contexts`.
#[derive(Debug, Clone)]
pub(super) struct ContextRule {
    /// The paths that it is for.
    pub(super) pattern: PathPattern,
    /// The type of file that it is for; `None` for all.
    pub(super) file_type: Option<RuleFileType>,
    /// The context; `None` for `<<none>>`.
    pub(super) context: Option<Box<[u8]>>,
    /// Index of the file and number of the line that it comes from.
    pub(super) source: (u32, u32),
}

/// A file of a policy: its path for messages, and its bytes.
#[derive(Debug)]
pub(super) struct PolicyFile {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

/// The error of a line.
pub(super) fn rule_error(
    files: &[PolicyFile],
    (file, line): (u32, u32),
    problem: RuleProblem,
) -> SelinuxError {
    let file = files.get(file as usize).map_or_else(String::new, |file| file.path.clone());
    SelinuxError::Rule { file, line, problem }
}

/// Lines with their numbers, without comments and empty ones.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
    let trimmed = lines.map(|(number, line)| (number, line.trim_ascii()));
    trimmed.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect()
}

/// The rules of all files, in the order of increasing precedence: those with meta characters, then those without, each in
/// the order of the files.
pub(super) fn parse_rules(files: &[PolicyFile]) -> Result<Vec<ContextRule>, SelinuxError> {
    let mut rules = Vec::new();
    for (index, file) in (0..).zip(files) {
        for (number, line) in lines(&file.bytes) {
            let source = (index, number);
            let rule = parse_rule(line, source).map_err(|problem| rule_error(files, source, problem))?;
            rules.push(rule);
            if rules.len() > RULES_MAX {
                return Err(SelinuxError::TooManyRules { file: file.path.clone(), limit: RULES_MAX });
            }
        }
    }
    rules.sort_by_key(|rule| rule.pattern.literal);
    Ok(rules)
}

fn parse_rule(line: &[u8], source: (u32, u32)) -> Result<ContextRule, RuleProblem> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (pattern, file_type, context) = match *fields(line) {
        [pattern, context] => (pattern, None, context),
        [pattern, file_type, context] => {
            let known = RuleFileType::parse(file_type);
            (pattern, Some(known.ok_or_else(|| RuleProblem::FileType { text: text(file_type) })?), context)
        }
        _ => return Err(RuleProblem::Fields),
    };
    let has_label = context != NO_LABEL;
    if has_label && !is_context(context) {
        return Err(RuleProblem::Context { text: text(context) });
    }
    let pattern = PathPattern::translate(pattern)?;
    Ok(ContextRule { pattern, file_type, context: has_label.then(|| context.into()), source })
}

/// Whether the bytes have the form `USER:ROLE:TYPE[:RANGE]`.
fn is_context(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(4, |&byte| byte == b':');
    let named = parts.by_ref().take(3).filter(|part| !part.is_empty()).count() == 3;
    named
        && parts.all(|range| !range.is_empty())
        && bytes.len() <= CONTEXT_MAX
        && bytes.iter().all(u8::is_ascii_graphic)
}

/// A file of substitutions: a path that is treated as if it were another one.
#[derive(Debug, Default)]
pub(super) struct Substitutions {
    /// Pairs of path and replacement; the first that fits counts.
    pairs: Vec<PathPair>,
}

/// The beginning of a path, and what replaces it.
type PathPair = (Box<[u8]>, Box<[u8]>);

impl Substitutions {
    /// Parses a file; as in libselinux, later lines have precedence, and lines without two fields are skipped.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let pair = |(_, line)| match *fields(line) {
            [from, to, ..] => Some((Box::from(from), Box::from(to))),
            _ => None,
        };
        let mut pairs: Vec<_> = lines(bytes).take(RULES_MAX).filter_map(pair).collect();
        pairs.reverse();
        Self { pairs }
    }

    /// The path with its beginning replaced.
    pub(super) fn apply(&self, path: &mut Vec<u8>) {
        let rest =
            |from: &[u8]| path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
        let found = self.pairs.iter().find_map(|(from, to)| Some((rest(from)?, to)));
        let Some((rest, to)) = found else { return };
        // What is put at the root begins with one slash.
        let rest = if **to == *b"/" { rest.strip_prefix(b"/").unwrap_or(rest) } else { rest };
        *path = [&**to, rest].concat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<ContextRule>, SelinuxError> {
        parse_rules(&[PolicyFile { path: "fc".to_owned(), bytes: text.as_bytes().to_vec() }])
    }

    #[test]
    fn literal_rules_come_last_and_the_order_of_lines_is_kept() {
        let rules = parse(
            "# comment\n\n/b\tu:r:b:s0\n/a(/.*)?  --  u:r:a:s0 \n/c -l <<none>>\n/.* u:r:d:s0:c0.c1,c3\n",
        )
        .unwrap();
        let context = |rule: &ContextRule| {
            rule.context.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let seen: Vec<_> = rules.iter().map(|rule| (rule.source.1, rule.file_type, context(rule))).collect();
        let expected = [
            (4, Some(RuleFileType::Regular), Some("u:r:a:s0".to_owned())),
            (6, None, Some("u:r:d:s0:c0.c1,c3".to_owned())),
            (3, None, Some("u:r:b:s0".to_owned())),
            (5, Some(RuleFileType::Symlink), None),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_line_that_is_no_rule_is_named() {
        for (line, expected) in [
            ("/a", "fc:2: it has not the form `PATTERN [TYPE] CONTEXT`; "),
            ("/a -- u:r:t:s0 x", "fc:2: it has not the form"),
            ("/a -x u:r:t:s0", "fc:2: `-x` is not a file type"),
            ("/a u:r", "fc:2: `u:r` is not a context"),
            ("/a u::t", "fc:2: `u::t` is not a context"),
            ("/a u:r:t:", "fc:2: `u:r:t:` is not a context"),
            ("/(?=a) u:r:t", "fc:2: the pattern has a look-around"),
        ] {
            let error = parse(&format!("/ u:r:t:s0\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_last_substitution_that_fits_is_applied_once() {
        let subs =
            Substitutions::parse(b"/run /first\n# /run /x\n /run /var/run\n/var/run /run\n/root /\nalone\n");
        for (path, expected) in [
            ("/run", "/var/run"),
            ("/run/a", "/var/run/a"),
            ("/runner", "/runner"),
            ("/var/run/a", "/run/a"),
            ("/root/a", "/a"),
            ("/root", "/"),
        ] {
            let mut changed = path.as_bytes().to_vec();
            subs.apply(&mut changed);
            assert_eq!(String::from_utf8(changed).unwrap(), expected, "{path}");
        }
    }
}
