//! The one text that a manifest, or a statement of a build, has: keys sorted, two spaces for each level.

use alloc::string::String;

use crate::json::{quoted, Json};

/// The first byte in which two texts differ.
pub(crate) fn difference(a: &str, b: &[u8]) -> Option<usize> {
    let at = a.bytes().zip(b).position(|(a, b)| a != *b).unwrap_or(a.len().min(b.len()));
    (at < a.len().max(b.len())).then_some(at)
}

/// The text of a value with two spaces for each level, and a line break at the end.
pub(crate) fn canonical(json: &Json) -> String {
    let mut out = String::new();
    indented(json, 0, &mut out);
    out.push('\n');
    out
}

fn indented(json: &Json, level: usize, out: &mut String) {
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        (0..level).for_each(|_| out.push_str("  "));
    };
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(digits) => out.push_str(digits),
        // Manifests hold DEL as it is.
        Json::Text(text) => out.push_str(&quoted(text).replace("\\u007f", "\u{7f}")),
        Json::List(all) if all.is_empty() => out.push_str("[]"),
        Json::Object(all) if all.is_empty() => out.push_str("{}"),
        Json::List(all) => {
            for (index, value) in all.iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                line(out, level.saturating_add(1));
                indented(value, level.saturating_add(1), out);
            }
            line(out, level);
            out.push(']');
        }
        Json::Object(all) => {
            for (index, (key, value)) in all.iter().enumerate() {
                out.push(if index == 0 { '{' } else { ',' });
                line(out, level.saturating_add(1));
                out.push_str(&quoted(key));
                out.push_str(": ");
                indented(value, level.saturating_add(1), out);
            }
            line(out, level);
            out.push('}');
        }
    }
}
