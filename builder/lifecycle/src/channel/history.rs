//! What the versions of a channel's parameter say: what it holds, what it held before, what others did.

use super::entry::Held;
use super::note::{Note, NoteKind};
use crate::api::parameters::{IMAGE, ParameterVersion, STRING};

/// What a version holds.
pub(super) fn held(version: &ParameterVersion) -> Held {
    Held { version: version.number, image: version.value.clone() }
}

/// The note of a version.
pub(super) fn note(version: &ParameterVersion) -> Option<Note> {
    Note::read(version.description.as_deref()?)
}

/// The version that the latest one stands for: one that went back to an earlier one stands for that one.
pub(super) fn effective(history: &[ParameterVersion]) -> Option<&ParameterVersion> {
    follow(history, NoteKind::went_back_to)
}

/// Follows notes backwards from the latest version.
fn follow(
    history: &[ParameterVersion],
    target: impl Fn(NoteKind) -> Option<u64>,
) -> Option<&ParameterVersion> {
    let mut at = history.last()?;
    // Each step is to a smaller number, so this ends.
    while let Some(to) = note(at).and_then(|note| target(note.kind)).filter(|&to| to < at.number) {
        match history.iter().find(|version| version.number == to) {
            Some(earlier) => at = earlier,
            None => break,
        }
    }
    Some(at)
}

/// The version to roll back to: of those before the one that the latest stands for, the newest with another image.
pub(super) fn predecessor(history: &[ParameterVersion]) -> Option<&ParameterVersion> {
    newest_other(history, effective(history)?)
}

/// The version that the latest one replaced. If others have set the latest back to one of ours, that one counts.
pub(super) fn replaced(history: &[ParameterVersion]) -> Option<&ParameterVersion> {
    let set_back = |kind| match kind {
        NoteKind::SetBack { to } => Some(to),
        _ => None,
    };
    newest_other(history, follow(history, set_back)?)
}

/// The newest version before `at` with another image.
fn newest_other<'h>(history: &'h [ParameterVersion], at: &ParameterVersion) -> Option<&'h ParameterVersion> {
    history.iter().rev().find(|version| version.number < at.number && version.value != at.value)
}

/// The version since which the parameter has held its image without a break.
pub(super) fn since(history: &[ParameterVersion]) -> Option<&ParameterVersion> {
    let image = &history.last()?.value;
    history.iter().rev().take_while(|version| version.value == *image).last()
}

/// The newest version between two numbers, both exclusive, with none of the images `ours`.
pub(super) fn other_between<'h>(
    history: &'h [ParameterVersion],
    (after, before): (u64, u64),
    ours: &[&str],
) -> Option<&'h ParameterVersion> {
    let between = |version: &&ParameterVersion| {
        version.number > after && version.number < before && !ours.contains(&version.value.as_str())
    };
    history.iter().rev().find(between)
}

/// Why a parameter cannot be a channel, if its type is another one.
pub(super) fn type_problem(parameter: &str, latest: &ParameterVersion) -> Option<String> {
    if latest.kind == STRING && latest.data_type == IMAGE {
        return None;
    }
    let (kind, data_type) = (&latest.kind, &latest.data_type);
    Some(format!(
        "`{parameter}` is a {kind} of the data type `{data_type}`, and a channel is a {STRING} of `{IMAGE}`, which cannot \
         be changed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions from 1 on: image, and what was gone back to.
    fn history(versions: &[(&str, Option<NoteKind>)]) -> Vec<ParameterVersion> {
        let version = |(index, (image, kind)): (usize, &(&str, Option<NoteKind>))| ParameterVersion {
            number: index as u64 + 1,
            value: (*image).to_owned(),
            description: kind
                .map(|kind| Note { kind, image: None, version: None, regions: Vec::new() }.text()),
            ..ParameterVersion::default()
        };
        versions.iter().enumerate().map(version).collect()
    }

    fn before(versions: &[(&str, Option<NoteKind>)]) -> Option<u64> {
        predecessor(&history(versions)).map(|version| version.number)
    }

    #[test]
    fn rolling_back_again_goes_further_back_and_not_to_the_bad_version() {
        let back = |to| Some(NoteKind::Rollback { to });
        let promote = Some(NoteKind::Promote);
        assert_eq!(before(&[]), None);
        assert_eq!(before(&[("a", promote)]), None);
        assert_eq!(before(&[("a", None), ("b", None)]), Some(1));
        assert_eq!(before(&[("a", promote), ("b", promote), ("a", back(1))]), None);
        assert_eq!(before(&[("a", promote), ("b", promote), ("c", promote), ("b", back(2))]), Some(1));
        let more = [("a", promote), ("b", promote), ("a", back(1)), ("c", promote), ("a", back(3))];
        assert_eq!(before(&more), None);
        let again = [("a", promote), ("b", promote), ("a", back(1)), ("c", promote)];
        assert_eq!(before(&again), Some(3));
        // The same image twice in a row is one state.
        assert_eq!(before(&[("a", promote), ("b", promote), ("b", promote)]), Some(1));
        let set_back = Some(NoteKind::SetBack { to: 1 });
        assert_eq!(before(&[("a", promote), ("b", promote), ("a", set_back), ("c", promote)]), Some(3));
        // A note that would lead forwards or nowhere is ignored.
        assert_eq!(before(&[("a", promote), ("b", back(9))]), Some(1));
    }

    #[test]
    fn a_parameter_holds_its_image_since_the_first_of_equal_versions() {
        let all = history(&[("a", None), ("b", None), ("a", None), ("a", None)]);
        assert_eq!(since(&all).map(|version| version.number), Some(3));
        assert_eq!(other_between(&all, (1, 4), &["a"]).map(|version| version.number), Some(2));
        assert_eq!(other_between(&all, (2, 4), &["a"]), None);
        assert_eq!(other_between(&all, (1, 4), &["a", "b"]), None);
    }

    #[test]
    fn a_change_that_is_set_back_returns_to_what_it_replaced() {
        let back = |to| Some(NoteKind::Rollback { to });
        let set_back = |to| Some(NoteKind::SetBack { to });
        let version = |versions: &[(&str, Option<NoteKind>)]| {
            replaced(&history(versions)).map(|version| version.number)
        };
        // A roll back that failed elsewhere returns to the version that was rolled back.
        assert_eq!(version(&[("a", None), ("b", None), ("c", None), ("a", back(1))]), Some(3));
        // Others replaced ours by accident and set it back.
        assert_eq!(version(&[("a", None), ("x", None), ("y", None), ("x", set_back(2))]), Some(1));
        assert_eq!(version(&[("x", None), ("x", None)]), None);
    }
}
