//! Suggestions for misspelled keys and options.

/// A clause such as "; did you mean `size`?", or an empty text if no candidate is near.
pub(super) fn suggestion<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The candidate nearest to `word` (Jaro-Winkler similarity of at least 0.75). Case, `-` and `_` make no difference.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(&word, &plain(candidate)), candidate));
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
        let words = || ["name", "version", "arch", "epoch"].into_iter();
        assert_eq!(nearest("archh", words()), Some("arch"));
        assert_eq!(nearest("Version", words()), Some("version"));
        assert_eq!(nearest("zzz", words()), None);
        assert_eq!(
            nearest("authorised_keys", ["authorized-keys", "groups"].into_iter()),
            Some("authorized-keys")
        );
        assert_eq!(any_of(words()), "`name`, `version`, `arch` or `epoch`");
    }
}
