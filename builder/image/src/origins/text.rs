//! The text of `origins.txt`.

use std::fmt::Write as _;
use std::str;

use amiforge_formats::dump::DumpWord;

use super::{OriginNumber, Origins, PartitionOrigins, PathOrigin, PathOrigins};

/// The first line.
const HEAD: &str = "amiforge origins 1";

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginsError {
    /// It is of another format or version.
    #[error("the first line is not `{HEAD}`")]
    Head,
    /// A line has another form.
    #[error("line {line} is not {expected}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// An origin is not in the table.
    #[error("line {line} has origin {found}, and the table has {known}")]
    Number {
        /// Its number, from 1.
        line: usize,
        /// The number of the origin.
        found: u32,
        /// How many there are.
        known: usize,
    },
}

/// Writes the text.
pub(super) fn write(origins: &Origins) -> String {
    let mut text = format!("{HEAD}\n");
    // Writing to a String cannot fail, here and below.
    for (number, origin) in (1..).zip(&origins.table) {
        let _: Result<_, _> = write!(text, "@{number} {}", DumpWord(origin.kind.as_bytes()));
        for (name, value) in &origin.facts {
            let _ = write!(text, " {}={}", DumpWord(name.as_bytes()), DumpWord(value.as_bytes()));
        }
        text.push('\n');
    }
    for PartitionOrigins { id, holds, mount, paths } in &origins.partitions {
        let word = |text: &String| DumpWord(text.as_bytes()).to_string();
        let _ = writeln!(text, "# {} {} {}", word(id), word(holds), word(mount));
        for PathOrigins { path, section, content, metadata } in paths {
            let _ = if content == metadata {
                write!(text, "{content} {}", DumpWord(path))
            } else {
                write!(text, "{content}/{metadata} {}", DumpWord(path))
            };
            if let Some(section) = section {
                let _ = write!(text, " {}", DumpWord(section.as_bytes()));
            }
            text.push('\n');
        }
    }
    text
}

/// Reads the text.
pub(super) fn parse(bytes: &[u8]) -> Result<Origins, OriginsError> {
    let mut lines = bytes.split(|byte| *byte == b'\n').enumerate();
    if lines.next().is_none_or(|(_, line)| line != HEAD.as_bytes()) {
        return Err(OriginsError::Head);
    }
    let mut origins = Origins::default();
    for (index, line) in lines {
        let number = index + 1;
        let wrong = |expected| OriginsError::Line { line: number, expected };
        let line = str::from_utf8(line).map_err(|_| wrong("UTF-8"))?;
        if line.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('@') {
            let origin =
                origin(rest, origins.table.len() + 1).ok_or(wrong("an origin with the next number"))?;
            origins.table.push(origin);
        } else if let Some(rest) = line.strip_prefix("# ") {
            origins.partitions.push(partition(rest).ok_or(wrong("a partition: `# ID FS MOUNT`"))?);
        } else {
            let path = path(line).ok_or(wrong("`CONTENT[/METADATA] PATH [SECTION]`"))?;
            for found in [path.content, path.metadata] {
                if origins.origin(found).is_none() {
                    return Err(OriginsError::Number { line: number, found, known: origins.table.len() });
                }
            }
            let last = origins.partitions.last_mut().ok_or(wrong("behind a partition"))?;
            last.paths.push(path);
        }
    }
    Ok(origins)
}

/// A word as text.
fn text(word: &str) -> Option<String> {
    String::from_utf8(DumpWord::parse(word)?).ok()
}

fn origin(rest: &str, next: usize) -> Option<PathOrigin> {
    let mut words = rest.split(' ');
    if words.next()?.parse() != Ok(next) {
        return None;
    }
    let kind = text(words.next()?).filter(|kind| !kind.is_empty())?;
    let fact = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((text(name)?, text(value)?))
    };
    Some(PathOrigin { kind, facts: words.map(fact).collect::<Option<_>>()? })
}

fn partition(rest: &str) -> Option<PartitionOrigins> {
    let mut words = rest.split(' ').map(text);
    let (id, holds, mount) = (words.next()??, words.next()??, words.next()??);
    words.next().is_none().then_some(PartitionOrigins { id, holds, mount, paths: Vec::new() })
}

fn path(line: &str) -> Option<PathOrigins> {
    let mut words = line.split(' ');
    let numbers = words.next()?;
    let (content, metadata) = numbers.split_once('/').unwrap_or((numbers, numbers));
    let number = |digits: &str| digits.parse::<OriginNumber>().ok();
    let path = DumpWord::parse(words.next()?)?;
    let section = match words.next() {
        None => None,
        Some(word) => Some(text(word)?),
    };
    let whole = words.next().is_none();
    whole.then_some(PathOrigins { path, section, content: number(content)?, metadata: number(metadata)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origins::OriginTable;

    fn origins() -> Origins {
        let mut table = OriginTable::default();
        let unused = table.number(PathOrigin::new("unused"));
        let file = table.number(PathOrigin::new("file").with("number", 1).with("line", 12));
        let deb = table.number(PathOrigin::new("deb").with("name", "base files"));
        assert_eq!((unused, table.number(PathOrigin::new("unused"))), (1, 1));
        let path = |path: &[u8], content, metadata| PathOrigins {
            path: path.to_vec(),
            section: None,
            content,
            metadata,
        };
        let linux = PathOrigins { section: Some(".linux".to_owned()), ..path(b"/x.efi", deb, deb) };
        let partition = PartitionOrigins {
            id: "root".to_owned(),
            holds: "ext4".to_owned(),
            mount: "/".to_owned(),
            paths: vec![path(b"/", deb, deb), path(b"/a b\xff", file, deb), linux],
        };
        table.finish(vec![partition])
    }

    const TEXT: &str = "amiforge origins 1\n@1 deb name=base\\x20files\n@2 file number=1 line=12\n# root ext4 /\n1 /\n\
                        2/1 /a\\x20b\\xff\n1 /x.efi .linux\n";

    #[test]
    fn a_line_for_each_path_and_the_table_in_the_order_of_use() {
        let origins = origins();
        assert_eq!(origins.text(), TEXT);
        assert_eq!(Origins::parse(TEXT.as_bytes()), Ok(origins));
    }

    #[test]
    fn a_text_that_is_cut_or_changed_is_refused_with_its_line() {
        let broken = |from: &str, to: &str| Origins::parse(TEXT.replacen(from, to, 1).as_bytes());
        assert_eq!(broken("origins 1", "origins 2"), Err(OriginsError::Head));
        let line = |result: Result<Origins, OriginsError>| match result {
            Err(OriginsError::Line { line, .. } | OriginsError::Number { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(broken("@2", "@3")), 3);
        assert_eq!(line(broken("@1 deb name=", "@1 deb name")), 2);
        assert_eq!(line(broken("# root ext4 /\n", "")), 4);
        assert_eq!(line(broken("# root ext4 /", "# root ext4")), 4);
        assert_eq!(line(broken("2/1 /a", "9/1 /a")), 6);
        assert_eq!(line(broken("2/1 /a", "0 /a")), 6);
        assert_eq!(line(broken(".linux", ".linux more")), 7);
        assert_eq!(line(broken("\\xff", "\\xf")), 6);
        assert_eq!(Origins::parse(b""), Err(OriginsError::Head));
        for end in 0..TEXT.len() {
            let _ = Origins::parse(&TEXT.as_bytes()[..end]);
        }
    }
}
