//! Suggestions for misspelled keys and options.

/// A clause such as "; did you mean `size`?", or an empty text if no candidate is near.
pub(super) fn suggestion<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(text, candidates).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The candidate nearest to `text` (Jaro-Winkler similarity of at least 0.75). Case, `-` and `_` make no difference.
fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let text = plain(text);
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(&text, &plain(candidate)), candidate));
    // Of equally near candidates the first, so that the result depends only on their order.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (best.0 >= 0.75).then_some(best.1)
}

/// Joins options into a text such as "`a`, `b` or `c`".
pub(super) fn any_of<'a>(options: impl Iterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = options.map(|option| format!("`{option}`")).collect();
    match quoted.pop() {
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} or {last}", quoted.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_candidate_is_suggested_and_a_far_one_is_not() {
        let names = || ["name", "version", "arch", "epoch"].into_iter();
        assert_eq!(nearest("archh", names()), Some("arch"));
        assert_eq!(nearest("Version", names()), Some("version"));
        assert_eq!(nearest("zzz", names()), None);
        assert_eq!(
            nearest("authorised_keys", ["authorized-keys", "groups"].into_iter()),
            Some("authorized-keys")
        );
        assert_eq!(any_of(names()), "`name`, `version`, `arch` or `epoch`");
    }
}
